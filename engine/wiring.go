package engine

import (
	"fmt"

	"bankai/internal/weights"
)

// architectures are those that the engine runs, by their names in GGUF: each lays out
// its blocks, from the lowest.
var architectures = map[string]func(w *wiring){"qwen3": qwen3, "qwen35": qwen35}

// wire lays out the forward pass of the model's architecture.
func (m *Model) wire() error {
	build, ok := architectures[m.config.Architecture]
	if !ok {
		return fmt.Errorf("the engine does not run architecture %q", m.config.Architecture)
	}
	return m.lay(build)
}

// lay lays out blocks between the embedding and the head. It finds the tensors in the
// table of the model's architecture.
func (m *Model) lay(build func(w *wiring)) error {
	w := wiring{Model: m}
	m.embedding = w.matrix(weights.Embedding, 0, "embedding").Matrix
	m.head, m.outputNorm = m.embedding, w.vector(weights.Head, 0, "norm")
	if !m.config.Tied {
		m.head = w.matrix(weights.Head, 0, "head").Matrix
	}
	m.blocks, m.cuts, m.states, m.kvLayers, m.deltaLayers = nil, map[string]Cut{}, nil, 0, 0
	m.kvState = w.state(newKeyValues)
	build(&w)
	for _, s := range m.config.Tensors() {
		if s.Part == weights.Head {
			m.cuts[s.Name] = m.lastCut()
		}
	}
	return w.missing
}

// wiring is a model whose blocks are being laid out.
type wiring struct {
	*Model
	missing error // the first tensor that is not there
}

// add puts a block above those that are there.
func (w *wiring) add(b block) {
	w.blocks = append(w.blocks, b)
	at := Cut(len(w.blocks))
	for _, p := range b.projections() {
		w.cuts[p.tensor] = at
	}
	if b.mixes() {
		w.mixing = at
	}
}

// state has every sequence carry one more state, which begins as start says, and
// returns its number.
func (w *wiring) state(start func(b *Batch, once bool) state) int {
	w.states = append(w.states, start)
	return len(w.states) - 1
}

// sublayer is that of the next block.
func (w *wiring) sublayer(part weights.Part, layer int) sublayer {
	return sublayer{layer: layer, below: Cut(len(w.blocks) + 1), norm: w.vector(part, layer, "norm")}
}

// matrix finds a 1-bit tensor by its short name.
func (w *wiring) matrix(part weights.Part, layer int, short string) projection {
	name := w.config.Find(part, short).In(layer)
	m, ok := w.matrices[name]
	if !ok && w.missing == nil {
		w.missing = fmt.Errorf("1-bit tensor %s is missing", name)
	}
	return projection{name, m}
}

// vector finds a float tensor by its short name.
func (w *wiring) vector(part weights.Part, layer int, short string) []float32 {
	name := w.config.Find(part, short).In(layer)
	t, ok := w.file.Tensor(name)
	if (!ok || t.Kind != weights.Float) && w.missing == nil {
		w.missing = fmt.Errorf("float tensor %s is missing", name)
	}
	return t.Floats()
}

package engine

// tape keeps what a backward pass needs of a forward pass of one wave of tokens:
// the residual stream at every cut and the outputs of the projections, of which
// those that end in the stream are differences of it.
type tape struct {
	streams map[Cut][]float32 // [tokens, Hidden]
	layers  []tapeLayer
}

// tapeLayer holds projections as they come out of their matrices: [tokens, rows].
type tapeLayer struct{ q, k, v, gate, up []float32 }

func newTape(m *Model) *tape {
	return &tape{streams: map[Cut][]float32{}, layers: make([]tapeLayer, len(m.layers))}
}

// reset makes room for n tokens.
func (t *tape) reset(m *Model, n int) {
	for c := Cut(1); c <= m.lastCut(); c++ {
		t.streams[c] = resize(t.streams[c], n*m.config.Hidden)
	}
	for i := range t.layers {
		l := &t.layers[i]
		l.gate, l.up = resize(l.gate, n*m.config.FFN), resize(l.up, n*m.config.FFN)
	}
}

func (t *tape) keepKV(i int, b *Batch) {
	l := &t.layers[i]
	l.k, l.v = append(l.k[:0], b.k...), append(l.v[:0], b.v...)
}

func (t *tape) keepQ(i int, b *Batch) {
	l := &t.layers[i]
	l.q = append(l.q[:0], b.q...)
}

// tokenBytes is the size of a tape for one token.
func tokenBytes(m *Model) int {
	c := m.config
	layer := 2*c.Hidden + (c.Heads+2*c.KVHeads)*c.HeadDim + 2*c.FFN
	return 4 * c.Layers * layer
}

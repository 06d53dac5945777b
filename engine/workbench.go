package engine

import (
	"slices"

	"bankai"
	"bankai/internal/kernel"
)

// Workbench is a view of a model in which one owner flips bits in place and puts
// adapters on, while others go on with the model itself. Its Model computes with what
// was done here; it shares the file and all weights but the matrices that were
// flipped, of which a workbench has copies: at most as much memory as the packed
// weights take. A Workbench needs no closing, but must not outlive the model. Batches
// of one workbench may run at the same time; Apply, Adapt and Restore wait until none
// does.
type Workbench struct {
	*Model
	copied map[string]bool // tensors whose bits are the workbench's own
}

// Workbench begins with the model as loaded, also if m is that of a workbench. It
// takes no copy of weights.
func (m *Model) Workbench() *Workbench {
	from := m.here()
	if m.loaded != nil {
		from = m.loaded
	}
	own := &Model{
		file: from.file, config: from.config, tok: from.tok, kernel: from.kernel,
		exact: from.exact, workers: from.workers, rope: from.rope, queryScale: from.queryScale,
		loaded: from, matrices: make(map[string]*kernel.Matrix, len(from.matrices)),
	}
	for name, w := range from.matrices {
		view := *w // shares the bits until own copies them
		own.matrices[name] = &view
	}
	if err := own.wire(); err != nil {
		panic(err) // it found the same tensors when the model was loaded
	}
	return &Workbench{Model: own, copied: map[string]bool{}}
}

// Apply flips p's bits in place: no cost per token, and a second Apply undoes it. The
// first flip in a matrix copies it. Nothing is changed if p does not fit the model:
// see [weights.File.Fit] for the errors. The workbench's overlays made before must not
// be used afterwards; those of the model that it was made of may.
func (w *Workbench) Apply(p *bankai.Patch) error {
	flips, err := w.file.Check(p)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version++
	w.edits++
	w.applied = toggled(w.applied, p)
	var x *kernel.Matrix
	for i, f := range flips {
		if i == 0 || f.Tensor != flips[i-1].Tensor {
			x = w.own(f.Tensor)
		}
		x.Flip(int(f.Row), int(f.Col), int(f.N))
	}
	return nil
}

// own is a matrix whose bits nobody else reads.
func (w *Workbench) own(tensor string) *kernel.Matrix {
	x := w.matrices[tensor]
	if !w.copied[tensor] {
		*x = *x.Clone() // in place: layers, overlays and adapters know the matrix by its address
		w.copied[tensor] = true
	}
	return x
}

// toggled is a new list: the old one with p at its end or, if p was there, without it.
// Overlays keep the old one, so it does not change.
func toggled(list []*bankai.Patch, p *bankai.Patch) []*bankai.Patch {
	if i := slices.Index(list, p); i >= 0 {
		return slices.Concat(list[:i], list[i+1:])
	}
	return slices.Concat(list, []*bankai.Patch{p})
}

// Adapt makes the workbench compute with a from now on; nil takes the adapter off, and
// the bits are what they were. Sequences and trunks that hold keys, values or streams
// from before must not go on. Overlays may: a patch flips bits of W alone, so flipping
// a row negates W·x but not what the adapter adds. [LayerGradient.AddEffects] and
// [LayerGradient.Partial] do not know of the adapter.
func (w *Workbench) Adapt(a *Adapter) error {
	if a != nil && a.model != w.Model {
		return &OtherModelError{"adapter"}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edits++
	w.adapter = a
	return nil
}

// Restore takes off all patches and the adapter and gives back the memory of the
// copies. It makes overlays stale, as Apply does.
func (w *Workbench) Restore() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version++
	w.edits++
	w.applied, w.adapter = nil, nil
	for tensor := range w.copied {
		*w.matrices[tensor] = *w.loaded.matrices[tensor]
	}
	clear(w.copied)
}

// edition tells keys and values that the model computes now from those before it was
// changed.
func (m *Model) edition() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.edits
}

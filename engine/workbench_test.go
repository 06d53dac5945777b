package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"bankai"
	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// testBench is a workbench of a random model, and its Model.
func testBench(t testing.TB, s testmodel.Shape, o Options) (*Workbench, *Model) {
	t.Helper()
	w := testModel(t, s, o).Workbench()
	return w, w.Model
}

func apply(t testing.TB, w *Workbench, p *bankai.Patch) {
	t.Helper()
	if err := w.Apply(p); err != nil {
		t.Fatal(err)
	}
}

// Whatever is done in a workbench, the model and its other workbenches compute with the
// bits of the file, and overlays and running sequences of the model go on. The patched
// workbench is the overlay and the baked file; what is applied twice or restored is
// nothing.
func TestWorkbenchLeavesTheModel(t *testing.T) {
	for name, shape := range allShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			m := testModel(t, shape, Options{Precision: precision})
			ids := append([]int32{5, 6, 9, 300}, randomIDs(rand.New(rand.NewPCG(3, 4)), 20, shape.Vocab)...)
			base := logitsOf(t, m, nil, ids)
			w, idle := m.Workbench(), m.Workbench()
			for what, p := range testPatches(m) {
				what = fmt.Sprintf("%s, %v, %s", name, precision, what)
				o, err := m.Overlay(p)
				if err != nil {
					t.Fatal(err)
				}
				overlaid := logitsOf(t, m, o, ids)
				apply(t, w, p)
				sameBits(t, what+": in the workbench", logitsOf(t, w.Model, nil, ids), overlaid)
				sameBits(t, what+": the model", logitsOf(t, m, nil, ids), base)
				sameBits(t, what+": an overlay of the model", logitsOf(t, m, o, ids), overlaid)
				sameBits(t, what+": another workbench", logitsOf(t, idle.Model, nil, ids), base)
				sameBits(t, what+": a workbench of the workbench", logitsOf(t, w.Workbench().Model, nil, ids), base)
				baked := bakedModel(t, w.Model, p, precision)
				sameBits(t, what+": baked", logitsOf(t, baked, nil, ids), overlaid)

				adapt(t, w, adapterOf(t, w, 2))
				sameBits(t, what+": the model beside an adapter", logitsOf(t, m, nil, ids), base)
				adapt(t, w, nil)
				apply(t, w, p)
				sameBits(t, what+": applied twice", logitsOf(t, w.Model, nil, ids), base)
			}
		}
	}
}

// What was made in a workbench goes on after Restore: an adapter finds its matrices, and
// the bits are the model's again.
func TestRestore(t *testing.T) {
	for name, shape := range allShapes() {
		m := testModel(t, shape, Options{})
		w, ids := m.Workbench(), []int32{1, 2, 3}
		base := logitsOf(t, m, nil, ids)
		a := adapterOf(t, w, 2)
		adapt(t, w, a)
		adapted := logitsOf(t, w.Model, nil, ids)
		for what, p := range testPatches(m) {
			apply(t, w, p)
			w.Restore()
			sameBits(t, name+", restored: "+what, logitsOf(t, w.Model, nil, ids), base)
			adapt(t, w, a)
			sameBits(t, name+", adapted: "+what, logitsOf(t, w.Model, nil, ids), adapted)
			adapt(t, w, nil)
		}
	}
}

// A workbench takes memory for the matrices that it flips bits in, once for each, and
// gives it back.
func TestWorkbenchCopiesWhatItFlips(t *testing.T) {
	m := testModel(t, shapes["tied, head_dim 64"], Options{})
	w, p := m.Workbench(), testPatches(m)["mixed"]
	copied := func() (names []string) {
		for name, x := range w.matrices {
			if bitsOf(x) != bitsOf(m.matrices[name]) {
				names = append(names, name)
			}
		}
		return names
	}
	touched := map[string]bool{}
	for _, f := range p.Flips() {
		touched[f.Tensor] = true
	}
	for _, c := range []struct {
		what string
		do   func()
		want int
	}{
		{"at first", func() {}, 0},
		{"a patch", func() { apply(t, w, p) }, len(touched)},
		{"the patch again", func() { apply(t, w, p) }, len(touched)},
		{"restored", w.Restore, 0},
	} {
		if c.do(); len(copied()) != c.want {
			t.Errorf("%s: %v are copied, want %d", c.what, copied(), c.want)
		}
	}
}

// bitsOf is where a matrix has its bits.
func bitsOf(w *kernel.Matrix) uintptr {
	return reflect.ValueOf(w).Elem().FieldByName("packed").Pointer()
}

// A batch of the model that runs keeps no workbench waiting: Apply returns while the
// batch waits inside its step.
func TestApplyBesideARunningBatch(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	w, p := m.Workbench(), testPatches(m)["mixed"]
	b := m.NewBatch(0)
	err := b.Each(context.Background(), []Input{{b.NewSeq(nil), []int32{1, 2}, 1}}, func(int, int, []float32) {
		done := make(chan error)
		go func() { done <- w.Apply(p) }()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("Apply waits for the model's batch")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

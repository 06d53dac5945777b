package engine

import (
	"context"
	"math/rand/v2"
	"testing"

	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// Correcting a projection takes no memory once the first has. The oracle's product
// does.
func TestCorrectionsDoNotAllocate(t *testing.T) {
	if testModel(t, testmodel.Tiny, Options{}).kernel == kernel.Generic {
		t.Skip("no other kernel set")
	}
	for _, precision := range []Precision{Fast, Exact} {
		m := testModel(t, testmodel.Tiny, Options{Precision: precision, Threads: 1})
		o, err := m.Overlay(testPatches(m)["mixed"])
		if err != nil {
			t.Fatal(err)
		}
		w, x := m.above(2).(*mlp).gate.Matrix, make([]float32, m.config.Hidden)
		b := m.NewBatch(0)
		b.team = m.workers.start()
		defer b.team.stop()
		b.inputs(3, len(x))
		for i := range 3 {
			b.setInput(i, x)
		}
		y := make([]float32, 3*w.Rows)
		n := testing.AllocsPerRun(10, func() {
			for _, c := range b.corrections(w, []region{{o, 1, 3}}) {
				c.compute(m.kernel, &b.acts, &b.parts[0])
				c.apply(y, w.Rows)
			}
		})
		if n > 0 {
			t.Errorf("%v: %v allocations", precision, n)
		}
	}
}

// Neighbours under overlays of their own, in regions of every length and at every
// place in a block, are as if alone.
func TestOverlaysOfNeighbours(t *testing.T) {
	shape := shapes["tied, head_dim 64"]
	for _, precision := range []Precision{Fast, Exact} {
		m := testModel(t, shape, Options{Precision: precision})
		rng := rand.New(rand.NewPCG(6, 7))
		b := m.NewBatch(0)
		var in []Input
		var want [][]float32
		for n := range 14 {
			o, err := m.Overlay(someFlips(m, rng, 0, 300))
			if err != nil {
				t.Fatal(err)
			}
			ids := randomIDs(rng, 1+n*5%14, shape.Vocab)
			in = append(in, Input{b.NewSeq(o), ids, len(ids)})
			want = append(want, logitsOf(t, m, o, ids))
		}
		got, err := b.Step(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		for i := range in {
			sameBits(t, precision.String(), got[i], want[i])
		}
	}
}

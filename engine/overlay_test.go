package engine

import (
	"context"
	"math/rand/v2"
	"testing"

	"bankai"
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

// An overlay's digest is the content digest of its patch bound to the model: one for
// equal flips, however they are written or read, and another for every other patch,
// model, or patch in place.
func TestOverlayDigest(t *testing.T) {
	shape := testmodel.Tiny
	m, again, other := testModel(t, shape, Options{}), testModel(t, shape, Options{}), load(t, testmodel.Bytes(shape, 2), Options{})
	digest := func(m *Model, p *bankai.Patch) bankai.Digest {
		t.Helper()
		o, err := m.Overlay(p)
		if err != nil {
			t.Fatal(err)
		}
		first := o.Digest()
		if o.Digest() != first {
			t.Error("a digest changes")
		}
		return first
	}
	row := bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 3, N: bankai.ToEnd}
	bit := bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: 5, Col: 7, N: 1}
	p, q := bankai.New(m.Digest(), bankai.Meta{}, row), bankai.New(m.Digest(), bankai.Meta{}, bit)
	both := bankai.New(m.Digest(), bankai.Meta{}, row, bit)
	fitted, err := p.Fit(m.Weights().Shape)
	if err != nil {
		t.Fatal(err)
	}
	want := fitted.ContentDigest()

	whole := row
	whole.N = uint32(shape.Hidden)
	w := m.Workbench()
	apply(t, w, q)
	off, restored := m.Workbench(), m.Workbench()
	apply(t, off, q)
	apply(t, off, both)
	apply(t, off, q)
	apply(t, off, bankai.New(bankai.Digest{}, bankai.Meta{}, row, bit))
	apply(t, restored, q)
	restored.Restore()
	for what, got := range map[string]bankai.Digest{
		"the patch":                      digest(m, p),
		"loaded twice":                   digest(again, p),
		"unbound":                        digest(m, p.WithBase(bankai.Digest{})),
		"with other words":               digest(m, p.WithMeta(bankai.Meta{Name: "x"})),
		"the row's length written out":   digest(m, bankai.New(bankai.Digest{}, bankai.Meta{}, whole)),
		"the rest of what is in place":   digest(w.Model, both),
		"what was in place is off again": digest(off.Model, p),
		"restored":                       digest(restored.Model, p),
		"in a workbench with no patches": digest(m.Workbench().Model, p),
	} {
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	seen := map[bankai.Digest]string{want: "the patch", m.Digest(): "the model", {}: "no digest"}
	for what, got := range map[string]bankai.Digest{
		"another patch":   digest(m, q),
		"both patches":    digest(w.Model, p),
		"another model":   digest(other, p.WithBase(other.Digest())),
		"nothing is left": digest(w.Model, q),
	} {
		if was, ok := seen[got]; ok {
			t.Errorf("%s has the digest of %s", what, was)
		}
		seen[got] = what
	}
	if digest(m, both) != digest(w.Model, p) {
		t.Error("a patch in place and an overlay on it are not the one overlay of both")
	}
	if got := (*Overlay)(nil).Digest(); !got.IsZero() {
		t.Errorf("no overlay: %v", got)
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

// Rows that are flipped whole take next to nothing, those that are flipped in part their
// weights.
func TestOverlayBytes(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	if n := (*Overlay)(nil).Bytes(); n != 0 {
		t.Errorf("the model as it is takes %d bytes", n)
	}
	size := func(n uint32) int64 {
		var flips []bankai.Flip
		for row := range uint32(32) {
			flips = append(flips, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: row, N: n})
		}
		o, err := m.Overlay(bankai.New(bankai.Digest{}, bankai.Meta{}, flips...))
		if err != nil {
			t.Fatal(err)
		}
		return o.Bytes()
	}
	cols := int64(testmodel.Tiny.Hidden)
	if rows, bits := size(bankai.ToEnd), size(1); rows != 32*8 && rows != 32*4 || bits < rows+32*cols/8 || bits > 4*32*cols/8+rows {
		t.Errorf("32 rows of %d bits take %d bytes, a bit of each %d", cols, rows, bits)
	}
}

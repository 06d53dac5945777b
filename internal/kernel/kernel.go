// Package kernel is the arithmetic on packed 1-bit matrices and the few float
// routines a transformer needs beside it.
//
// Every routine exists in a plain Go version (generic.go), which is the oracle,
// and in versions for particular CPUs. A [Set] is one complete implementation.
// All sets return the same bits for the same input: integer dots are exact, and
// every float sum has one fixed order that is part of the routine's definition.
package kernel

import (
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// GroupSize is the number of weights of a row that share one scale.
	GroupSize = 128
	// Lanes is the number of partial sums that every float reduction keeps.
	Lanes = 16
	// ActGroup is the number of int8 activations that share one scale.
	ActGroup = 32
)

// Set is one complete implementation of the kernels.
type Set struct {
	// Name is what BANKAI_KERNEL and `bankai bench` call it.
	Name string

	// layout is that of the matrices it makes, and acts the form of the activations
	// it multiplies them with.
	layout *layout
	acts   actsForm
	// matMul multiplies the column groups [group0, group1) of w with blocks that
	// hold those columns, and writes the rows of the tiles [tile0, tile1) to y.
	matMul   func(y []float32, ystride int, w *Matrix, group0, group1 int, blocks []block, exact bool, tile0, tile1 int)
	quantize func(b *block, t int, x []float32)

	dots        func(out, q, k []float32)
	dot         func(x, y []float32) float32
	weightedSum func(out, p, v []float32)
	scaled      func(out, x, w []float32, r float32)
	swiglu      func(h, gate, up []float32)
	swigluGrad  func(dgate, dup, dh, gate, up []float32)
	expSum      func(x []float32, max float32) float32

	// fetch begins to bring memory into the caches; nil if the set cannot.
	fetch func(p *byte, lines int)

	// peak runs nothing but the instructions that multiply, peakMACs products a
	// round; nil if the set has no such loop.
	peak     func(rounds int)
	peakMACs int

	// transpose makes transposed products in fast precision. expand writes the weights
	// of a tile's group as rows of floats.
	transpose transposer
	expand    func(rows []float32, w *Matrix, tile, group int)
	// quantizeGroup quantises ActGroup values; sum is Σq.
	quantizeGroup func(x []float32) (q [ActGroup]int8, scale float32, sum int32)
	scores        func(out []float32, stride int, q *Queries, at, ahead kvBlock)
	addValues     func(out, w []float32, stride, n int, at, ahead kvBlock)

	add    func(x, y []float32)
	max    func(x []float32) float32
	rotate func(v, cos, sin []float32, scale float32)

	deltaRule func(o, s, q, k, v []float32, alpha, beta float32)
	gate      func(x, g []float32)
}

// Available lists the sets this CPU can run, fastest first. Generic is last.
func Available() []*Set {
	var sets []*Set
	for _, s := range assembly {
		if s.runs() {
			sets = append(sets, s)
		}
	}
	return append(sets, portable, Generic)
}

// Pick returns the set called name; "" means the fastest, or the one that the
// environment variable BANKAI_KERNEL names.
func Pick(name string) (*Set, error) {
	all := Available()
	from := "kernel"
	if name == "" {
		name, from = os.Getenv("BANKAI_KERNEL"), "BANKAI_KERNEL"
	}
	if name == "" {
		return all[0], nil
	}
	names := make([]string, len(all))
	for i, s := range all {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	return nil, fmt.Errorf("%s %q cannot run on this CPU: choose one of %s", from, name, strings.Join(names, ", "))
}

// Peak measures, for about 20 ms, how many products of a weight and an int8
// activation one thread could make a second if it did nothing else: the limit of
// the set's instructions on this CPU. It is 0 if the set has no such loop.
func (s *Set) Peak() float64 {
	if s.peak == nil {
		return 0
	}
	const rounds = 100_000
	var best float64
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		start := time.Now()
		s.peak(rounds)
		best = max(best, float64(rounds*s.peakMACs)/time.Since(start).Seconds())
	}
	return best
}

// MatMul computes y[t, r] = Σ_j w[r, j]·x[t, j] for the rows r of the tiles [tile0,
// tile1) of w and every token t of x. Both were made by this set. y is row-major
// [Tokens, ystride]. A result depends only on its own row and token, so any
// split of the tiles over threads and any batch gives the same bits.
func (s *Set) MatMul(y []float32, ystride int, w *Matrix, x *Acts, tile0, tile1 int) {
	s.matMul(y, ystride, w, 0, w.Cols/GroupSize, x.blocks, x.exact, tile0, tile1)
}

// MatMulPart is MatMul for all tiles and the tokens of p, [p.Tokens, w.Rows].
func (s *Set) MatMulPart(y []float32, w *Matrix, p *Part) {
	s.matMul(y, w.Rows, w, 0, w.Cols/GroupSize, p.blocks, p.exact, 0, w.Tiles())
}

// Fetch begins to bring w into the caches: it is small, and needed soon.
func (s *Set) Fetch(w *Matrix) {
	if s.fetch != nil {
		s.fetch(&w.packed[0], len(w.packed)/64)
	}
}

// MatMulGroup is MatMul for one group of columns only: what they contribute to y.
func (s *Set) MatMulGroup(y []float32, ystride int, w *Matrix, x *Acts, group, tile0, tile1 int) {
	blocks := make([]block, len(x.blocks))
	for i := range blocks {
		blocks[i] = x.blocks[i].groups(group, group+1)
	}
	s.matMul(y, ystride, w, group, group+1, blocks, x.exact, tile0, tile1)
}

// Dots writes out[i] = Σ_j q[j]·k[i·len(q)+j], each sum kept in Lanes partial
// sums (lane j%16) that are added pairwise at distance 8, 4, 2, 1.
func (s *Set) Dots(out, q, k []float32) { s.dots(out, q, k) }

// Dot returns Σ_j x[j]·y[j], summed as in Dots. Unlike it, it needs no memory for
// the result, which a call of Dots puts on the heap.
func (s *Set) Dot(x, y []float32) float32 { return s.dot(x, y) }

// WeightedSum adds Σ_t p[t]·v[t·len(out)+d] to out[d], in the order of t.
func (s *Set) WeightedSum(out, p, v []float32) { s.weightedSum(out, p, v) }

// Scaled writes out = (x·r)·w: an RMSNorm once r is known.
func (s *Set) Scaled(out, x, w []float32, r float32) { s.scaled(out, x, w, r) }

// ExpSum replaces x by e^(x−max) and returns the sum, kept as in Dots.
func (s *Set) ExpSum(x []float32, max float32) float32 { return s.expSum(x, max) }

// Add adds y to x.
func (s *Set) Add(x, y []float32) { s.add(x, y) }

// Max returns the largest of the numbers x, none of them NaN: −∞ if there are
// none, and +0 for a zero of either sign.
func (s *Set) Max(x []float32) float32 { return s.max(x) }

// Rotate turns the pairs (v[i], v[i+half]) by the angles whose cosines and sines
// are given, half = len(cos) of each, and multiplies them by scale: a rotary
// position embedding in half-rotation order.
func (s *Set) Rotate(v, cos, sin []float32, scale float32) { s.rotate(v, cos, sin, scale) }

//go:build linux || darwin

package kernel

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"
)

// side is the side on which a buffer touches a page that must not be read.
type side string

const (
	before side = "before"
	after  side = "after"
)

// fenced returns a copy of s in pages of its own, with unreadable pages on both
// sides: s begins right after the first or ends right before the last.
func fenced[T any](t *testing.T, where side, s []T) []T {
	t.Helper()
	if len(s) == 0 {
		return nil
	}
	page := os.Getpagesize()
	size := len(s) * int(unsafe.Sizeof(s[0]))
	inner := (size + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, inner+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(mem) })
	for _, fence := range [][]byte{mem[:page], mem[page+inner:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := page
	if where == after {
		at += inner - size
	}
	out := unsafe.Slice((*T)(unsafe.Pointer(&mem[at])), len(s))
	copy(out, s)
	return out
}

// fencedActs is testActs with every array of the Acts fenced.
func fencedActs(t *testing.T, where side, s *Set, x []float32, tokens, cols int, exact bool) *Acts {
	a := new(Acts)
	s.Reset(a, tokens, cols, exact)
	a.f, a.q, a.nsum = fenced(t, where, a.f), fenced(t, where, a.q), fenced(t, where, a.nsum)
	a.scale, a.table, a.sums = fenced(t, where, a.scale), fenced(t, where, a.table), fenced(t, where, a.sums)
	s.Reset(a, tokens, cols, exact) // cuts them into blocks
	for i := range tokens {
		s.SetToken(a, i, fenced(t, where, x[i*cols:(i+1)*cols]))
	}
	return a
}

// eachFenced runs f for every set and side; an access to a fence, which would
// end the process, fails the test instead.
func eachFenced(t *testing.T, f func(t *testing.T, s *Set, where side)) {
	for _, s := range Available() {
		for _, where := range []side{before, after} {
			t.Run(fmt.Sprintf("%s/%s", s.Name, where), func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				defer func() {
					if r := recover(); r != nil {
						t.Fatalf("a kernel left its buffers: %v\n%s", r, debug.Stack())
					}
				}()
				f(t, s, where)
			})
		}
	}
}

// The fence itself: reading one element too far faults.
func TestFence(t *testing.T) {
	for _, where := range []side{before, after} {
		x := fenced(t, where, make([]float32, 5))
		i := map[side]int{before: -1, after: len(x)}[where]
		faulted := func() (yes bool) {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() { yes = recover() != nil }()
			p := (*float32)(unsafe.Add(unsafe.Pointer(&x[0]), 4*i))
			t.Logf("element %d is %v", i, *p)
			return false
		}()
		if !faulted {
			t.Errorf("element %d of %d could be read", i, len(x))
		}
	}
}

func TestMatMulStaysInside(t *testing.T) {
	eachFenced(t, func(t *testing.T, s *Set, where side) {
		rng := rand.New(rand.NewPCG(10, 1))
		for _, tokens := range []int{1, 2, 3, 4, 8, 15, 16} {
			for _, rows := range []int{16, 5, 48, 37} {
				cols := GroupSize * (1 + rng.IntN(3))
				_, m, _ := testMatrix(rng, rows, cols)
				x := testVector(rng, tokens*cols)
				for _, exact := range []bool{false, true} {
					want := make([]float32, tokens*rows)
					Generic.MatMul(want, rows, m, testActs(Generic, x, tokens, cols, exact), 0, m.Tiles())

					w := repacked(s, m)
					w.packed = fenced(t, where, w.packed)
					got := fenced(t, where, make([]float32, tokens*rows))
					s.MatMul(got, rows, w, fencedActs(t, where, s, x, tokens, cols, exact), 0, w.Tiles())
					sameBits(t, fmt.Sprintf("exact=%v %d×%d, %d tokens", exact, rows, cols, tokens), got, want)

					g := map[side]int{before: 0, after: cols/GroupSize - 1}[where]
					Generic.MatMulGroup(want, rows, m, testActs(Generic, x, tokens, cols, exact), g, 0, m.Tiles())
					got = fenced(t, where, make([]float32, tokens*rows))
					s.MatMulGroup(got, rows, w, fencedActs(t, where, s, x, tokens, cols, exact), g, 0, w.Tiles())
					sameBits(t, fmt.Sprintf("group %d of %d, exact=%v %d rows, %d tokens", g, cols/GroupSize, exact, rows, tokens), got, want)
				}
			}
		}
	})
}

func TestMatMulTStaysInside(t *testing.T) {
	eachFenced(t, func(t *testing.T, s *Set, where side) {
		rng := rand.New(rand.NewPCG(12, 1))
		for _, tokens := range []int{1, 3, 4, 5, 8} {
			for _, rows := range []int{5, 16, 37, 128, 129, 271} {
				cols := GroupSize * (1 + rng.IntN(3))
				_, m, _ := testMatrix(rng, rows, cols)
				dy := testVector(rng, tokens*rows)
				for _, exact := range []bool{false, true} {
					want := matMulT(Generic, m, dy, tokens, exact)
					w := repacked(s, m)
					w.packed = fenced(t, where, w.packed)
					got := fenced(t, where, make([]float32, tokens*cols))
					s.MatMulT(got, w, fenced(t, where, dy), tokens, exact, 0, cols/GroupSize)
					sameBits(t, fmt.Sprintf("exact=%v %d×%d, %d tokens", exact, rows, cols, tokens), got, want)
				}
			}
		}
	})
}

// The working memory of the transposed product, whose pools have no fences.
func TestTransposeMemoryStaysInside(t *testing.T) {
	eachFenced(t, func(t *testing.T, s *Set, where side) {
		rng := rand.New(rand.NewPCG(13, 1))
		_, m, w := testMatrix(rng, RowGroup, GroupSize)
		p := repacked(s, m)
		p.packed = fenced(t, where, p.packed)
		rows := fenced(t, where, make([]float32, p.layout.rows*GroupSize))
		s.expand(rows, p, 0, 0)
		for i, v := range rows {
			if float64(v) != w[i] {
				t.Fatalf("%s expand: weight %d is %v, want %v", s.Name, i, v, w[i])
			}
		}
		k, ok := s.transpose.(*transposeKernels)
		if !ok {
			return // plain Go
		}
		bits, d := fenced(t, where, make([]byte, RowGroup*GroupSize/8)), fenced(t, where, make([]float32, RowGroup))
		q, scale := fenced(t, where, make([]int8, transposeTokens*RowGroup)), fenced(t, where, make([]float32, transposeTokens))
		sum, dy := fenced(t, where, make([]int32, transposeTokens)), testVector(rng, transposeTokens*RowGroup)
		dx, y := fenced(t, where, make([]float32, transposeTokens*GroupSize)), fenced(t, where, dy)
		k.unpack(&bits[0], &d[0], &p.packed[0], uintptr(len(p.tile(0))), RowGroup/p.layout.rows)
		k.quantize(&q[0], &scale[0], &sum[0], &d[0], &y[0], 4*RowGroup)
		k.multiply(&dx[0], 4*GroupSize, &bits[0], &q[0], &scale[0], &sum[0])
		sameBits(t, "the product", dx, matMulT(Generic, m, dy, transposeTokens, false))
	})
}

func TestFloatKernelsStayInside(t *testing.T) {
	eachFenced(t, func(t *testing.T, s *Set, where side) {
		rng := rand.New(rand.NewPCG(11, 1))
		in := func(x []float32) []float32 { return fenced(t, where, x) }
		for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 128, 160} {
			rows := n % 5
			x, g, p, k := testVector(rng, n), testVector(rng, n), testVector(rng, rows), testVector(rng, rows*n)
			dh := testVector(rng, n)
			// Every kernel writes to out what the oracle writes to want.
			for name, f := range map[string]func(s *Set, out, x, g, p, k []float32) []float32{
				"SwiGLU":      func(s *Set, out, x, g, _, _ []float32) []float32 { s.SwiGLU(out, g, x); return out },
				"Scaled":      func(s *Set, out, x, g, _, _ []float32) []float32 { s.Scaled(out, x, g, 0.37); return out },
				"ExpSum":      func(s *Set, _, x, _, _, _ []float32) []float32 { sum := s.ExpSum(x, 2); return append(x, sum) },
				"Dots":        func(s *Set, _, x, _, p, k []float32) []float32 { s.Dots(p, x, k); return p },
				"Dot":         func(s *Set, _, x, g, _, _ []float32) []float32 { return append(x, s.Dot(x, g)) },
				"WeightedSum": func(s *Set, _, x, _, p, k []float32) []float32 { s.WeightedSum(x, p, k); return x },
				"Add":         func(s *Set, _, x, g, _, _ []float32) []float32 { s.Add(x, g); return x },
				"Max":         func(s *Set, _, x, _, _, _ []float32) []float32 { return append(x, s.Max(x)) },
				"SwiGLUGrad": func(s *Set, out, x, g, _, _ []float32) []float32 {
					dup := in(make([]float32, n))
					s.SwiGLUGrad(out, dup, in(dh), g, x)
					return append(out, dup...)
				},
				"Gate": func(s *Set, _, x, g, _, _ []float32) []float32 { s.Gate(x, g); return x },
				"DeltaRule": func(s *Set, out, x, _, p, k []float32) []float32 {
					s.DeltaRule(out, k, p, p, x, 0.9, 0.3)
					return append(out, k...)
				},
				"Rotate": func(s *Set, _, x, g, _, _ []float32) []float32 {
					s.Rotate(x, g[:n/2], g[n-n/2:], 0.3)
					return x
				},
			} {
				clone := func(x []float32) []float32 { return append([]float32(nil), x...) }
				want := f(Generic, make([]float32, n), clone(x), clone(g), clone(p), clone(k))
				got := f(s, in(make([]float32, n)), in(x), in(g), in(p), in(k))
				sameBits(t, fmt.Sprintf("%s of %d×%d", name, rows, n), got, want)
			}
		}
	})
}

func TestKVStaysInside(t *testing.T) {
	eachFenced(t, func(t *testing.T, s *Set, where side) {
		rng := rand.New(rand.NewPCG(12, 1))
		in := func(x []float32) []float32 { return fenced(t, where, x) }
		for _, d := range headDims {
			for n := 1; n <= 5; n++ {
				k, v, x, w := testVector(rng, KVLen*d), testVector(rng, KVLen*d), testVector(rng, n*d), testWeights(rng, n*KVLen)
				b, q := storeKV(Generic, d, k, v), testQueries(Generic, x, n)
				want, sum := make([]float32, n*KVLen), make([]float32, n*d)
				Generic.Scores(want, KVLen, q, b, 1, nil)
				Generic.AddValues(sum, w, KVLen, n, b, 1, nil)

				fence := func(b *KVRun) *KVRun {
					return &KVRun{fenced(t, where, b.K), fenced(t, where, b.V), in(b.KScale), in(b.VScale)}
				}
				got, p := fence(b), &Queries{n: n, dim: d, q: fenced(t, where, q.q), scale: in(q.scale), bias: fenced(t, where, q.bias)}
				for i := range KVLen {
					s.StoreKV(got, i, in(k[i*d:(i+1)*d]), in(v[i*d:(i+1)*d]))
				}
				for i := range n {
					s.SetQuery(p, i, in(x[i*d:(i+1)*d]))
				}
				what := fmt.Sprintf("d=%d, %d queries", d, n)
				sameKV(t, what, got, b)
				sameQueries(t, what, p, q)
				scores, values := in(make([]float32, n*KVLen)), in(make([]float32, n*d))
				s.Scores(scores, KVLen, p, got, 1, nil)
				s.AddValues(values, in(w), KVLen, n, got, 1, nil)
				sameBits(t, what+": scores", scores, want)
				sameBits(t, what+": values", values, sum)
			}
		}
	})
}

package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// headDims are the head dimensions the tests use.
var headDims = []int{32, 64, 96, 128, 160, 256}

// testKV returns a run of blocks that set s filled, and what it was filled with.
func testKV(rng *rand.Rand, s *Set, d, blocks int) (r *KVRun, k, v []float32) {
	k, v = testVector(rng, blocks*KVLen*d), testVector(rng, blocks*KVLen*d)
	return storeKV(s, d, k, v), k, v
}

func storeKV(s *Set, d int, k, v []float32) *KVRun {
	blocks := len(k) / d / KVLen
	bytes, floats := KVRunSizes(d, blocks)
	r := &KVRun{
		K: make([]int8, bytes), KScale: make([]float32, floats),
		V: make([]int8, bytes), VScale: make([]float32, floats),
	}
	for i := range blocks * KVLen {
		s.StoreKV(r, i, k[i*d:(i+1)*d], v[i*d:(i+1)*d])
	}
	return r
}

func testQueries(s *Set, x []float32, n int) *Queries {
	d := len(x) / n
	q := new(Queries)
	q.Reset(n, d)
	for i := range n {
		s.SetQuery(q, i, x[i*d:(i+1)*d])
	}
	return q
}

// testWeights returns what a softmax leaves: a few large weights, many small ones.
func testWeights(rng *rand.Rand, n int) []float32 {
	w := make([]float32, n)
	for i := range w {
		w[i] = Exp(float32(-20 * rng.Float64()))
	}
	return w
}

// The oracle is checked against float64 arithmetic on the numbers as they were
// before quantisation. The largest of a group of 32 normal numbers is about 2.5,
// which makes a step of 2.5/127; five standard deviations of error are allowed.
func TestGenericKVIsRight(t *testing.T) {
	rng := rand.New(rand.NewPCG(20, 1))
	const n, stride = 3, KVLen + 5
	for _, d := range headDims {
		b, k, v := testKV(rng, Generic, d, 1)
		x, w := testVector(rng, n*d), testWeights(rng, n*stride)
		got, out := make([]float32, n*stride), testVector(rng, n*d)
		first := append([]float32(nil), out...)
		Generic.Scores(got, stride, testQueries(Generic, x, n), b, 1, nil)
		Generic.AddValues(out, w, stride, n, b, 1, nil)
		step := 2.5 / 127 / math.Sqrt(12) // standard deviation of an error that is evenly spread
		for i := range n {
			var norm float64
			for p := range KVLen {
				var want float64
				for j := range d {
					want += float64(x[i*d+j]) * float64(k[p*d+j])
				}
				// Two errors a product, of numbers of size 1.
				if e, tol := math.Abs(want-float64(got[i*stride+p])), 5*step*math.Sqrt(float64(2*d)); e > tol {
					t.Errorf("d=%d query %d position %d: %v, want %v", d, i, p, got[i*stride+p], want)
				}
				norm += float64(w[i*stride+p]) * float64(w[i*stride+p])
			}
			for j := range d {
				want := float64(first[i*d+j])
				for p := range KVLen {
					want += float64(w[i*stride+p]) * float64(v[p*d+j])
				}
				if e, tol := math.Abs(want-float64(out[i*d+j])), 5*step*math.Sqrt(norm)+1e-5; e > tol {
					t.Errorf("d=%d weight %d dimension %d: %v, want %v", d, i, j, out[i*d+j], want)
				}
			}
		}
	}
}

// Integers up to 127 with 127 among them are their own int8: no error is left.
func TestGenericKVIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 1))
	const d = 96
	integers := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.IntN(255) - 127)
			if i%ActGroup == 7 {
				x[i] = -127
			}
		}
		return x
	}
	k, v, q := integers(KVLen*d), integers(KVLen*d), integers(d)
	b := storeKV(Generic, d, k, v)
	got := make([]float32, KVLen)
	Generic.Scores(got, KVLen, testQueries(Generic, q, 1), b, 1, nil)
	w, sum := make([]float32, KVLen), make([]float32, d)
	for p := range w {
		w[p] = float32(p*p*p*5 - 3000)
	}
	w[6] = -weightMax
	Generic.AddValues(sum, w, KVLen, 1, b, 1, nil)
	wantScores, wantSum := make([]float32, KVLen), make([]float32, d)
	for p := range KVLen {
		for j := range d {
			wantScores[p] += q[j] * k[p*d+j]
			wantSum[j] += w[p] * v[p*d+j]
		}
	}
	sameBits(t, "scores", got, wantScores)
	sameBits(t, "values", sum, wantSum)
}

func TestKVEqualsGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(22, 1))
	for _, s := range sets() {
		for _, d := range headDims {
			const blocks = 3
			r, k, v := testKV(rng, Generic, d, blocks)
			sameKV(t, fmt.Sprintf("%s d=%d", s.Name, d), storeKV(s, d, k, v), r)
			for n := 1; n <= 9; n++ {
				read := rng.IntN(blocks + 1)
				stride := blocks*KVLen + rng.IntN(3)*n
				x, w := testVector(rng, n*d), testWeights(rng, n*stride)
				q := testQueries(Generic, x, n)
				what := fmt.Sprintf("%s d=%d, %d queries, %d blocks", s.Name, d, n, read)
				sameQueries(t, what, testQueries(s, x, n), q)

				want, got := testVector(rng, n*stride), make([]float32, n*stride)
				copy(got, want)
				Generic.Scores(want, stride, q, r, read, nil)
				s.Scores(got, stride, q, r, read, nil)
				sameBits(t, what+": scores", got, want)

				want, got = testVector(rng, n*d), make([]float32, n*d)
				copy(got, want)
				Generic.AddValues(want, w, stride, n, r, read, nil)
				s.AddValues(got, w, stride, n, r, read, nil)
				sameBits(t, what+": values", got, want)
			}
		}
	}
}

// A run is read as its blocks alone, one after the other.
func TestKVBlocksAreIndependent(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 1))
	const n, d, blocks = 2, 64, 3
	for _, s := range Available() {
		r, k, v := testKV(rng, s, d, blocks)
		x, w := testVector(rng, n*d), testWeights(rng, n*blocks*KVLen)
		q := testQueries(s, x, n)
		scores, sum := make([]float32, n*blocks*KVLen), make([]float32, n*d)
		s.Scores(scores, blocks*KVLen, q, r, blocks, nil)
		s.AddValues(sum, w, blocks*KVLen, n, r, blocks, nil)
		one, part := make([]float32, n*blocks*KVLen), make([]float32, n*d)
		for j := range blocks {
			at := j * KVLen * d
			b := storeKV(s, d, k[at:at+KVLen*d], v[at:at+KVLen*d])
			next := []*KVRun{nil, b, r}[j] // what is read later does not matter
			s.Scores(one[j*KVLen:], blocks*KVLen, q, b, 1, next)
			s.AddValues(part, w[j*KVLen:], blocks*KVLen, n, b, 1, next)
		}
		sameBits(t, s.Name+" scores", scores, one)
		sameBits(t, s.Name+" values", sum, part)
	}
}

// A query's result must not depend on the queries beside it.
func TestKVQueriesAreIndependent(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 1))
	const n, d = 7, 64
	for _, s := range Available() {
		b, _, _ := testKV(rng, s, d, 1)
		x, w := testVector(rng, n*d), testWeights(rng, n*KVLen)
		all, values := make([]float32, n*KVLen), make([]float32, n*d)
		s.Scores(all, KVLen, testQueries(s, x, n), b, 1, nil)
		s.AddValues(values, w, KVLen, n, b, 1, nil)
		for i := range n {
			one, value := make([]float32, KVLen), make([]float32, d)
			s.Scores(one, KVLen, testQueries(s, x[i*d:(i+1)*d], 1), b, 1, nil)
			s.AddValues(value, w[i*KVLen:], KVLen, 1, b, 1, nil)
			sameBits(t, fmt.Sprintf("%s scores of query %d alone", s.Name, i), one, all[i*KVLen:(i+1)*KVLen])
			sameBits(t, fmt.Sprintf("%s values of query %d alone", s.Name, i), value, values[i*d:(i+1)*d])
		}
	}
}

func TestKVQuantizeEdges(t *testing.T) {
	rng := rand.New(rand.NewPCG(24, 1))
	const d = 64
	for name, f := range edges(rng) {
		k := make([]float32, KVLen*d)
		for i := range k {
			k[i] = f(i)
		}
		want, q := storeKV(Generic, d, k, k), testQueries(Generic, k, KVLen)
		scores, values := make([]float32, KVLen*KVLen), make([]float32, KVLen*d)
		Generic.Scores(scores, KVLen, q, want, 1, nil)
		w := make([]float32, KVLen*d) // the same numbers as weights, if they are not too large
		for i := range w {
			w[i] = max(min(k[i], 1e6), -1e6)
		}
		Generic.AddValues(values, w, d, KVLen, want, 1, nil)
		for _, s := range sets() {
			what := s.Name + " " + name
			sameKV(t, what, storeKV(s, d, k, k), want)
			sameQueries(t, what, testQueries(s, k, KVLen), q)
			got := make([]float32, KVLen*KVLen)
			s.Scores(got, KVLen, q, want, 1, nil)
			sameBits(t, what, got, scores)
			sum := make([]float32, KVLen*d)
			s.AddValues(sum, w, d, KVLen, want, 1, nil)
			sameBits(t, what+" as weights", sum, values)
		}
	}
}

// The largest products there are: every sum on the way must hold them.
func TestKVExtremes(t *testing.T) {
	const d, n = 128, 4
	for name, f := range map[string]func(i int) float32{
		"equal":       func(int) float32 { return 1 },
		"negative":    func(int) float32 { return -1 },
		"alternating": func(i int) float32 { return float32(1 - 2*(i%2)) },
	} {
		k, x := make([]float32, KVLen*d), make([]float32, n*d)
		for i := range k {
			k[i] = f(i)
		}
		for i := range x {
			x[i] = float32(1 - i/d%2*2) // queries of +1 and of −1
		}
		b, q := storeKV(Generic, d, k, k), testQueries(Generic, x, n)
		want, got := make([]float32, n*KVLen), make([]float32, n*KVLen)
		Generic.Scores(want, KVLen, q, b, 1, nil)
		values, sum := make([]float32, n*d), make([]float32, n*d)
		Generic.AddValues(values, x, KVLen, n, b, 1, nil)
		for _, s := range sets() {
			s.Scores(got, KVLen, q, b, 1, nil)
			sameBits(t, s.Name+" "+name, got, want)
			s.AddValues(sum, x, KVLen, n, b, 1, nil)
			sameBits(t, s.Name+" values "+name, sum, values)
			clear(sum)
		}
	}
}

// Quantised weights keep 15 bits of the largest, whatever its size.
func TestQuantizeWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 1))
	for _, size := range []float32{1e30, 1, 1e-20, 1e-29} {
		w, scale := testVector(rng, KVLen), testVector(rng, KVLen)
		var most float64
		for p := range w {
			w[p] *= size
			most = max(most, math.Abs(float64(w[p])*float64(scale[p])))
		}
		q, step := quantizeWeights(w, scale)
		for p, n := range q {
			want := float64(w[p]) * float64(scale[p])
			if e := math.Abs(float64(n)*float64(step) - want); e > 0.501*most/weightMax {
				t.Errorf("size %v: weight %v became %d · %v", size, want, n, step)
			}
		}
	}
	if q, _ := quantizeWeights(make([]float32, KVLen), make([]float32, KVLen)); q != [KVLen]int32{} {
		t.Errorf("zeros became %v", q)
	}
}

// A step of generation calls these thousands of times.
func TestKVAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 1))
	const n, d = 3, 128
	for _, s := range Available() {
		b, k, v := testKV(rng, s, d, 1)
		x, w, out := testVector(rng, n*d), testWeights(rng, n*KVLen), make([]float32, n*d)
		q := testQueries(s, x, n)
		if allocs := testing.AllocsPerRun(10, func() {
			s.StoreKV(b, 5, k[:d], v[:d])
			q.Reset(n, d)
			s.SetQuery(q, 1, x[d:2*d])
			s.Scores(w, KVLen, q, b, 1, nil)
			s.AddValues(out, w, KVLen, n, b, 1, nil)
		}); allocs != 0 {
			t.Errorf("%s: %v allocations", s.Name, allocs)
		}
	}
}

func sameInt8(t *testing.T, what string, got, want []int8) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: [%d] = %d, want %d", what, i, got[i], want[i])
		}
	}
}

func sameKV(t *testing.T, what string, got, want *KVRun) {
	t.Helper()
	sameInt8(t, what+": keys", got.K, want.K)
	sameInt8(t, what+": values", got.V, want.V)
	sameBits(t, what+": scales of keys", got.KScale, want.KScale)
	sameBits(t, what+": scales of values", got.VScale, want.VScale)
}

func sameQueries(t *testing.T, what string, got, want *Queries) {
	t.Helper()
	sameInt8(t, what+": queries", got.q, want.q)
	sameBits(t, what+": scales of the queries", got.scale, want.scale)
	for i := range want.bias {
		if got.bias[i] != want.bias[i] {
			t.Fatalf("%s: bias[%d] = %d, want %d", what, i, got.bias[i], want.bias[i])
		}
	}
}

package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// gradients are the kinds of dy that a backward pass makes, for n values.
var gradients = map[string]func(rng *rand.Rand, i int) float32{
	"normal": func(rng *rand.Rand, _ int) float32 { return float32(rng.NormFloat64()) },
	"softmax": func(rng *rand.Rand, i int) float32 { // p − onehot: one large value, the rest tiny
		if i%997 == 5 {
			return -0.9
		}
		return float32(1e-4 * math.Exp(3*rng.NormFloat64()))
	},
	"zeros":     func(*rand.Rand, int) float32 { return 0 },
	"sparse":    func(_ *rand.Rand, i int) float32 { return float32(i / 300 % 2 * (i%5 - 2)) },
	"tiny":      func(rng *rand.Rand, _ int) float32 { return float32(1e-30 * rng.NormFloat64()) },
	"threshold": func(_ *rand.Rand, i int) float32 { return tinyMax * float32(i/128%3) },
	"large":     func(rng *rand.Rand, _ int) float32 { return float32(1e30 * rng.NormFloat64()) },
	"ties":      func(_ *rand.Rand, i int) float32 { return float32(i%RowGroup) - 63.5 },
}

func gradient(rng *rand.Rand, kind string, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = gradients[kind](rng, i)
	}
	return x
}

func matMulT(s *Set, w *Matrix, dy []float32, tokens int, exact bool) []float32 {
	dx := make([]float32, tokens*w.Cols)
	for i := range dx {
		dx[i] = float32(math.NaN()) // every value must be written
	}
	s.MatMulT(dx, w, dy, tokens, exact, 0, w.Cols/GroupSize)
	return dx
}

// product is wᵀ·dy in float64.
func product(w []float64, dy []float32, rows, cols, tokens int) []float64 {
	dx := make([]float64, tokens*cols)
	for t := range tokens {
		for r := range rows {
			for c := range cols {
				dx[t*cols+c] += w[r*cols+c] * float64(dy[t*rows+r])
			}
		}
	}
	return dx
}

// distance is ‖a − b‖/‖b‖.
func distance(a []float32, b []float64) float64 {
	var num, den float64
	for i, v := range b {
		num += (float64(a[i]) - v) * (float64(a[i]) - v)
		den += v * v
	}
	return math.Sqrt(num / den)
}

// The oracle against float64 arithmetic on the plain values: the bounds are 1.3
// times the errors measured.
func TestGenericTransposeIsRight(t *testing.T) {
	const rows, cols, tokens = 1003, 256, 6
	for kind, bound := range map[string]struct{ exact, fast float64 }{
		"normal":  {1, 1},
		"softmax": {1, 1},
		"sparse":  {1, 1},
	} {
		rng := rand.New(rand.NewPCG(20, 1))
		_, m, w := testMatrix(rng, rows, cols)
		dy := gradient(rng, kind, tokens*rows)
		want := product(w, dy, rows, cols, tokens)
		for exact, most := range map[bool]float64{true: bound.exact, false: bound.fast} {
			d := distance(matMulT(Generic, m, dy, tokens, exact), want)
			t.Logf("%s exact=%v: relative error %.2e", kind, exact, d)
			if !(d <= most) {
				t.Errorf("%s exact=%v: relative error %.2e, want at most %.1e", kind, exact, d, most)
			}
		}
	}
}

func TestTransposeEqualsGeneric(t *testing.T) {
	for kind := range gradients {
		rng := rand.New(rand.NewPCG(21, 1))
		for tokens := 1; tokens <= 19; tokens++ {
			rows, cols := 1+rng.IntN(300), GroupSize*(1+rng.IntN(3))
			_, m, _ := testMatrix(rng, rows, cols)
			for r := range rows / 3 {
				m.Flip(3*r, 0, cols) // negative scales
			}
			dy := gradient(rng, kind, tokens*rows)
			for _, exact := range []bool{false, true} {
				want := matMulT(Generic, m, dy, tokens, exact)
				for _, s := range sets(t) {
					got := matMulT(s, m, dy, tokens, exact)
					sameBits(t, fmt.Sprintf("%s %s exact=%v %d×%d, %d tokens", s.Name, kind, exact, rows, cols, tokens), got, want)
				}
			}
		}
	}
}

// Every number of rows, with few columns and tokens.
func TestTransposeEveryRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(22, 1))
	for rows := 1; rows <= 2*RowGroup+Lanes+1; rows++ {
		_, m, _ := testMatrix(rng, rows, GroupSize)
		tokens := 1 + rows%5
		dy := gradient(rng, "normal", tokens*rows)
		for _, exact := range []bool{false, true} {
			want := matMulT(Generic, m, dy, tokens, exact)
			for _, s := range sets(t) {
				sameBits(t, fmt.Sprintf("%s exact=%v %d rows", s.Name, exact, rows), matMulT(s, m, dy, tokens, exact), want)
			}
		}
	}
}

func BenchmarkMatMulT(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 1))
	const rows, cols, tokens = 4096, 4096, 64
	_, m, _ := testMatrix(rng, rows, cols)
	dy, dx := testVector(rng, tokens*rows), make([]float32, tokens*cols)
	for _, s := range sets(b) {
		for _, exact := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/exact=%v/tokens=%d", s.Name, exact, tokens), func(b *testing.B) {
				for b.Loop() {
					s.MatMulT(dx, m, dy, tokens, exact, 0, cols/GroupSize)
				}
				b.ReportMetric(float64(rows*cols*tokens)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}

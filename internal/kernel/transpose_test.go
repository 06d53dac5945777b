package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
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
	w = repacked(s, w)
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
		"normal":  {7.5e-7, 1.3e-2},
		"softmax": {7.5e-7, 8.5e-3},
		"sparse":  {0, 9.5e-3}, // few and small integers
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
				for _, s := range sets() {
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
			for _, s := range sets() {
				sameBits(t, fmt.Sprintf("%s exact=%v %d rows", s.Name, exact, rows), matMulT(s, m, dy, tokens, exact), want)
			}
		}
	}
}

// Goroutines that share the columns give the bits of one that has them all.
func TestTransposeSplits(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 1))
	const rows, groups, tokens = 150, 7, 9
	_, m, _ := testMatrix(rng, rows, groups*GroupSize)
	dy := gradient(rng, "normal", tokens*rows)
	for _, s := range Available() {
		m := repacked(s, m)
		for _, exact := range []bool{false, true} {
			want := matMulT(s, m, dy, tokens, exact)
			for parts := 2; parts <= groups; parts++ {
				got := make([]float32, len(want))
				var wg sync.WaitGroup
				for i := range parts {
					wg.Go(func() { s.MatMulT(got, m, dy, tokens, exact, i*groups/parts, (i+1)*groups/parts) })
				}
				wg.Wait()
				sameBits(t, fmt.Sprintf("%s exact=%v in %d parts", s.Name, exact, parts), got, want)
			}
		}
	}
}

// A token's result must not depend on the others.
func TestTransposeBatchInvariance(t *testing.T) {
	rng := rand.New(rand.NewPCG(24, 1))
	const rows, cols, tokens = 200, 256, 11
	_, m, _ := testMatrix(rng, rows, cols)
	dy := gradient(rng, "softmax", tokens*rows)
	for _, s := range Available() {
		for _, exact := range []bool{false, true} {
			all := matMulT(s, m, dy, tokens, exact)
			for tok := range tokens {
				one := matMulT(s, m, dy[tok*rows:(tok+1)*rows], 1, exact)
				sameBits(t, fmt.Sprintf("%s exact=%v token %d alone", s.Name, exact, tok), one, all[tok*cols:(tok+1)*cols])
			}
		}
	}
}

// ⟨w·x, g⟩ = ⟨x, wᵀ·g⟩: the product agrees with MatMul about what w is.
func TestTransposeIsAdjoint(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 1))
	dot := func(a, b []float32) (sum float64) {
		for i, v := range a {
			sum += float64(v) * float64(b[i])
		}
		return sum
	}
	for _, s := range Available() {
		for range 10 {
			rows, cols := 1+rng.IntN(300), GroupSize*(1+rng.IntN(4))
			blocks, _, _ := testMatrix(rng, rows, cols)
			m := packed(s, blocks, rows, cols)
			x, g, y := testVector(rng, cols), testVector(rng, rows), make([]float32, rows)
			s.MatMul(y, rows, m, testActs(s, x, 1, cols, true), 0, m.Tiles())
			a, b := dot(y, g), dot(x, matMulT(s, m, g, 1, true))
			if size := math.Sqrt(dot(y, y) * dot(g, g)); math.Abs(a-b) > 1e-6*size {
				t.Errorf("%s %d×%d: ⟨wx, g⟩ = %v, ⟨x, wᵀg⟩ = %v", s.Name, rows, cols, a, b)
			}
		}
	}
}

// A flip in the packed matrix, of groups or of bits, is one in the file.
func TestTransposeFlip(t *testing.T) {
	rng := rand.New(rand.NewPCG(26, 1))
	const rows, cols, tokens = 150, 384, 5
	blocks, m, _ := testMatrix(rng, rows, cols)
	dy := gradient(rng, "normal", tokens*rows)
	for range 40 {
		r, c := rng.IntN(rows), rng.IntN(cols)
		n := 1 + rng.IntN(cols-c)
		if rng.IntN(2) == 0 {
			c, n = c/GroupSize*GroupSize, GroupSize
		}
		for j := c; j < c+n; j++ {
			blocks[(r*(cols/GroupSize)+j/GroupSize)*BlockBytes+2+j%GroupSize/8] ^= 1 << (j % 8)
		}
		m.Flip(r, c, n)
	}
	baked := packed(Generic, blocks, rows, cols)
	for _, s := range Available() {
		for _, exact := range []bool{false, true} {
			sameBits(t, fmt.Sprintf("%s exact=%v", s.Name, exact), matMulT(s, m, dy, tokens, exact), matMulT(s, baked, dy, tokens, exact))
		}
	}
}

func BenchmarkMatMulT(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 1))
	const rows, cols, tokens = 4096, 4096, 64
	_, m, _ := testMatrix(rng, rows, cols)
	dy, dx := testVector(rng, tokens*rows), make([]float32, tokens*cols)
	for _, s := range sets() {
		m := repacked(s, m)
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

package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// testMatrix returns random Q1_0 blocks, their packed form and their values.
func testMatrix(rng *rand.Rand, rows, cols int) ([]byte, *Matrix, []float64) {
	blocks := make([]byte, rows*cols/GroupSize*BlockBytes)
	values := make([]float64, rows*cols)
	for i := range rows * cols / GroupSize {
		b := blocks[i*BlockBytes : (i+1)*BlockBytes]
		h := uint16(0x2000 + rng.IntN(0x1800)) // 2^-7 … 2^-1
		b[0], b[1] = byte(h), byte(h>>8)
		for j := range 16 {
			b[2+j] = byte(rng.Uint32())
		}
		for j := range GroupSize {
			v := float64(halfToFloat(h))
			if b[2+j/8]>>(j%8)&1 == 0 {
				v = -v
			}
			values[i*GroupSize+j] = v
		}
	}
	return blocks, packed(Generic, blocks, rows, cols), values
}

// packed is the matrix of a set made of Q1_0 blocks.
func packed(s *Set, blocks []byte, rows, cols int) *Matrix {
	m := s.NewMatrix(rows, cols)
	m.PackTiles(blocks, 0, m.Tiles())
	return m
}

// repacked is m as a matrix of another set.
func repacked(s *Set, m *Matrix) *Matrix {
	out, group := s.NewMatrix(m.Rows, m.Cols), m.Cols/GroupSize
	for r := range m.Rows {
		for g := range group {
			var block [BlockBytes]byte
			m.block(&block, r, g)
			to, row := out.group(r, g)
			out.layout.put(to, row, block[:])
		}
	}
	return out
}

func testVector(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func testActs(s *Set, x []float32, tokens, cols int, exact bool) *Acts {
	a := new(Acts)
	s.Reset(a, tokens, cols, exact)
	for t := range tokens {
		s.SetToken(a, t, x[t*cols:(t+1)*cols])
	}
	return a
}

// sets returns every set that this CPU runs but the oracle.
func sets() []*Set {
	all := Available()
	return all[:len(all)-1]
}

// TestAvailable names the sets that are tested here, and those that this CPU
// cannot run. BANKAI_REQUIRE_KERNELS lists which must be the former, fastest first:
// .ci/processors sets it, so that no kernel goes untested unnoticed.
func TestAvailable(t *testing.T) {
	var runs, not []string
	for _, s := range Available() {
		runs = append(runs, s.Name)
	}
	for _, s := range assembly {
		if !slices.Contains(runs, s.Name) {
			not = append(not, s.Name)
		}
	}
	got := strings.Join(runs, ",")
	if want := os.Getenv("BANKAI_REQUIRE_KERNELS"); want != "" && got != want {
		t.Errorf("this CPU runs %s, but BANKAI_REQUIRE_KERNELS=%s", got, want)
	}
	t.Logf("tested here: %s; not: %s.", got, strings.Join(not, ","))
}

// layouts are all there are: their Go code runs on every CPU.
var layouts = []*layout{tables, dots}

func TestPackAndRow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for rows := 1; rows <= 40; rows++ {
		cols := GroupSize * (1 + rows%3)
		blocks, _, want := testMatrix(rng, rows, cols)
		for _, l := range layouts {
			m, got := newMatrix(l, rows, cols), make([]float32, cols)
			m.PackTiles(blocks, 0, m.Tiles())
			for r := range rows {
				m.Row(got, r)
				for j, v := range got {
					if float64(v) != want[r*cols+j] {
						t.Fatalf("%s, rows=%d: w[%d,%d] = %v, want %v", l.name, rows, r, j, v, want[r*cols+j])
					}
				}
			}
		}
	}
}

// The oracle itself is checked against float64 arithmetic on the plain values.
func TestGenericIsRight(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	const rows, cols, tokens = 37, 384, 5
	_, m, w := testMatrix(rng, rows, cols)
	x := testVector(rng, tokens*cols)
	for _, exact := range []bool{true, false} {
		tol := 1e-4
		if !exact {
			tol = 0.15 // int8 activations: |Δ| ≈ scale/√12·√cols·|w|
		}
		y := make([]float32, tokens*rows)
		Generic.MatMul(y, rows, m, testActs(Generic, x, tokens, cols, exact), 0, m.Tiles())
		for tok := range tokens {
			for r := range rows {
				var want float64
				for j := range cols {
					want += w[r*cols+j] * float64(x[tok*cols+j])
				}
				if d := math.Abs(want - float64(y[tok*rows+r])); d > tol {
					t.Errorf("exact=%v token %d row %d: %v, want %v", exact, tok, r, y[tok*rows+r], want)
				}
			}
		}
	}
}

func TestSetsEqualGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, s := range sets() {
		for tokens := 1; tokens <= 19; tokens++ {
			rows, cols := 1+rng.IntN(50), GroupSize*(1+rng.IntN(5))
			_, m, _ := testMatrix(rng, rows, cols)
			x := testVector(rng, tokens*cols)
			for _, exact := range []bool{false, true} {
				want, got := make([]float32, tokens*rows), make([]float32, tokens*rows)
				Generic.MatMul(want, rows, m, testActs(Generic, x, tokens, cols, exact), 0, m.Tiles())
				sm := repacked(s, m)
				s.MatMul(got, rows, sm, testActs(s, x, tokens, cols, exact), 0, sm.Tiles())
				sameBits(t, fmt.Sprintf("%s exact=%v %d×%d, %d tokens", s.Name, exact, rows, cols, tokens), got, want)
			}
		}
	}
}

// The largest sums: every activation is ±127, with the sign of its weight or the other.
func TestLargestSums(t *testing.T) {
	const rows, cols, tokens = 48, 2 * GroupSize, 7
	blocks, x := make([]byte, rows*cols/GroupSize*BlockBytes), make([]float32, tokens*cols)
	for i := range blocks {
		blocks[i] = []byte{0, 0xFF, 0x55, 0x0F}[i/(cols/GroupSize*BlockBytes)%4]
		if i%BlockBytes < 2 { // a scale
			blocks[i] = 0x2C
		}
	}
	for i := range x {
		x[i] = float32(1 - 2*(i>>(i/cols%3)&1)) // by columns of 1, 2 and 4
		if i/cols < 4 {
			x[i] = float32(1 - 2*(i/cols%2))
		}
	}
	m := packed(Generic, blocks, rows, cols)
	want, got := make([]float32, tokens*rows), make([]float32, tokens*rows)
	Generic.MatMul(want, rows, m, testActs(Generic, x, tokens, cols, false), 0, m.Tiles())
	for _, s := range sets() {
		sm := repacked(s, m)
		s.MatMul(got, rows, sm, testActs(s, x, tokens, cols, false), 0, sm.Tiles())
		sameBits(t, s.Name, got, want)
	}
}

// A group's product is that of a matrix of its columns alone.
func TestMatMulGroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 1))
	for _, s := range Available() {
		for tokens := 1; tokens <= 19; tokens++ {
			rows, groups := 1+rng.IntN(50), 1+rng.IntN(4)
			cols := groups * GroupSize
			blocks, _, _ := testMatrix(rng, rows, cols)
			m := packed(s, blocks, rows, cols)
			x := testVector(rng, tokens*cols)
			for _, exact := range []bool{false, true} {
				a := testActs(s, x, tokens, cols, exact)
				for g := range groups {
					var part []byte
					var in []float32
					for r := range rows {
						part = append(part, blocks[(r*groups+g)*BlockBytes:][:BlockBytes]...)
					}
					for i := range tokens {
						in = append(in, x[i*cols+g*GroupSize:][:GroupSize]...)
					}
					alone := packed(Generic, part, rows, GroupSize)
					want, got := make([]float32, tokens*rows), make([]float32, tokens*rows)
					Generic.MatMul(want, rows, alone, testActs(Generic, in, tokens, GroupSize, exact), 0, alone.Tiles())
					s.MatMulGroup(got, rows, m, a, g, 0, 1)
					s.MatMulGroup(got, rows, m, a, g, 1, m.Tiles())
					sameBits(t, fmt.Sprintf("%s exact=%v group %d of %d×%d, %d tokens", s.Name, exact, g, rows, cols, tokens), got, want)
				}
			}
		}
	}
}

// Every finite float16 is a scale somewhere: zero, subnormal, negative, largest.
func TestEveryScale(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 1))
	var blocks []byte
	for h := range 1 << 16 {
		if h>>10&31 == 31 { // infinite or not a number
			continue
		}
		block := [BlockBytes]byte{byte(h), byte(h >> 8)}
		for j := 2; j < BlockBytes; j++ {
			block[j] = byte(rng.Uint32())
		}
		blocks = append(blocks, block[:]...)
	}
	rows := len(blocks) / BlockBytes
	m := packed(Generic, blocks, rows, GroupSize)
	x := testVector(rng, GroupSize)
	for _, exact := range []bool{false, true} {
		want, got := make([]float32, rows), make([]float32, rows)
		Generic.MatMul(want, rows, m, testActs(Generic, x, 1, GroupSize, exact), 0, m.Tiles())
		for _, s := range sets() {
			sm := packed(s, blocks, rows, GroupSize)
			s.MatMul(got, rows, sm, testActs(s, x, 1, GroupSize, exact), 0, sm.Tiles())
			sameBits(t, fmt.Sprintf("%s exact=%v", s.Name, exact), got, want)
		}
	}
}

// sameBits fails unless both slices hold the same bit patterns.
func sameBits(t testing.TB, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d is %v (%#x), want %v (%#x)", what, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// A token's result must not depend on the block it lands in.
func TestBatchInvariance(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	const rows, cols, tokens = 48, 256, 23
	blocks, _, _ := testMatrix(rng, rows, cols)
	x := testVector(rng, tokens*cols)
	for _, s := range Available() {
		m := packed(s, blocks, rows, cols)
		for _, exact := range []bool{false, true} {
			all := make([]float32, tokens*rows)
			s.MatMul(all, rows, m, testActs(s, x, tokens, cols, exact), 0, m.Tiles())
			for tok := range tokens {
				one := make([]float32, rows)
				s.MatMul(one, rows, m, testActs(s, x[tok*cols:], 1, cols, exact), 0, m.Tiles())
				sameBits(t, fmt.Sprintf("%s exact=%v token %d alone", s.Name, exact, tok), one, all[tok*rows:(tok+1)*rows])
			}
		}
	}
}

// Any part of the tokens gives their rows of the whole product.
func TestMatMulPart(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 1))
	const rows, cols, tokens = 37, 384, 15 // blocks of 8, 4, 2 and 1, or of 4, 4, 4, 2 and 1
	blocks, _, _ := testMatrix(rng, rows, cols)
	x := testVector(rng, tokens*cols)
	for _, s := range Available() {
		m := packed(s, blocks, rows, cols)
		for _, exact := range []bool{false, true} {
			a, all := testActs(s, x, tokens, cols, exact), make([]float32, tokens*rows)
			s.MatMul(all, rows, m, a, 0, m.Tiles())
			var p Part
			for lo := range tokens {
				for hi := lo + 1; hi <= tokens; hi++ {
					s.Part(&p, a, lo, hi)
					if p.First > lo || p.First+p.Tokens < hi || p.Tokens > PartTokens(hi-lo) {
						t.Fatalf("%s: tokens [%d, %d) as %d from %d", s.Name, lo, hi, p.Tokens, p.First)
					}
					y := make([]float32, p.Tokens*rows)
					s.MatMulPart(y, m, &p)
					sameBits(t, fmt.Sprintf("%s exact=%v tokens [%d, %d)", s.Name, exact, lo, hi),
						y[(lo-p.First)*rows:(hi-p.First)*rows], all[lo*rows:hi*rows])
				}
			}
		}
	}
}

// edges are numbers at the limits of quantisation, by index.
func edges(rng *rand.Rand) map[string]func(i int) float32 {
	return map[string]func(i int) float32{
		"zeros":     func(int) float32 { return 0 },
		"tiny":      func(int) float32 { return 1e-31 },
		"threshold": func(int) float32 { return tinyMax },
		"subnormal": func(int) float32 { return 1e-42 },
		"large":     func(int) float32 { return float32(1e30 * rng.NormFloat64()) },
		"ties":      func(i int) float32 { return float32(i%ActGroup) - 15.5 },
		"one spike": func(i int) float32 { return float32(i / (ActGroup - 1) % 2) },
	}
}

func TestQuantizeEdges(t *testing.T) {
	for name, f := range edges(rand.New(rand.NewPCG(5, 1))) {
		x := make([]float32, 256)
		for i := range x {
			x[i] = f(i)
		}
		q, scale := quantized(Generic, testActs(Generic, x, 1, 256, false))
		for _, s := range sets() {
			gotQ, gotScale := quantized(s, testActs(s, x, 1, 256, false))
			sameBits(t, s.Name+" scale of "+name, gotScale, scale)
			for i := range q {
				if gotQ[i] != q[i] {
					t.Fatalf("%s %s: q[%d] = %d, want %d", s.Name, name, i, gotQ[i], q[i])
				}
			}
		}
	}
}

// quantized are the values and scales of the only token of a, read from the form that
// a set keeps them in.
func quantized(s *Set, a *Acts) (q []int, scale []float32) {
	b := &a.blocks[0]
	for g, d := range b.scale {
		scale = append(scale, d)
		sum := 0
		for j := g * ActGroup; j < (g+1)*ActGroup; j++ {
			v := 0
			if s.acts == tableActs { // half the difference that the sign of a column makes
				all := b.table[j/tableCols*tableBytes+j%tableCols/4*32:]
				at := func(i int) int { return int(all[16+i])<<5 + int(all[i]) }
				v = (at(1<<(j%4)) - at(0)) / 2
			} else {
				v = int(b.q[b.at(j, 0)])
			}
			q, sum = append(q, v), sum+v
		}
		if s.acts == dotActs {
			scale[g] *= float32(int(1) << (g % actGroups))
			if n := int(b.nsum[g]); n != -sum<<(g%actGroups) {
				scale[g] = float32(math.NaN()) // a sum that is not Σq
			}
		}
	}
	return q, scale
}

func TestFloatKernelsEqualGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	for _, s := range sets() {
		for n := 0; n <= 200; n++ {
			x, g := testVector(rng, n), testVector(rng, n)
			for i := range g {
				g[i] *= 30 // reach both ends of the sigmoid
			}
			want, got := make([]float32, n), make([]float32, n)
			Generic.SwiGLU(want, g, x)
			s.SwiGLU(got, g, x)
			sameBits(t, fmt.Sprintf("%s SwiGLU of %d", s.Name, n), got, want)

			copy(want, g)
			copy(got, g)
			sameBits(t, fmt.Sprintf("%s ExpSum of %d", s.Name, n), []float32{s.ExpSum(got, 40)}, []float32{Generic.ExpSum(want, 40)})
			sameBits(t, fmt.Sprintf("%s exp of %d", s.Name, n), got, want)

			Generic.Scaled(want, x, g, 0.37)
			s.Scaled(got, x, g, 0.37)
			sameBits(t, fmt.Sprintf("%s Scaled of %d", s.Name, n), got, want)

			rows := n % 5
			k := testVector(rng, rows*n)
			want, got = make([]float32, rows), make([]float32, rows)
			Generic.Dots(want, x, k)
			s.Dots(got, x, k)
			sameBits(t, fmt.Sprintf("%s Dots of %d×%d", s.Name, rows, n), got, want)

			p := testVector(rng, rows)
			want, got = append([]float32(nil), x...), append([]float32(nil), x...)
			Generic.WeightedSum(want, p, k)
			s.WeightedSum(got, p, k)
			sameBits(t, fmt.Sprintf("%s WeightedSum of %d×%d", s.Name, rows, n), got, want)
		}
	}
}

// Flipping twice is nothing; a flipped row is the negated row; and flipping the
// packed matrix is packing the flipped file.
func TestFlip(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	const rows, cols = 35, 384
	blocks, _, _ := testMatrix(rng, rows, cols)
	x := testVector(rng, 3*cols)
	for i := range 200 {
		r, c := rng.IntN(rows), rng.IntN(cols)
		n := 1 + rng.IntN(cols-c)
		switch rng.IntN(3) {
		case 0:
			c, n = 0, cols
		case 1:
			c, n = c/GroupSize*GroupSize, GroupSize
		}
		baked := append([]byte(nil), blocks...)
		for j := c; j < c+n; j++ {
			baked[(r*(cols/GroupSize)+j/GroupSize)*BlockBytes+2+j%GroupSize/8] ^= 1 << (j % 8)
		}
		for _, l := range layouts {
			s := &Set{Name: l.name, layout: l, acts: plainActs, matMul: genericMatMul, quantize: genericQuantize}
			for _, other := range Available() {
				if other.layout == l && i%len(Available()) == 0 { // assembly now and then
					s = other
				}
			}
			m, want := packed(s, blocks, rows, cols), packed(s, baked, rows, cols)
			before := append([]byte(nil), m.packed...)
			m.Flip(r, c, n)
			for _, exact := range []bool{false, true} {
				a := testActs(s, x, 3, cols, exact)
				y, z := make([]float32, 3*rows), make([]float32, 3*rows)
				s.MatMul(y, rows, m, a, 0, m.Tiles())
				s.MatMul(z, rows, want, a, 0, m.Tiles())
				sameBits(t, fmt.Sprintf("%s exact=%v row %d [%d,+%d)", s.Name, exact, r, c, n), y, z)
			}
			m.Flip(r, c, n)
			for j := range before {
				if m.packed[j] != before[j] {
					t.Fatalf("%s: flipping row %d [%d,+%d) twice changed byte %d", l.name, r, c, n, j)
				}
			}
		}
	}
}

func TestExtract(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	blocks, _, _ := testMatrix(rng, 50, 256)
	rows := []int{49, 0, 17, 3, 31, 32, 16, 15, 1, 2, 4, 5, 6, 7, 8, 9, 10, 48}
	for _, l := range layouts {
		m := newMatrix(l, 50, 256)
		m.PackTiles(blocks, 0, m.Tiles())
		e := m.Extract(rows)
		want, got := make([]float32, 256), make([]float32, 256)
		for i, r := range rows {
			m.Row(want, r)
			e.Row(got, i)
			sameBits(t, fmt.Sprintf("%s: row %d as %d", l.name, r, i), got, want)
		}
	}
}

func TestMath(t *testing.T) {
	for x := -87.0; x < 88; x += 0.0137 {
		if e, want := float64(Exp(float32(x))), math.Exp(float64(float32(x))); math.Abs(e/want-1) > 3e-7 {
			t.Errorf("Exp(%v) = %v, want %v", x, e, want)
		}
	}
	if Exp(-1000) <= 0 || math.IsInf(float64(Exp(1000)), 0) {
		t.Error("Exp is not clamped to finite, positive values")
	}
	for x := 1e-300; x < 1e300; x *= 1.37 {
		if d := math.Abs(Log(x) - math.Log(x)); d > 2e-15*math.Abs(math.Log(x))+1e-16 {
			t.Errorf("Log(%v) is off by %v", x, d)
		}
	}
	for x := -600.0; x < 600; x += 0.337 {
		if d := math.Abs(Exp64(x)/math.Exp(x) - 1); d > 2e-14 {
			t.Errorf("Exp64(%v) is off by %v", x, d)
		}
	}
	for x, want := range map[float64]float64{math.Inf(-1): 0, -1e10: 0, 1e10: math.Inf(1), math.Inf(1): math.Inf(1), 0: 1} {
		if got := Exp64(x); got != want {
			t.Errorf("Exp64(%v) = %v, want %v", x, got, want)
		}
	}
	if x := Exp64(math.NaN()); x == x {
		t.Errorf("Exp64(NaN) = %v", x)
	}
	for x := 0.0; x < 3e5; x = x*1.01 + 0.01 {
		s, c := SinCos(x)
		ws, wc := math.Sincos(x)
		if math.Abs(s-ws)+math.Abs(c-wc) > 2e-12 {
			t.Errorf("SinCos(%v) = %v, %v, want %v, %v", x, s, c, ws, wc)
		}
	}
}

func TestPick(t *testing.T) {
	t.Setenv("BANKAI_KERNEL", "")
	if s, err := Pick(""); err != nil || s != Available()[0] {
		t.Errorf("the fastest set is %s, but %v was picked, %v", Available()[0].Name, s, err)
	}
	t.Setenv("BANKAI_KERNEL", "generic")
	if s, err := Pick(""); err != nil || s != Generic {
		t.Errorf("BANKAI_KERNEL=generic gives %v, %v", s, err)
	}
	t.Setenv("BANKAI_KERNEL", "abacus")
	if _, err := Pick(""); err == nil {
		t.Error("an unknown kernel was accepted")
	}
}

// A set's limit is above what its kernels reach; that it is there at all is what
// a test can say.
func TestPeak(t *testing.T) {
	if Generic.Peak() != 0 {
		t.Error("the oracle claims a limit")
	}
	for _, s := range sets() {
		if p := s.Peak(); s.peak != nil && !(p > 0) {
			t.Errorf("%s: %v products a second", s.Name, p)
		}
	}
}

func BenchmarkMatMul(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 1))
	const rows, cols = 4096, 4096
	blocks, _, _ := testMatrix(rng, rows, cols)
	for _, s := range sets() {
		m := packed(s, blocks, rows, cols)
		for _, exact := range []bool{false, true} {
			for _, tokens := range []int{1, 2, 4, 8, 64} {
				a := testActs(s, testVector(rng, tokens*cols), tokens, cols, exact)
				y := make([]float32, tokens*rows)
				b.Run(fmt.Sprintf("%s/exact=%v/tokens=%d", s.Name, exact, tokens), func(b *testing.B) {
					for b.Loop() {
						s.MatMul(y, rows, m, a, 0, m.Tiles())
					}
					b.ReportMetric(float64(rows*cols*tokens)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
				})
			}
		}
	}
}

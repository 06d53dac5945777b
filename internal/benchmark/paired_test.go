package benchmark

import (
	"math"
	"math/big"
	"testing"

	"bankai/internal/stats"
)

// Published intervals: two tables worked out in chapter 8 of M. W. Fagerland,
// S. Lydersen and P. Laake, Statistical Analysis of Contingency Tables (2017).
func TestNewcombe(t *testing.T) {
	for _, c := range []struct {
		name                        string
		both, second, first, nobody int
		low, high                   float64
	}{
		{"airway responsiveness (Bentur 2009)", 1, 7, 1, 12, -0.507, -0.026},
		{"complete response (Cavo 2012)", 59, 16, 6, 80, -0.1186, -0.0046},
	} {
		// The book takes the second from the first; the interval here is that of
		// the second less the first, so its ends change places and signs.
		low, high := newcombe(c.both, c.first, c.second, c.both+c.first+c.second+c.nobody)
		if math.Abs(-high-c.low) > 6e-4 || math.Abs(-low-c.high) > 6e-4 {
			t.Errorf("%s: [%.4f, %.4f], want [%.4f, %.4f]", c.name, -high, -low, c.low, c.high)
		}
	}
}

// The interval holds the difference, stays in [−1, 1], and is mirrored when before
// and after change places.
func TestNewcombeIsSound(t *testing.T) {
	const n = 12
	for both := range n + 1 {
		for lost := range n + 1 - both {
			for gained := range n + 1 - both - lost {
				low, high := newcombe(both, lost, gained, n)
				d := float64(gained-lost) / n
				if !(low <= d+1e-12 && d <= high+1e-12 && low >= -1-1e-12 && high <= 1+1e-12) {
					t.Errorf("%d, %d, %d of %d: [%v, %v] around %v", both, lost, gained, n, low, high, d)
				}
				back, forth := newcombe(both, gained, lost, n)
				if math.Abs(back+high) > 1e-12 || math.Abs(forth+low) > 1e-12 {
					t.Errorf("%d, %d, %d of %d: [%v, %v] is mirrored as [%v, %v]", both, lost, gained, n, low, high, back, forth)
				}
			}
		}
	}
}

func TestPaired(t *testing.T) {
	yes, no := true, false
	p := pairedOf([]bool{yes, yes, no, no, yes, no}, []bool{yes, no, yes, yes, yes, no})
	if p.Total != 6 || p.Before != 3 || p.After != 4 || p.Fixed != 2 || p.Broke != 1 {
		t.Errorf("got %+v", p)
	}
	if p.ShareAfter.Value != 4.0/6 || p.Difference.Value != 1.0/6 || p.PValue != 1 || p.Holm != 1 {
		t.Errorf("got %+v", p)
	}
}

// The least loss that McNemar's test calls evidence: 2·2⁻⁶ = 0.031 is the first
// power of two below 0.05, so 6 broken and none fixed.
func TestNeededLoss(t *testing.T) {
	for _, c := range []struct{ changed, total, want int }{
		{0, 50, 6},
		{6, 50, 6},
		{7, 50, 7}, // 6 against 1: p = 0.125
		{8, 50, 8}, // 7 against 1: p = 0.070
		{9, 50, 7}, // 8 against 1: p = 0.039
		{20, 50, 10},
		{5, 5, 0}, // p is at least 0.0625
	} {
		if got := neededLoss(c.changed, c.total); got != c.want {
			t.Errorf("%d changed of %d: a loss of %d, want %d", c.changed, c.total, got, c.want)
		}
		if c.want > 0 {
			changed := max(c.changed, 6)
			fixed := (changed - c.want) / 2
			if stats.McNemar(fixed, changed-fixed) >= 0.05 || fixed*2 < changed-2 && stats.McNemar(fixed+1, changed-fixed-1) < 0.05 {
				t.Errorf("%d changed: a loss of %d is not the least that is evidence", changed, c.want)
			}
		}
	}
}

// Against whole numbers: a sum of binomial coefficients, and every outcome of five
// unequal guesses.
func TestAtLeast(t *testing.T) {
	const n = 40
	quarter := make([]float64, n)
	for i := range quarter {
		quarter[i] = 0.25
	}
	for right := range n + 1 {
		sum := new(big.Int)
		for k := right; k <= n; k++ {
			ways := new(big.Int).Binomial(n, int64(k))
			sum.Add(sum, ways.Mul(ways, new(big.Int).Exp(big.NewInt(3), big.NewInt(int64(n-k)), nil)))
		}
		want, _ := new(big.Rat).SetFrac(sum, new(big.Int).Lsh(big.NewInt(1), 2*n)).Float64()
		if got := atLeast(right, quarter); math.Abs(got-want) > 1e-13*want {
			t.Errorf("%d of %d: %v, want %v", right, n, got, want)
		}
	}
	chances := []float64{0.5, 0.25, 0.2, 1.0 / 3, 0.5}
	for right := range len(chances) + 1 {
		want := 0.0
		for outcome := range 1 << len(chances) {
			p, hits := 1.0, 0
			for i, c := range chances {
				if outcome>>i&1 == 1 {
					p, hits = p*c, hits+1
				} else {
					p *= 1 - c
				}
			}
			if hits >= right {
				want += p
			}
		}
		if got := atLeast(right, chances); math.Abs(got-want) > 1e-14 {
			t.Errorf("%d of unequal guesses: %v, want %v", right, got, want)
		}
	}
}

// A loss that shows is told with its interval; one that does not, with what could
// have shown.
func TestPairedWords(t *testing.T) {
	marks := func(right, total int) []bool {
		m := make([]bool, total)
		for i := range right {
			m[i] = true
		}
		return m
	}
	for _, c := range []struct {
		before, after int
		finding, rest string
	}{
		{
			30, 18, "Patched, 18 of 50 sums are right, where 30 were: fixed 0, broke 12, p = 0.00049: a loss that is unlikely to be chance.",
			"The share of right answers changed by -24.00 points (95 %: -35.26 to -11.16).",
		},
		{
			30, 30, "Patched, 30 of 50 sums are right, where 30 were: fixed 0, broke 0, p = 1.00: no answer went from wrong to right or back.",
			"The share of right answers changed by 0 points (95 %: -4.038 to +4.038): a loss of more than 4.038 points is excluded, a smaller one is not. " +
				"The least net loss that the test could have shown here is 6 of 50 answers, 12.00 points.",
		},
	} {
		p := pairedOf(marks(c.before, 50), marks(c.after, 50))
		if got := p.finding("sums"); got != c.finding {
			t.Errorf("got %s", got)
		}
		if got := p.limits(); got != c.rest {
			t.Errorf("got %s", got)
		}
	}
}

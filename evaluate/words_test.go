package evaluate

import (
	"strings"
	"testing"

	"bankai/internal/stats"
)

func TestProbability(t *testing.T) {
	for _, c := range []struct {
		p    float64
		want string
	}{{1, "1.00"}, {0.4512, "0.45"}, {0.0996, "0.10"}, {0.0654, "0.065"}, {0.0046, "0.0046"}, {3.4e-9, "3e-09"}, {0, "1e-12 or less"}} {
		if got := Probability(c.p); got != c.want {
			t.Errorf("Probability(%v) = %q, want %q", c.p, got, c.want)
		}
	}
}

func TestDecade(t *testing.T) {
	for x, want := range map[float64]int{1: 0, 9.99: 0, 10: 1, 999.9999999999999: 2, 1000: 3, 0.001: -3, 0.00999: -3, 2.5e-300: -300} {
		if got := Decade(x); got != want {
			t.Errorf("Decade(%v) = %d, want %d", x, got, want)
		}
	}
}

func TestChance(t *testing.T) {
	for _, c := range []struct {
		p    float64
		want string
	}{
		{1, "come up practically always."},
		{0.4512, "come up in about 45 of 100 cases."},
		{0.065, "come up about once in 15 cases."},
		{0.0046, "come up about once in 220 cases."},
		{3e-9, "come up about once in 330 million cases."},
		{8e-8, "come up about once in 13 million cases."},
		{2e-7, "come up about once in 5,000,000 cases."},
		{0, "come up less than once in 1,000,000 million cases."},
	} {
		if got := Chance(c.p); !strings.HasSuffix(got, c.want) {
			t.Errorf("Chance(%v) = %q, want …%q", c.p, got, c.want)
		}
	}
}

// The words follow the figures, in both directions.
func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		fixed, broke int
		want         string
	}{
		{43, 4, "The gain is unlikely to be chance."},
		{4, 43, "The loss is unlikely to be chance: the patch does harm here."},
		{5, 3, "This is no evidence of a difference."},
		{5, 0, "This is no evidence of a difference."},
	} {
		r := Result{Fixed: make([]string, c.fixed), Broke: make([]string, c.broke), PValue: stats.McNemar(c.fixed, c.broke)}
		if got := r.Meaning(); got != c.want {
			t.Errorf("%d fixed, %d broke: %q, want %q", c.fixed, c.broke, got, c.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 5435817984: "5,435,817,984", -1234: "−1,234"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

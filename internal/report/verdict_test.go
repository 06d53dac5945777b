package report

import (
	"strings"
	"testing"

	"bankai/internal/stats"
	"bankai/measure"
)

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
		{1.16e-6, "come up about once in 830,000 cases."}, // as of 1.2e-06
		{1.449e-12, "come up about once in 710,000 million cases."},
		{1e-12, "come up about once in 1,000,000 million cases."},
		{0, "come up less than once in a million million cases."},
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
		r := &measure.Result{Fixed: make([]string, c.fixed), Broke: make([]string, c.broke), PValue: stats.McNemar(c.fixed, c.broke)}
		if got := Meaning(r); got != c.want {
			t.Errorf("%d fixed, %d broke: %q, want %q", c.fixed, c.broke, got, c.want)
		}
	}
}

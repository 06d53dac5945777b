package stats

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestHolm(t *testing.T) {
	for _, c := range []struct {
		source  string
		p, want []float64
	}{
		{"en.wikipedia.org, Holm–Bonferroni method", []float64{0.01, 0.04, 0.03, 0.005}, []float64{0.03, 0.06, 0.06, 0.02}},
		{"none", nil, []float64{}},
		{"one stays as it is", []float64{0.04}, []float64{0.04}},
		{"ties", []float64{0.25, 0.125, 0.125}, []float64{0.375, 0.375, 0.375}},
		{"none is above 1", []float64{0.75, 1, 0.5}, []float64{1, 1, 1}},
	} {
		if got := Holm(c.p); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.source, got, c.want)
		}
	}
}

// No value gets smaller, none is above Bonferroni's, and the order of the values
// stays theirs, in whatever order they come.
func TestHolmProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 20).Draw(t, "p")
		got := Holm(p)
		for i := range p {
			if got[i] < p[i] || got[i] > min(1, float64(len(p))*p[i]) {
				t.Errorf("%v became %v", p[i], got[i])
			}
			for j := range p {
				if p[i] < p[j] && got[i] > got[j] || p[i] == p[j] && got[i] != got[j] {
					t.Errorf("%v and %v became %v and %v", p[i], p[j], got[i], got[j])
				}
			}
		}
		turned := slices.Clone(p)
		slices.Reverse(turned)
		back := Holm(turned)
		slices.Reverse(back)
		if !slices.Equal(back, got) {
			t.Errorf("%v, from the other end %v", got, back)
		}
	})
}

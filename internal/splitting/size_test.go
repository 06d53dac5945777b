package splitting

import (
	"reflect"
	"strings"
	"testing"
)

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		total int
		sizes string // search, validate, heldout
		want  []int
	}{
		{100, "- - -", []int{60, 20, 20}},
		{7, "- - -", []int{4, 2, 1}},
		{1, "- - -", []int{1, 0, 0}},
		{0, "- - -", []int{0, 0, 0}},
		{100, "- 0 -", []int{75, 0, 25}},
		{100, "- - 40", []int{45, 15, 40}},
		{100, "30 20 -", []int{30, 20, 50}},
		{100, "30 20 10", []int{30, 20, 10}},
		{100, "50% 0.3 20%", []int{50, 30, 20}},
		{101, "50% 50% 0", []int{51, 50, 0}},
		{10, "1.0 - -", []int{10, 0, 0}},
		{10, "1 - -", []int{1, 5, 4}},
		{10, "8 3 -", nil},
		{10, "80% 30% -", nil},
	} {
		var wants []*Size
		for _, text := range strings.Fields(c.sizes) {
			z := new(Size)
			if text != "-" {
				if err := z.Set(text); err != nil {
					t.Fatal(err)
				}
			}
			wants = append(wants, z)
		}
		got, err := divide(c.total, wants)
		if (err != nil) != (c.want == nil) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d by %s: %v, %v; want %v", c.total, c.sizes, got, err, c.want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5", "0.0", "101%", "NaN", "0%"} {
		if z := new(Size); z.Set(text) == nil {
			t.Errorf("%q is taken as a size: %+v", text, z)
		}
	}
}

// Controls are shared in proportion, and both sets get some as far as that goes.
func TestProportion(t *testing.T) {
	for _, c := range []struct{ n, a, b, want int }{
		{49, 60, 60, 25},
		{49, 20, 60, 12},
		{49, 60, 20, 37},
		{2, 1, 99, 1},
		{2, 99, 1, 1},
		{1, 5, 5, 0},
		{0, 5, 5, 0},
		{3, 5, 0, 3},
		{3, 0, 5, 0},
	} {
		if got := proportion(c.n, c.a, c.b); got != c.want {
			t.Errorf("of %d for %d and %d: %d, want %d", c.n, c.a, c.b, got, c.want)
		}
	}
}

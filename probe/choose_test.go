package probe

import (
	"slices"
	"strconv"
	"testing"
)

// A draw keeps the order of the set and repeats nothing; a larger draw of the same
// seed holds the smaller ones.
func TestDraw(t *testing.T) {
	var set Set
	for i := range 40 {
		set = append(set, Probe{Name: strconv.Itoa(i)})
	}
	numbers := func(s Set) (out []int) {
		for _, p := range s {
			n, _ := strconv.Atoi(p.Name)
			out = append(out, n)
		}
		return out
	}
	differ := false
	for seed := range uint64(5) {
		var before []int
		for _, n := range []int{0, 1, 7, 39, 40, 99} {
			got := numbers(set.Draw(n, seed))
			if len(got) != min(n, 40) || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("%d of seed %d: %v", n, seed, got)
			}
			for _, b := range before {
				if !slices.Contains(got, b) {
					t.Errorf("%d of seed %d leave out %d, which fewer have", n, seed, b)
				}
			}
			before = got
		}
		differ = differ || !slices.Equal(numbers(set.Draw(7, seed)), numbers(set.Draw(7, seed+1)))
	}
	if !differ {
		t.Error("all seeds draw the same")
	}
}

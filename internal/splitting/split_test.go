package splitting

import (
	"context"
	"fmt"
	"testing"

	"bankai/measure"
	"bankai/probe"
)

// sums are probes of two categories.
func sums(first, n int) probe.Set {
	var set probe.Set
	for i := first; i < first+n; i++ {
		set = append(set, probe.Probe{
			Name: fmt.Sprint("p", i), Prompt: fmt.Sprintf("%d + 1 =", i), Correct: fmt.Sprint(i + 1), Wrong: "x",
			Category: []string{"even", "odd"}[i%2],
		})
	}
	return set
}

// Whether controls come out of the probes or from apart: every probe is in one set at
// most, the sets have the sizes asked for, and no two share a prompt.
func TestSplit(t *testing.T) {
	for _, apart := range []bool{false, true} {
		sizes := NewSizes()
		sizes[Search].n, sizes[Search].text = 30, "30"
		sizes[Controls].n, sizes[Controls].text = 6, "6"
		sizes[ControlsHeldOut].n, sizes[ControlsHeldOut].text = 4, "4"
		var other *measure.Merged
		if apart {
			other = &measure.Merged{Set: sums(90, 20)} // ten of them are among the probes
		}
		warn := func(format string, args ...any) { t.Errorf(format, args...) }
		s := New(sizes, 7, warn, &measure.Merged{Set: sums(0, 100)}, other)
		if err := s.TakeControls(func(_ probe.Set, order []int, n int) ([]int, error) { return order[:n], nil }); err != nil {
			t.Fatal(err)
		}
		if err := s.Share(); err != nil {
			t.Fatal(err)
		}
		all, repeats := 100, 0
		if apart {
			all, repeats = 110, 10 // all of the other ten are taken
		}
		total := 0
		var sets []measure.Named
		for _, role := range Roles {
			total += len(s.Sets[role])
			sets = append(sets, measure.Named{Name: role, Set: s.Sets[role]})
		}
		if len(s.Sets[Search]) != 30 || len(s.Sets[Controls]) != 6 || len(s.Sets[ControlsHeldOut]) != 4 {
			t.Errorf("apart %v: %d to search, %d and %d controls", apart, len(s.Sets[Search]), len(s.Sets[Controls]), len(s.Sets[ControlsHeldOut]))
		}
		if total != all || s.Unused != 0 || s.Repeats != repeats {
			t.Errorf("apart %v: %d of %d probes are in a set, %d repeats", apart, total, all, s.Repeats)
		}
		if leaks, err := Leaks(context.Background(), sets...); err != nil || leaks > 0 {
			t.Errorf("apart %v: %d leaks, %v", apart, leaks, err)
		}
		if leaks, err := Leaks(context.Background(), append(sets, measure.Named{Name: "again", Set: s.Sets[Search][:3]})...); err != nil || leaks != 3 {
			t.Errorf("apart %v: of three prompts that are there twice, %d are found, %v", apart, leaks, err)
		}
	}
}

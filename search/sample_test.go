package search_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai/search"

	"pgregory.net/rapid"
)

// Every example comes once an epoch, in blocks of nearly one size, and in another order
// in the next epoch. A sample lists them in their own order, so that of a whole epoch
// is as good as all.
func TestEveryExampleComesOnceAnEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		examples := rapid.IntRange(1, 300).Draw(t, "examples")
		d := search.DealOf(examples, rapid.IntRange(1, 100).Draw(t, "size"), rapid.Uint64().Draw(t, "seed"), 2)
		epoch := rapid.IntRange(0, 5).Draw(t, "epoch") * d.Blocks
		var all []int
		for b := range d.Blocks {
			block := d.Of(search.Sample{First: epoch + b, N: 1})
			if n := len(block); n < examples/d.Blocks || n > examples/d.Blocks+1 || !slices.IsSorted(block) {
				t.Fatalf("block %d of %d: %v", b, d.Blocks, block)
			}
			all = append(all, block...)
		}
		slices.Sort(all)
		if whole := d.Of(search.Sample{}); len(whole) != examples || !reflect.DeepEqual(all, whole) || !reflect.DeepEqual(d.Of(search.Sample{First: epoch, N: d.Blocks}), whole) {
			t.Fatalf("an epoch deals %v", all)
		}
		first, n := rapid.IntRange(0, 40).Draw(t, "first"), rapid.IntRange(1, 40).Draw(t, "n")
		want := map[int]bool{}
		for b := range n {
			for _, i := range d.Of(search.Sample{First: first + b, N: 1}) {
				want[i] = true
			}
		}
		if got := d.Of(search.Sample{First: first, N: n}); len(got) != len(want) || slices.ContainsFunc(got, func(i int) bool { return !want[i] }) {
			t.Fatalf("blocks %d and %d that follow: %v, one by one %v", first, n-1, got, want)
		}
	})
	d := search.DealOf(100, 10, 1, 0)
	if a, b := d.Of(search.Sample{First: 0, N: 1}), d.Of(search.Sample{First: 10, N: 1}); reflect.DeepEqual(a, b) {
		t.Error("two epochs are alike")
	}
	other := d
	other.Stratum = 1
	if a, b := d.Of(search.Sample{First: 0, N: 1}), other.Of(search.Sample{First: 0, N: 1}); reflect.DeepEqual(a, b) {
		t.Error("two strata are dealt alike")
	}
}

func TestSampleCheck(t *testing.T) {
	for _, c := range []struct {
		sample search.Sample
		ok     bool
		name   string
	}{
		{search.Sample{}, true, "all"},
		{search.Sample{First: 3, N: 4}, true, "blocks 3-6"},
		{search.Sample{First: 3}, false, ""},
		{search.Sample{First: -1, N: 2}, false, ""},
		{search.Sample{N: -1}, false, ""},
		{search.Sample{First: math.MaxInt, N: math.MaxInt}, false, ""},
	} {
		if err := c.sample.Check(); (err == nil) != c.ok || !c.ok && !strings.Contains(err.Error(), "blocks") {
			t.Errorf("%+v: %v", c.sample, err)
		} else if c.ok && c.sample.String() != c.name {
			t.Errorf("%+v is called %q", c.sample, c.sample)
		}
	}
}

// The standard error of a sum of n draws is √n times their standard deviation.
func TestPaired(t *testing.T) {
	without := search.Score{Worth: []float64{0, 0, 1, 1}}
	for _, c := range []struct {
		worth []float64
		want  float64
	}{
		{[]float64{1, 3, 2, 4}, 8 / math.Sqrt(4*4.0/3)}, // changes 1, 3, 1, 3
		{[]float64{0, 0, 1, 1}, 0},
		{[]float64{1, 1, 2, 2}, math.Inf(1)}, // all by as much
		{[]float64{-1, -1, 0, 0}, math.Inf(-1)},
		{[]float64{1, -1, 2, 0}, 0},
	} {
		if got := search.Pair(without, search.Score{Worth: c.worth}).Z(); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v: %v, want %v", c.worth, got, c.want)
		}
	}
}

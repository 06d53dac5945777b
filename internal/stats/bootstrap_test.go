package stats

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// meanOf is the statistic of a draw that is its mean.
func meanOf(values []float64) func(pick []int) float64 {
	return func(pick []int) float64 {
		sum := 0.0
		for _, i := range pick {
			sum += values[i]
		}
		return sum / float64(len(pick))
	}
}

// The bits of a seed are those of every machine, and of every call.
func TestBootstrapIsFixed(t *testing.T) {
	iv := Bootstrap(len(sleep), 1, 2000, meanOf(sleep))
	if *iv != *Bootstrap(len(sleep), 1, 2000, meanOf(sleep)) {
		t.Error("the second call gives another interval")
	}
	if *iv == *Bootstrap(len(sleep), 2, 2000, meanOf(sleep)) {
		t.Error("another seed gives the same interval")
	}
	if got, want := fmt.Sprintf("%x %x", iv.Low, iv.High), "0x1.f0a3d70a3d70bp-01 0x1.2f5c28f5c28f5p+01"; got != want {
		t.Errorf("%s (%v), want %s", got, *iv, want)
	}
}

// With two units, 0 and 1, the mean of a draw is 0 or 1 a quarter of the time
// each, so that the interval is [0, 1]; with 100 halves it is near that of the
// binomial distribution, 40 to 60.
func TestBootstrapOfMeans(t *testing.T) {
	if iv := Bootstrap(2, 1, 1000, meanOf([]float64{0, 1})); *iv != (Interval{0, 1}) {
		t.Errorf("of 0 and 1: %v", *iv)
	}
	halves := make([]float64, 100)
	for i := range 50 {
		halves[i] = 1
	}
	if iv := Bootstrap(100, 1, 4000, meanOf(halves)); math.Abs(iv.Low-0.40) > 0.011 || math.Abs(iv.High-0.60) > 0.011 {
		t.Errorf("of 100 halves: %v", *iv)
	}
}

// Every unit is as likely as any other: χ² of the counts is below its 99.9 %
// point of 6 degrees of freedom.
func TestBootstrapDrawsEvenly(t *testing.T) {
	var counts [7]float64
	Bootstrap(7, 3, 10000, func(pick []int) float64 {
		for _, i := range pick {
			counts[i]++
		}
		return 0
	})
	chi := 0.0
	for _, c := range counts {
		chi += (c - 10000) * (c - 10000) / 10000
	}
	if chi > 22.46 {
		t.Errorf("%v: χ² is %v", counts, chi)
	}
}

// Draws without a statistic count against both ends: a few widen the interval, and
// more leave none.
func TestBootstrapWithoutStatistic(t *testing.T) {
	undefined := func(share float64) func([]int) float64 {
		calls := 0.0
		return func([]int) float64 {
			if calls++; calls <= 1000*share {
				return math.NaN()
			}
			return calls
		}
	}
	for _, c := range []struct {
		share float64
		want  *Interval
	}{
		// of 1 … 1000, at 24.975 and 974.025 from the start
		{0, &Interval{25.975, 975.025}},
		{0.02, &Interval{25.975, 995.025}}, // of 21 … 1000, 20 more at either end
		{0.03, nil},
		{1, nil},
	} {
		got := Bootstrap(5, 1, 1000, undefined(c.share))
		if (got == nil) != (c.want == nil) || got != nil && (math.Abs(got.Low-c.want.Low) > 1e-9 || math.Abs(got.High-c.want.High) > 1e-9) {
			t.Errorf("with a share of %v undefined: %v, want %v", c.share, got, c.want)
		}
	}
	for _, few := range [][2]int{{0, 100}, {1, 100}, {100, 1}} {
		if got := Bootstrap(few[0], 1, few[1], func([]int) float64 { return 1 }); got != nil {
			t.Errorf("of %d units, %d times: %v", few[0], few[1], *got)
		}
	}
}

// A ratio of means over the same units, whose interval holds the ratio.
func TestBootstrapOfRatio(t *testing.T) {
	half := make([]float64, len(sleep))
	for i, v := range sleep {
		half[i] = v / 2
	}
	above, below := meanOf(half), meanOf(sleep)
	iv := Bootstrap(len(sleep), 7, 500, func(pick []int) float64 { return above(pick) / below(pick) })
	if math.Abs(iv.Low-0.5) > 1e-15 || math.Abs(iv.High-0.5) > 1e-15 {
		t.Errorf("of halves and wholes, paired: %v", *iv)
	}
	slices.Reverse(half)
	if iv := Bootstrap(len(sleep), 7, 500, func(pick []int) float64 { return above(pick) / below(pick) }); iv.Low >= 0.45 || iv.High <= 0.55 {
		t.Errorf("of halves of others: %v", *iv)
	}
}

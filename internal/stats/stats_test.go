package stats

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Student's example of 1908: the hours of sleep that ten patients gained by a drug
// more than by another. R's t.test says 1.58, 0.7001142 to 2.4598858.
var sleep = []float64{1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4}

func TestMeanInterval(t *testing.T) {
	mean, iv := MeanInterval(sleep)
	if math.Abs(mean-1.58) > 1e-15 || math.Abs(iv.Low-0.7001142) > 5e-8 || math.Abs(iv.High-2.4598858) > 5e-8 {
		t.Errorf("%v, %v", mean, *iv)
	}
	// Two values are half their distance from the mean, which is the error too.
	if mean, iv := MeanInterval([]float64{3, 5}); mean != 4 || math.Abs(iv.High-(4+12.7062047)) > 5e-8 || math.Abs(iv.Low-(4-12.7062047)) > 5e-8 {
		t.Errorf("of 3 and 5: %v, %v", mean, *iv)
	}
	if mean, iv := MeanInterval([]float64{7, 7, 7}); mean != 7 || *iv != (Interval{7, 7}) {
		t.Errorf("of equal values: %v, %v", mean, *iv)
	}
}

func TestStandardError(t *testing.T) {
	// 2, 4, 4, 4, 5, 5, 7, 9 have the mean 5 and squares of 32: √(32/(8·7)).
	if got := StandardError([]float64{2, 4, 4, 4, 5, 5, 7, 9}); got != math.Sqrt(4.0/7) {
		t.Errorf("%v", got)
	}
	for _, few := range [][]float64{nil, {3}} {
		if got := StandardError(few); !math.IsNaN(got) {
			t.Errorf("of %v: %v", few, got)
		}
	}
}

// An interval that is not defined is null, and none breaks JSON.
func TestIntervalAsJSON(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, `null`},
		{[]float64{1}, `null`},
		{[]float64{1, math.NaN()}, `null`},
		{[]float64{1, math.Inf(1)}, `null`},
		{[]float64{math.MaxFloat64, -math.MaxFloat64}, `null`}, // the squares overflow
		{[]float64{2, 2}, `{"low":2,"high":2}`},
	} {
		_, iv := MeanInterval(c.values)
		if got, err := json.Marshal(iv); err != nil || string(got) != c.want {
			t.Errorf("of %v: %s, %v, want %s", c.values, got, err, c.want)
		}
	}
}

// As R's quantile, whose default is type 7.
func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		sorted  []float64
		q, want float64
	}{
		{[]float64{1, 2, 3, 4}, 0.25, 1.75},
		{[]float64{1, 2, 3, 4}, 0.5, 2.5},
		{[]float64{1, 2, 3, 4}, 0, 1},
		{[]float64{1, 2, 3, 4}, 1, 4},
		{[]float64{6, 7, 15, 36, 39, 40, 41, 42, 43, 47, 49}, 0.25, 25.5}, // en.wikipedia.org, quartile, method 2
		{[]float64{6, 7, 15, 36, 39, 40, 41, 42, 43, 47, 49}, 0.75, 42.5},
		{[]float64{5}, 0.3, 5},
	} {
		if got := Quantile(c.sorted, c.q); got != c.want {
			t.Errorf("the %v quantile of %v is %v, want %v", c.q, c.sorted, got, c.want)
		}
	}
	if got := Quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

// A quantile lies among the values, and a higher one is no smaller.
func TestQuantileProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 30).Draw(t, "values")
		slices.Sort(values)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		at, above := Quantile(values, q), Quantile(values, q+(1-q)/2)
		if at < values[0] || above < at || above > values[len(values)-1] {
			t.Errorf("%v, then %v", at, above)
		}
	})
}

package report

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestUndefinedFiguresGoThroughJSON(t *testing.T) {
	type both struct {
		E Estimate
		N []NullFloat
	}
	in := both{Estimate{1.5, math.NaN(), math.Inf(1), 1}, []NullFloat{2, NullFloat(math.NaN())}}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"E":{"value":1.5,"low":null,"high":null,"n":1},"N":[2,null]}`; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
	var out both
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if e := out.E; e.Value != 1.5 || !math.IsNaN(e.Low) || !math.IsNaN(e.High) || e.N != 1 || !math.IsNaN(float64(out.N[1])) {
		t.Errorf("got %+v", out)
	}
}

// A mean follows its values: moved and stretched as they are, with its interval; and
// its interval holds it.
func TestMeanFollowsItsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-9, 9), 2, 9).Draw(t, "values")
		by, times := rapid.Float64Range(-9, 9).Draw(t, "by"), rapid.Float64Range(0.1, 9).Draw(t, "times")
		var moved []float64
		for _, v := range values {
			moved = append(moved, times*v+by)
		}
		a, b := MeanOf(values), MeanOf(moved)
		near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-9*(1+math.Abs(x)+math.Abs(y)) }
		if !near(b.Value, times*a.Value+by) || !near(b.Low, times*a.Low+by) || !near(b.High, times*a.High+by) || a.N != len(values) {
			t.Errorf("%+v, times %v and %v on: %+v", a, times, by, b)
		}
		if !(a.Low <= a.Value && a.Value <= a.High) {
			t.Errorf("%+v", a)
		}
	})
}

// A share and that of the other answers are one: so are their intervals, from the other
// end.
func TestSharesAddUp(t *testing.T) {
	for total := 1; total <= 40; total++ {
		for yes := range total + 1 {
			a, b := ShareOf(yes, total), ShareOf(total-yes, total)
			if math.Abs(a.Value+b.Value-1) > 1e-12 || math.Abs(a.Low+b.High-1) > 1e-12 || a.Low > a.Value || a.High < a.Value || a.Low < 0 || a.High > 1 {
				t.Errorf("%d of %d: %+v, the others %+v", yes, total, a, b)
			}
		}
	}
}

// Figures are read back as they are written, to the bit; what is not defined is null,
// and undefined again.
func TestEstimatesAreReadBack(t *testing.T) {
	same := func(a, b float64) bool {
		return a == b || (math.IsNaN(a) || math.IsInf(a, 0)) && math.IsNaN(b)
	}
	figures := []float64{0, 1.0 / 3, -1e-300, 5e300, math.NaN(), math.Inf(1), math.Inf(-1)}
	for _, value := range figures {
		for _, low := range figures {
			e := Estimate{value, low, -low, 7}
			text, err := json.Marshal(e)
			var got Estimate
			if err = errors.Join(err, json.Unmarshal(text, &got)); err != nil || !same(e.Value, got.Value) || !same(e.Low, got.Low) || !same(e.High, got.High) || got.N != 7 {
				t.Errorf("%+v is written %s and read as %+v, %v", e, text, got, err)
			}
		}
		text, err := json.Marshal(NullFloat(value))
		var got NullFloat
		if err = errors.Join(err, json.Unmarshal(text, &got)); err != nil || !same(value, float64(got)) {
			t.Errorf("%v is written %s and read as %v, %v", value, text, got, err)
		}
	}
}

package report

import (
	"encoding/json"
	"math"
	"testing"
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

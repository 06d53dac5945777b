package report

import (
	"math"
	"strings"
	"testing"
)

// Every granularity has a picture of its own, with a mark for each move that can
// be compared.
func TestOutcomeViews(t *testing.T) {
	views, err := newOutcomeViews([]Outcome{
		{"row", 0.1, 0.2, true},
		{"bit", 5, 4, false},
		{"row", 0.2, -0.1, false},
		{"row", 0.3, 0.3, true},
		{"row", 0.4, math.NaN(), false},
		{"row", math.Inf(1), 0.1, true},
	})
	if err != nil || len(views) != 2 {
		t.Fatalf("%d views, %v", len(views), err)
	}
	rows, bits := views[0], views[1]
	if rows.Granularity != "row" || rows.Tried != 5 || rows.Kept != 3 || rows.Compared != 3 || rows.Rho != "0.50" {
		t.Errorf("rows: %+v", rows)
	}
	if bits.Granularity != "bit" || bits.Tried != 1 || bits.Kept != 0 || bits.Compared != 1 || bits.Rho != "not defined" {
		t.Errorf("bits: %+v", bits)
	}
	for i, want := range [][2]int{{2, 1}, {0, 1}} {
		svg := string(views[i].SVG)
		checkSVG(t, svg)
		if filled, hollow := dots(svg); filled != want[0] || hollow != want[1] {
			t.Errorf("%s: %d filled and %d hollow marks, want %v", views[i].Granularity, filled, hollow, want)
		}
		if n := strings.Count(svg, "stroke-dasharray:"); n != 1 {
			t.Errorf("%s: %d dashed lines, want that of equality", views[i].Granularity, n)
		}
	}
}

// Also of moves that all came to nothing, or that cannot be compared at all.
func TestOutcomesOfNothing(t *testing.T) {
	for _, outcomes := range [][]Outcome{{{"row", 0, 0, false}, {"row", 0, 0, false}}, {{"row", math.NaN(), 1, false}}} {
		views, err := newOutcomeViews(outcomes)
		if err != nil {
			t.Fatal(err)
		}
		checkSVG(t, string(views[0].SVG))
		if views[0].Rho != "not defined" {
			t.Errorf("%+v", views[0])
		}
	}
}

// A coefficient is not rounded to a perfect one.
func TestCorrelationText(t *testing.T) {
	for _, c := range []struct {
		r    float64
		want string
	}{{1, "1.00"}, {0.99996, "0.999"}, {0.994, "0.99"}, {-0.9951, "−0.995"}, {-1, "−1.00"}, {0.128, "0.13"}, {math.NaN(), "not defined"}} {
		if got := correlationText(c.r); got != c.want {
			t.Errorf("%v is %q, want %q", c.r, got, c.want)
		}
	}
}

package report

import (
	"math"
	"slices"
	"strings"
	"testing"

	"bankai/internal/chart"
)

func right(n int) *int { return &n }

// A dot marks each step that changed the patch; the line runs over the cost, to
// the last step.
func TestTrajectory(t *testing.T) {
	line, changed := trajectory([]Point{
		{Cost: 1},
		{Cost: 4, Fitness: 0.25, Flips: 1},
		{Cost: 8, Fitness: 0.25, Flips: 1},
		{Cost: 10, Fitness: 0.5, Flips: 2},
		{Cost: 11, Fitness: math.Inf(-1), Flips: 3},
		{Cost: 21, Fitness: 0.5, Flips: 3},
	})
	var at [][2]float64
	for _, p := range line {
		at = append(at, [2]float64{p.X, p.Y})
	}
	if want := [][2]float64{{1}, {4, 0.25}, {8, 0.25}, {10, 0.5}, {21, 0.5}}; !slices.Equal(at, want) {
		t.Errorf("line %v", line)
	}
	if want := []int{1, 3}; !slices.Equal(changed, want) {
		t.Errorf("changed at %v", changed)
	}
}

// Whatever a search comes to, there is a picture of it.
func TestTrajectoryView(t *testing.T) {
	for _, c := range []struct {
		what       string
		points     []Point
		validation int
		dots       int // of the fitness and of the validation
		panels     int
	}{
		{"a search that never started", []Point{{}}, 300, 0, 1},
		{"one without any finite fitness", []Point{{Fitness: math.NaN(), Kept: true}}, 300, 0, 1},
		{"one that found nothing", []Point{{}, {Step: 300, Cost: 200}}, 0, 0, 1},
		{"one that found something", []Point{{}, {Cost: 4, Fitness: 0.25, Flips: 1}, {Cost: 200, Fitness: 0.25, Flips: 1}}, 0, 1, 1},
		{"one that began from a patch", []Point{{Cost: 1, Fitness: -0.5, Flips: 41}, {Cost: 4, Fitness: 0.25, Flips: 40}}, 0, 1, 1},
		{"one that asked at the start alone", []Point{{Right: right(7)}, {Cost: 4}}, 9, 0, 1},
		{"one that asked, of a set of unknown size", []Point{{Right: right(7)}, {Cost: 4, Right: right(8)}}, 0, 0, 1},
		{"one that asked now and then", []Point{{Right: right(7)}, {Cost: 4, Flips: 1}, {Cost: 9, Flips: 2, Right: right(8)}}, 9, 2 + 2, 2},
		{"one that kept an earlier state", []Point{{Right: right(0)}, {Cost: 4, Flips: 1, Kept: true, Right: right(9)}, {Cost: 9, Flips: 2, Right: right(0)}}, 9, 2 + 3, 2},
	} {
		t.Run(c.what, func(t *testing.T) {
			v, err := newTrajectoryView(c.points, c.validation)
			if err != nil {
				t.Fatal(err)
			}
			svg := string(v.SVG)
			checkSVG(t, svg)
			if n, _ := dots(svg); n != c.dots {
				t.Errorf("%d dots, want %d", n, c.dots)
			}
			if n := 1 + strings.Count(svg, ">validation, % right</text>"); n != c.panels {
				t.Errorf("%d panels, want %d", n, c.panels)
			}
			if n := strings.Count(svg, ">kept</text>"); (n == 1) != (v.Kept != nil) {
				t.Errorf("%d marks, of %v", n, v.Kept)
			}
			if again, _ := newTrajectoryView(c.points, c.validation); again.SVG != v.SVG {
				t.Error("drawn again, it differs")
			}
		})
	}
	if v, err := newTrajectoryView(nil, 3); err != nil || v != (trajectoryView{}) {
		t.Errorf("of nothing: %+v, %v", v, err)
	}
}

// What the caption says of a search.
func TestTrajectoryCaption(t *testing.T) {
	v, err := newTrajectoryView([]Point{
		{Cost: 1, Seconds: 0.5, Right: right(169)},
		{Cost: 60, Seconds: 20, Right: right(201), Kept: true},
		{Cost: 1234.4, Seconds: 125, Right: right(190)},
	}, 300)
	if err != nil {
		t.Fatal(err)
	}
	if v.Cost != "1,234" || v.Time != "2 min 5 s" || v.Total != 300 || v.Start != 169 || v.Last != 190 || v.Kept.Cost != 60 {
		t.Errorf("got %+v", v)
	}
}

// A change by a few prompts does not fill the panel, and no share is beyond 0 or
// 100 %.
func TestValidationPanel(t *testing.T) {
	for _, c := range []struct{ first, last, low, high float64 }{
		{56, 57, 51.5, 61.5}, {99, 100, 90, 100}, {0, 1, 0, 10}, {40, 80, 40, 80},
	} {
		p := validationPanel([]chart.Point{bare(1, c.first), bare(2, c.last)})
		if !slices.Equal(p.HoldY, []float64{c.low, c.high}) {
			t.Errorf("%v to %v: from and to %v, want %v to %v", c.first, c.last, p.HoldY, c.low, c.high)
		}
	}
}

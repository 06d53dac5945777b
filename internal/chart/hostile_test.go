package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever was measured, there is a picture of it.
func TestHostile(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		what   string
		values []float64
	}{
		{"nothing", nil},
		{"one value", []float64{3}},
		{"zero", []float64{0}},
		{"no number", []float64{nan, nan}},
		{"infinite", []float64{inf, -inf}},
		{"some of both", []float64{1, nan, 2, inf, -inf, 3}},
		{"huge", []float64{-math.MaxFloat64, 1, math.MaxFloat64}},
		{"large", []float64{-1e100, 1e100}},
		{"tiny", []float64{math.SmallestNonzeroFloat64, 2 * math.SmallestNonzeroFloat64}},
		{"small", []float64{1e-100, 2e-100}},
		{"tiny beside large", []float64{1e-100, 1e100}},
		{"all alike", []float64{7, 7, 7}},
		{"nearly alike", []float64{1, math.Nextafter(1, 2)}},
		{"beyond the integers", []float64{1e18, 1e18 + 1000}},
		{"zero and below", []float64{0, -1, 5}},
		{"many", make([]float64, 100)},
	} {
		t.Run(c.what, func(t *testing.T) {
			for _, log := range []bool{false, true} {
				drawn(t, &Chart{Columns: 2, Panels: panelsOf(c.values, log)})
			}
		})
	}
}

// panelsOf draws the same values in every kind of panel.
func panelsOf(values []float64, log bool) []Panel {
	var points []Point
	var names []string
	for i, v := range values {
		points = append(points, Point{v, values[len(values)-1-i], values[i/2], v})
		names = append(names, fmt.Sprint("name ", i))
	}
	level := 0.0
	if len(values) > 0 {
		level = values[0]
	}
	series := []Series{
		{Name: "one", Points: points},
		{Name: "none", Dashed: true, Faint: true},
		{Name: "again", Points: points, Dashed: true, Steps: true, Marked: []int{}},
		{Name: "faint", Points: points, Faint: true},
	}
	bars := []BarSeries{{"one", points}, {"none", nil}, {"", points}}
	return []Panel{
		&Lines{X: "x", Y: "y", LogX: log, LogY: log, Series: series, Level: &level, LevelName: "level", At: &level, AtName: "at", HoldX: values, HoldY: values},
		&Scatter{X: "x", Y: "y", LogX: log, Series: series, Diagonal: true, Zero: true},
		&Scatter{X: "x", Y: "y", LogX: log, LogY: log, Series: series[:1], Diagonal: true},
		&Bars{Value: "v", Names: names, Series: bars, Horizontal: log, Level: &level},
		&Heat{Rows: names, Cols: []string{"a"}, Values: [][]float64{values, nil, values}, Diverging: log, LogColor: true},
		&Heat{Values: [][]float64{values}, Text: [][]string{{"x"}}, LogColor: log},
	}
}

// There are more series than colours and marks.
func TestManySeries(t *testing.T) {
	l := &Lines{X: "x", Y: "y"}
	for i := range 20 {
		l.Series = append(l.Series, Series{Name: fmt.Sprint("series ", i), Points: []Point{around(1, float64(i), 1), around(2, float64(i), 1)}})
	}
	svg, _ := drawn(t, &Chart{Panels: []Panel{l}})
	for i := range 20 {
		if !strings.Contains(svg, fmt.Sprintf(">series %d</text>", i)) {
			t.Errorf("series %d is not in the legend", i)
		}
	}
}

// A band takes the place of whiskers where points are many, and a line is cut
// where one is missing.
func TestBandAndGap(t *testing.T) {
	few := &Lines{Series: []Series{{Points: []Point{around(1, 1, 1), around(2, 2, 1), at(3, nan), around(4, 1, 1), around(5, 1, 1)}}}}
	many := &Lines{Series: []Series{{}}}
	for i := range 100 {
		many.Series[0].Points = append(many.Series[0].Points, around(float64(i), float64(i%7), 2))
	}
	for i, want := range []struct{ lines, whiskers, bands int }{{2, 3 * 4, 0}, {1, 0, 1}} {
		_, inline := drawn(t, &Chart{Panels: []Panel{[]Panel{few, many}[i]}})
		lines := strings.Count(inline, "stroke:var(--c1);stroke-width:1.8")
		whiskers := strings.Count(inline, "stroke:var(--c1);stroke-width:1.1")
		bands := strings.Count(inline, "fill:var(--c1);fill-opacity:0.2")
		if lines != want.lines || whiskers != want.whiskers || bands != want.bands {
			t.Errorf("%d lines, %d strokes of whiskers, %d bands, want %v", lines, whiskers, bands, want)
		}
	}
}

// Nothing is drawn outside the picture, whatever the figures, names and sizes.
func TestAnyChart(t *testing.T) {
	value := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-10, 10), rapid.SampledFrom([]float64{0, 1, nan, math.Inf(1), math.Inf(-1)}))
	rapid.Check(t, func(r *rapid.T) {
		values := rapid.SliceOfN(value, 0, 30).Draw(r, "values")
		name := rapid.String().Draw(r, "name")
		panels := panelsOf(values, rapid.Bool().Draw(r, "log"))
		c := &Chart{
			Title: name, Alt: name,
			Width:   rapid.OneOf(value, rapid.Float64Range(100, 900)).Draw(r, "width"),
			Columns: rapid.IntRange(-1, 4).Draw(r, "columns"),
			Panels:  panels[:rapid.IntRange(0, len(panels)).Draw(r, "panels")],
		}
		for _, p := range c.Panels {
			if h, ok := p.(*Heat); ok {
				h.Title, h.X, h.Height = name, name, rapid.OneOf(value, rapid.Float64Range(10, 500)).Draw(r, "height")
				h.Cols = []string{name, name}
			}
		}
		drawn(r, c)
		inside(r, c)
	})
}

// inside holds that areas and titles of a chart lie on its canvas.
func inside(t rapid.TB, c *Chart) {
	d, err := c.layout(&printed)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range d.tiles {
		if left := k.x + k.before; left < 0 || left+k.width > d.width+20 || k.height < 20 || k.y+k.above+k.height+k.below > d.height {
			t.Fatalf("panel %d at %v, %v of %v × %v in %v × %v", i, left, k.y, k.width, k.height, d.width, d.height)
		}
		for _, a := range []*axis{&k.frame.x, &k.frame.y} {
			if a.low >= a.high || !Finite(a.high-a.low) || len(a.ticks) > 1000 {
				t.Fatalf("panel %d: axis from %v to %v with %d ticks", i, a.low, a.high, len(a.ticks))
			}
		}
	}
}

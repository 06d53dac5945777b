package chart

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

func TestDescriptionIsEscaped(t *testing.T) {
	svg, err := Stack(100, 100, `"><script>$1`, NewPlot("x", "y"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(svg), `aria-label="&#34;&gt;&lt;script&gt;$1"`) {
		t.Errorf("begins with %.120s", svg)
	}
}

// Panels share their horizontal axis, however wide their labels are.
func TestPanelsAreAligned(t *testing.T) {
	narrow, wide := NewPlot("x", "y"), NewPlot("x", "y")
	AddLine(narrow, plotter.XYs{{X: 0, Y: 0}, {X: 7, Y: 1}}, Solid, plotter.NoStep)
	AddLine(wide, plotter.XYs{{X: 0, Y: 0}, {X: 7, Y: 1e-7}}, Solid, plotter.NoStep)
	svg, err := Stack(680, 400, "two panels", narrow, wide)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`<path d="M([\d.]+),[\d.-]+L([\d.]+),[\d.-]+" style="[^"]*stroke:var\(--accent\)`).FindAllStringSubmatch(string(svg), -1)
	if len(lines) != 2 || lines[0][1] != lines[1][1] || lines[0][2] != lines[1][2] {
		t.Errorf("the lines run from and to %q", lines)
	}
}

func TestOpen(t *testing.T) {
	for _, c := range []struct{ low, high, wantLow, wantHigh float64 }{
		{math.Inf(1), math.Inf(-1), 0, 1}, {0, 0, -0.5, 0.5}, {3, 3, 2.5, 3.5}, {-1, 2, -1, 2},
	} {
		a := plot.Axis{Min: c.low, Max: c.high}
		if Open(&a); a.Min != c.wantLow || a.Max != c.wantHigh {
			t.Errorf("%v to %v becomes %v to %v", c.low, c.high, a.Min, a.Max)
		}
	}
}

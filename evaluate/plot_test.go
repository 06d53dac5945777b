package evaluate

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// checkSVG holds for every picture: it has a description, takes its colours from
// the page, and has nothing in it that is no number.
func checkSVG(t *testing.T, svg string) {
	t.Helper()
	if !regexp.MustCompile(`^<svg role="img" aria-label="[^"]+"`).MatchString(svg) {
		t.Errorf("begins with %.80s", svg)
	}
	if m := regexp.MustCompile(`[^&]#-?\d+|NaN|Inf`).FindString(svg); m != "" {
		t.Errorf("has %q", m)
	}
}

// dots counts the filled and the hollow marks of a picture.
func dots(svg string) (filled, hollow int) {
	hollow = len(regexp.MustCompile(`<path d="[^"]*A[^"]*"\s*style="fill:none`).FindAllString(svg, -1))
	return strings.Count(svg, `style="fill:var(--accent)"`), hollow
}

func TestDescriptionIsEscaped(t *testing.T) {
	svg, err := drawSVG(100, 100, `"><script>$1`, newPanel("x", "y"))
	if err != nil {
		t.Fatal(err)
	}
	checkSVG(t, string(svg))
	if !strings.Contains(string(svg), `aria-label="&#34;&gt;&lt;script&gt;$1"`) {
		t.Errorf("begins with %.120s", svg)
	}
}

// Panels share their horizontal axis, however wide their labels are.
func TestPanelsAreAligned(t *testing.T) {
	narrow, wide := newPanel("x", "y"), newPanel("x", "y")
	addLine(narrow, plotter.XYs{{X: 0, Y: 0}, {X: 7, Y: 1}}, solidLine, plotter.NoStep)
	addLine(wide, plotter.XYs{{X: 0, Y: 0}, {X: 7, Y: 1e-7}}, solidLine, plotter.NoStep)
	svg, err := drawSVG(680, 400, "two panels", narrow, wide)
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
		if open(&a); a.Min != c.wantLow || a.Max != c.wantHigh {
			t.Errorf("%v to %v becomes %v to %v", c.low, c.high, a.Min, a.Max)
		}
	}
}

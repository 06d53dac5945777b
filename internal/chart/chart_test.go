package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// texts are what an SVG document says, in order; a document that is no XML fails
// the test.
func texts(t rapid.TB, doc string) (all []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in\n%.2000s", err, doc)
		}
		if data, ok := token.(xml.CharData); ok {
			if s := strings.TrimSpace(string(data)); s != "" {
				all = append(all, s)
			}
		}
	}
}

// drawn is a chart as a document and as an element, after a look at what is true
// of every one.
func drawn(t rapid.TB, c *Chart) (svg, inline string) {
	t.Helper()
	var docs [2]strings.Builder
	for i := range docs {
		if err := c.SVG(&docs[i]); err != nil {
			t.Fatal(err)
		}
	}
	svg = docs[0].String()
	if svg != docs[1].String() {
		t.Error("drawn again, it differs")
	}
	element, err := c.Inline()
	if err != nil {
		t.Fatal(err)
	}
	inline = string(element)
	texts(t, svg)
	texts(t, inline)
	for what, doc := range map[string]string{"the document": svg, "the element": inline} {
		if m := numbers.FindString(doc); m != "" {
			t.Errorf("%s has %q", what, m)
		}
	}
	if m := leftOver.FindString(inline); m != "" {
		t.Errorf("the element has %q", m)
	}
	return svg, inline
}

// A chart names the font of the widths that it was laid out for, wherever it stands.
func TestFont(t *testing.T) {
	for _, c := range samples() {
		svg, inline := drawn(t, c)
		for _, doc := range []string{svg, inline} {
			if n := strings.Count(doc, `style="font-family:Liberation Sans,Arimo,Arial,Helvetica,sans-serif"`); n != 1 || strings.Count(doc, "font-family") != 1 {
				t.Errorf("%s: begins with %.200s", c.Name, doc)
			}
		}
	}
}

// leftOver finds colours that are no property of the page, and names that would
// collide with those of another picture there.
var leftOver = regexp.MustCompile(`style="[^"]*#[^"]*"|<[^>]* id=`)

// numbers finds in attributes what is no number.
var numbers = regexp.MustCompile(`(="[^"]*|[,:( ])[+-]?(NaN|Inf)\b[^<]*>`)

// Every name, label and cell of an ordinary chart can be read.
func TestSamples(t *testing.T) {
	for _, c := range samples() {
		t.Run(c.Name, func(t *testing.T) {
			svg, inline := drawn(t, c)
			for _, doc := range []string{svg, inline} {
				said := texts(t, doc)
				for _, want := range append(labels(c), c.Title) {
					if !slices.Contains(said, want) {
						t.Errorf("says nothing of %q", want)
					}
				}
			}
			if said := texts(t, svg); said[0] != c.Title || said[1] != c.Alt {
				t.Errorf("is called %q", said[:2])
			}
			if !strings.HasPrefix(inline, `<svg role="img" aria-label="`+c.Alt+`"`) {
				t.Errorf("begins with %.100s", inline)
			}
		})
	}
}

// labels are the texts of a chart's panels.
func labels(c *Chart) (all []string) {
	for _, p := range c.Panels {
		switch p := p.(type) {
		case *Lines:
			all = append(all, p.Title, p.X, p.Y, p.LevelName)
			for _, s := range p.Series {
				all = append(all, s.Name)
			}
		case *Scatter:
			all = append(all, p.Title, p.X, p.Y)
			for _, s := range p.Series {
				all = append(all, s.Name)
			}
		case *Bars:
			all = append(append(all, p.Title, p.Value), p.Names...)
		case *Heat:
			all = append(append(append(all, p.Title, p.X, p.Y), p.Rows...), p.Cols...)
			for _, row := range p.texts() {
				all = append(all, slices.Concat(row...)...)
			}
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// Texts may have any characters: those of markup are escaped, those that XML
// cannot hold are replaced, and none is taken for a colour or a font.
func TestTexts(t *testing.T) {
	name := `a<b & "c" fill:#010203 font-family:x`
	c := &Chart{Title: name, Alt: "two\nlines \x00", Panels: []Panel{
		&Lines{X: name, Y: name, Series: []Series{{Name: name}, {Name: "\xff"}}},
		&Heat{Rows: []string{name}, Cols: []string{"n"}, Values: [][]float64{{1}}, Text: [][]string{{`<"&>`}}},
	}}
	svg, inline := drawn(t, c)
	for _, want := range []string{name, `<"&>`, "\ufffd"} {
		if !slices.Contains(texts(t, svg), want) || !slices.Contains(texts(t, inline), want) {
			t.Errorf("says nothing of %q", want)
		}
	}
	if !strings.Contains(inline, "aria-label=\"two lines \ufffd\"") {
		t.Errorf("begins with %.100s", inline)
	}
}

// The areas of a column begin at the same place, those of a row end at the same
// height, and panels do not overlap.
func TestGrid(t *testing.T) {
	d, err := ablation().layout(&printed)
	if err != nil {
		t.Fatal(err)
	}
	k := d.tiles
	if k[0].x+k[0].before != k[2].x+k[2].before || k[1].x+k[1].before != k[3].x+k[3].before {
		t.Error("columns are not aligned")
	}
	for i, right := range map[int]int{0: 1, 2: 3} {
		if k[i].y+k[i].above != k[right].y+k[right].above || k[i].height != k[right].height {
			t.Error("rows are not aligned")
		}
		if k[i].x+k[i].before+k[i].width >= k[right].x {
			t.Error("panels overlap")
		}
	}
	if end := k[0].y + k[0].above + k[0].height + k[0].below; end >= k[2].y {
		t.Errorf("the first row ends at %v, the second begins at %v", end, k[2].y)
	}
	if len(d.keys) != 1 || len(d.keys[0]) != 3 || len(k[0].legend) != 0 {
		t.Errorf("a legend of %v and others", d.keys)
	}
}

func TestNoPanel(t *testing.T) {
	if svg, _ := drawn(t, &Chart{Title: "nothing"}); !slices.Contains(texts(t, svg), "nothing") {
		t.Error("the title is missing")
	}
	err := (&Chart{Name: "gap", Panels: []Panel{&Heat{}, nil}}).SVG(io.Discard)
	if err == nil || err.Error() != "chart gap: panel 2 of 2 is nil: leave it out" {
		t.Errorf("got %v", err)
	}
}

// A panel is as high as it is asked to be.
func TestHeight(t *testing.T) {
	for _, p := range []Panel{&Lines{Title: "t", X: "x", Height: 321}, &Bars{Names: []string{"a"}, Height: 321}, &Heat{Rows: []string{"a"}, Cols: []string{"b"}, Height: 321}, &Scatter{Height: 321}} {
		d, err := (&Chart{Panels: []Panel{p}}).layout(&printed)
		if err != nil {
			t.Fatal(err)
		}
		if k := d.tiles[0]; d.height != 321+2*margin || k.above+k.height+k.below != 321 {
			t.Errorf("%T: %v in a chart of %v", p, k.above+k.height+k.below, d.height)
		}
	}
}

// A line in steps stays level up to the next point; an upright line is named on the
// side that has room, and marks are where they are asked for.
func TestStepsAndUprightLine(t *testing.T) {
	for _, c := range []struct {
		at   float64
		side string
	}{{1, ""}, {9.5, ";text-anchor:end"}} {
		l := &Lines{HoldX: []float64{0, 10}, At: &c.at, AtName: "kept", Series: []Series{{
			Points: []Point{{X: 0, Y: 0, Low: nan, High: nan}, {X: 5, Y: 1, Low: nan, High: nan}, {X: 10, Y: 2, Low: nan, High: nan}},
			Steps:  true, Marked: []int{1},
		}}}
		_, inline := drawn(t, &Chart{Panels: []Panel{l}})
		line := regexp.MustCompile(`<path d="M([^"]*)" style="fill:none;stroke:var\(--c1\);stroke-width:1.8"/>`).FindStringSubmatch(inline)
		if line == nil {
			t.Fatal("there is no line")
		}
		var xs, ys []string
		for _, s := range strings.Split(line[1], "L") {
			x, y, _ := strings.Cut(s, ",")
			xs, ys = append(xs, x), append(ys, y)
		}
		if len(xs) != 5 || ys[0] != ys[1] || xs[1] != xs[2] || ys[2] != ys[3] || xs[3] != xs[4] {
			t.Errorf("the line goes %s", line[1])
		}
		if n := strings.Count(inline, "<circle"); n != 1 {
			t.Errorf("%d marks, want 1", n)
		}
		if !strings.Contains(inline, c.side+`">kept</text>`) {
			t.Errorf("at %v: no name with %q", c.at, c.side)
		}
	}
}

package chart

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What is written in cells can be read: it stands in all of them, in lines, no smaller than
// is readable; where one of them has no room, in none.
func TestHeatIsReadable(t *testing.T) {
	sized := regexp.MustCompile(`font-size:([0-9.]+)px[^>]*>([^<]*)<`)
	for _, c := range []struct {
		names int
		width float64
		text  string
		fits  bool
	}{
		{2, 640, "−2041\np 1e−123", true},
		{11, 170 + 52*11, "−2041\np 1e−123", true},
		{30, 170 + 52*30, "+58\np 0.0093", true},
		{30, 640, "+58\np 0.0093", false},
	} {
		h := &Heat{}
		for i := range c.names {
			name := "published-" + strconv.Itoa(i)
			h.Rows, h.Cols = append(h.Rows, name), append(h.Cols, name)
			h.Values, h.Text = append(h.Values, make([]float64, c.names)), append(h.Text, make([]string, c.names))
			for j := range c.names {
				h.Values[i][j], h.Text[i][j] = float64(i-j), "0"
			}
		}
		h.Text[0][c.names-1] = c.text
		var svg strings.Builder
		if err := (&Chart{Width: c.width, Panels: []Panel{h}}).SVG(&svg); err != nil {
			t.Fatal(err)
		}
		written := map[string]int{}
		for _, m := range sized.FindAllStringSubmatch(svg.String(), -1) {
			if size, _ := strconv.ParseFloat(m[1], 64); size < cellReadable {
				t.Errorf("%d names: %q has %s px", c.names, m[2], m[1])
			}
			written[m[2]]++
		}
		lines, zeros := strings.Split(c.text, "\n"), c.names*c.names-1
		if !c.fits {
			zeros = 0
		}
		if written["0"] != zeros || (written[lines[0]] == 1) != c.fits || (written[lines[1]] == 1) != c.fits {
			t.Errorf("%d names in %v points: %v", c.names, c.width, written)
		}
	}
}

package chart

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// property is the colour of a custom property in a part of the style sheet.
func property(t *testing.T, css, name string) ink {
	t.Helper()
	m := regexp.MustCompile(name + `: #([0-9a-f]{6});`).FindStringSubmatch(css)
	if m == nil {
		t.Fatalf("%s is not defined in %s", name, css)
	}
	v, err := strconv.ParseUint(m[1], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return hex(uint32(v))
}

// Every property that a picture uses has a value in light and in dark.
func TestStyle(t *testing.T) {
	light, dark, _ := strings.Cut(Style, "@media (prefers-color-scheme: dark)")
	used := map[string]bool{}
	for _, c := range samples() {
		_, inline := drawn(t, c)
		for _, m := range regexp.MustCompile(`var\((--[\w-]+)\)`).FindAllStringSubmatch(inline, -1) {
			used[m[1]] = true
			property(t, light, m[1])
			property(t, dark, m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(--[\w-]+):`).FindAllStringSubmatch(light, -1) {
		if name := m[1]; !used[name] && !strings.HasPrefix(name, "--c") {
			t.Errorf("no sample uses %s", name)
		}
	}
}

// A colour says how opaque it is where it is not wholly.
func TestInk(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{hex(0x0a0b0c).fill(), "fill:#0a0b0c"},
		{hex(0x0a0b0c).faded(0.2).stroke(), "stroke:#0a0b0c;stroke-opacity:0.2"},
		{custom("c1").faded(1.0 / 3).fill(), "fill:var(--c1);fill-opacity:0.33"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// contrast is the ratio of two colours' luminances as the Web Content
// Accessibility Guidelines 2.1 define it; over is drawn on under.
func contrast(over, under [3]float64) float64 {
	luminance := func(c [3]float64) float64 {
		sum := 0.0
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			v := c[i] / 255
			if v <= 0.03928 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			sum += weight * v
		}
		return sum
	}
	a, b := luminance(over), luminance(under)
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

func blend(k ink, under [3]float64) (c [3]float64) {
	var rgb [3]uint8
	if _, err := fmt.Sscanf(k.color, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		panic(err)
	}
	for i, v := range rgb {
		c[i] = k.opacity*float64(v) + (1-k.opacity)*under[i]
	}
	return c
}

// The text of a cell can be read, however hot it is, on paper and on a page in
// light and dark; series stand out from what they are drawn on.
func TestContrast(t *testing.T) {
	light, dark, _ := strings.Cut(Style, "@media")
	page := func(css string) theme {
		th := theme{text: property(t, css, "--ink"), low: property(t, css, "--heat-low"), high: property(t, css, "--heat-high"), over: property(t, css, "--heat-text")}
		for i := range th.series {
			th.series[i] = property(t, css, fmt.Sprint("--c", i+1))
		}
		return th
	}
	for _, c := range []struct {
		what  string
		theme theme
		paper [3]float64
	}{
		{"on paper", printed, [3]float64{255, 255, 255}},
		{"light", page(light), [3]float64{255, 255, 255}},
		{"dark", page(dark), [3]float64{0x1e, 0x1d, 0x1c}},
	} {
		for i := -100; i <= 100; i++ {
			level := float64(i) / 100
			cell := blend(c.theme.heat(level), c.paper)
			if got := contrast(blend(c.theme.on(level), cell), cell); got < 4 {
				t.Errorf("%s, heat %v: contrast %.2f", c.what, level, got)
			}
		}
		for i, k := range c.theme.series {
			if got := contrast(blend(k, c.paper), c.paper); got < 2 {
				t.Errorf("%s, series %d: contrast %.2f", c.what, i+1, got)
			}
		}
	}
}

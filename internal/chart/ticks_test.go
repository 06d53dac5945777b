package chart

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func labelsOf(ticks []tick) string {
	var all []string
	for _, t := range ticks {
		all = append(all, t.label)
	}
	return strings.Join(all, " ")
}

func TestLinearTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		n         int
		want      string
	}{
		{0, 1, 5, "0 0.2 0.4 0.6 0.8 1.0"},
		{-0.3, 0.21, 5, "−0.3 −0.2 −0.1 0 0.1 0.2"},
		{-7, 12, 4, "−5 0 5 10"},
		{0, 9000, 4, "0 2000 4000 6000 8000"},
		{0, 52000, 5, "0 10k 20k 30k 40k 50k"},
		{0, 1.1e6, 5, "0 0.2M 0.4M 0.6M 0.8M 1M"},
		{2.5e9, 2.51e9, 2, "2500M 2505M 2510M"},
		{1234567, 1234570, 3, "1234567 1234568 1234569 1234570"},
		{0, 4e-5, 4, "0 1e−5 2e−5 3e−5 4e−5"},
		{1.5e24, 3.5e24, 2, "2e24 3e24"},
	} {
		if got := labelsOf(linearTicks(c.low, c.high, c.n)); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.low, c.high, got, c.want)
		}
	}
}

func TestLogTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		n         int
		want      string
	}{
		{0.9, 1.1e6, 8, "1 10 100 1k 10k 100k 1M"},
		{0.9, 1.1e6, 14, "1 3 10 30 100 300 1k 3k 10k 30k 100k 300k 1M"},
		{0.0001, 0.1, 6, "1e−4 0.001 0.01 0.1"},
		{5, 130, 6, "5 10 20 50 100"},
		{21, 29, 5, "22 24 26 28"},
		{1e-10, 1e10, 5, "1e−10 1e−5 1 100k 10G"},
	} {
		if got := labelsOf(logTicks(c.low, c.high, c.n)); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.low, c.high, got, c.want)
		}
	}
}

func TestShort(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want string
	}{
		{0, "0"},
		{1, "1"},
		{-0.5, "−0.5"},
		{0.12345, "0.123"},
		{12.345, "12.3"},
		{999.4, "999"},
		{999.6, "1k"},
		{1234, "1.23k"},
		{-51234, "−51.2k"},
		{999999, "1M"},
		{1.5e12, "1.5T"},
		{0.001, "0.001"},
		{0.00012345, "1.23e−4"},
		{2e-5, "2e−5"},
		{1e20, "1e20"},
		{math.Inf(1), "∞"},
		{math.Inf(-1), "−∞"},
		{math.NaN(), ""},
	} {
		if got := short(c.v); got != c.want {
			t.Errorf("%v is %q, want %q", c.v, got, c.want)
		}
	}
}

// On any axis the ticks are in order, within its range, and few; no two have the
// same label, and labels below an axis do not touch.
func TestAnyAxis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exponents := rapid.Float64Range(-99, 99)
		log := rapid.Bool().Draw(t, "log")
		values := []float64{math.Pow(10, exponents.Draw(t, "one")), math.Pow(10, exponents.Draw(t, "other"))}
		if !log && rapid.Bool().Draw(t, "below 0") {
			values[0] = -values[0]
		}
		a := continuous("", log, values)
		a.vertical = rapid.Bool().Draw(t, "vertical")
		length := rapid.Float64Range(100, 800).Draw(t, "length")
		a.fit(length, 0)
		if len(a.ticks) < 1 || len(a.ticks) < 2 && a.vertical && !log || len(a.ticks) > 40 {
			t.Fatalf("%v to %v has the ticks %v", a.low, a.high, a.ticks)
		}
		for i, k := range a.ticks {
			if k.at < a.low*(1-1e-6) && k.at < a.low*(1+1e-6) || i > 0 && (a.ticks[i-1].at >= k.at || a.ticks[i-1].label == k.label) {
				t.Fatalf("%v to %v has the ticks %v", a.low, a.high, a.ticks)
			}
		}
		if !a.vertical && !a.apart(length) {
			t.Fatalf("%v to %v: the labels of %v touch", a.low, a.high, a.ticks)
		}
	})
}

// Names that are too wide for their places are turned; where there is no room
// even for that, some are left out; none is wider than it may be.
func TestNames(t *testing.T) {
	names := []string{"gate_proj", "up_proj", "a name that nobody would give to a projection of anything"}
	for _, c := range []struct {
		length   float64
		vertical bool
		turned   bool
		ticks    int
	}{{2000, false, false, 3}, {120, false, true, 3}, {20, false, true, 2}, {60, true, false, 3}, {20, true, false, 2}} {
		a := categories("", names, len(names))
		a.vertical = c.vertical
		a.fit(c.length, 90)
		if a.turned != c.turned || len(a.ticks) != c.ticks {
			t.Errorf("%+v: turned %v, %v", c, a.turned, a.ticks)
		}
		if most := a.room(); c.vertical && most > 90 || c.turned && most > mostTurned {
			t.Errorf("%+v: a label of %v points", c, most)
		}
	}
}

func TestFold(t *testing.T) {
	text := "held-out prompts that the patched model answers right"
	lines := fold(text, labelFont, 120)
	if len(lines) < 2 || strings.Join(lines, " ") != text || widest(lines, labelFont) > 120 {
		t.Errorf("folded to %q", lines)
	}
	if got := fold("Donaudampfschifffahrt", labelFont, 40); len(got) != 1 || !strings.HasSuffix(got[0], "…") || widthOf(got[0], labelFont) > 40 {
		t.Errorf("cut to %q", got)
	}
	if got := fold(" a\n\tb ", labelFont, 100); !slices.Equal(got, []string{"a b"}) {
		t.Errorf("folded to %q", got)
	}
}

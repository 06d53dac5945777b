package chart

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// said is what a label says.
func said(t rapid.TB, label string) float64 {
	t.Helper()
	s, scale := strings.ReplaceAll(label, "−", "-"), 1.0
	for letter, by := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} {
		if cut, ok := strings.CutSuffix(s, letter); ok {
			s, scale = cut, by
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("%q is no number: %v", label, err)
	}
	return v * scale
}

// ranges are of any size, at any place.
func ranges(t *rapid.T) (low, high float64) {
	size := math.Pow(10, rapid.Float64Range(-8, 12).Draw(t, "size"))
	low = size * rapid.Float64Range(-20, 20).Draw(t, "low")
	return low, low + size
}

// A mark stands where its label says, and marks are a round step apart.
func TestTicksStandWhereTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low, high := ranges(t)
		ticks := linearTicks(low, high, rapid.IntRange(1, 12).Draw(t, "n"))
		step := ticks[1].at - ticks[0].at
		if m := step / math.Pow10(int(math.Floor(math.Log10(step)+1e-9))); math.Abs(m-1)*math.Abs(m-2)*math.Abs(m-5) > 1e-5 {
			t.Errorf("a step of %v", step)
		}
		for i, k := range ticks {
			if v := said(t, k.label); math.Abs(v-k.at) > 1e-6*step {
				t.Errorf("%q stands at %v, a step is %v", k.label, k.at, step)
			}
			if i > 0 && math.Abs(k.at-ticks[i-1].at-step) > 1e-6*step {
				t.Errorf("between %q and %q there is no step of %v", ticks[i-1].label, k.label, step)
			}
		}
	})
}

// What is marked does not depend on which way the axis runs.
func TestTicksAreMirrored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low, high := ranges(t)
		n := rapid.IntRange(1, 12).Draw(t, "n")
		there, back := linearTicks(low, high, n), linearTicks(-high, -low, n)
		slices.Reverse(back)
		for i := range back {
			back[i].at = -back[i].at
			if label, ok := strings.CutPrefix(back[i].label, "−"); ok {
				back[i].label = label
			} else if back[i].label != "0" {
				back[i].label = "−" + back[i].label
			}
		}
		if !slices.Equal(there, back) {
			t.Errorf("%v to %v: %v, mirrored %v", low, high, there, back)
		}
	})
}

// A short number is within half of its third digit of the number, and has no more
// digits; its sign is that of the number.
func TestShortIsNear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := math.Pow(10, rapid.Float64Range(-30, 30).Draw(t, "size"))
		label, minus := short(v), short(-v)
		if got := said(t, label); math.Abs(got-v) > 0.0050001*v {
			t.Errorf("%v is written %s", v, label)
		}
		digits, _, _ := strings.Cut(label, "e")
		if n := len(strings.Trim(strings.Map(onlyDigits, digits), "0")); n > 3 {
			t.Errorf("%v is written %s", v, label)
		}
		if minus != "−"+label {
			t.Errorf("%v is written %s, its negative %s", v, label, minus)
		}
	})
}

func onlyDigits(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

// Powers of ten are marked where they lie, whatever else is.
func TestLogTicksStandWhereTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := math.Pow(10, rapid.Float64Range(-12, 12).Draw(t, "low"))
		high := low * math.Pow(10, rapid.Float64Range(0.2, 12).Draw(t, "decades"))
		n := rapid.IntRange(3, 12).Draw(t, "n")
		ticks := logTicks(low, high, n)
		for i, k := range ticks {
			if v := said(t, k.label); math.Abs(v-k.at) > 0.0050001*k.at {
				t.Errorf("%q stands at %v", k.label, k.at)
			}
			if i > 0 && k.at <= ticks[i-1].at {
				t.Errorf("%v to %v: %v", low, high, ticks)
			}
		}
		if first, last := ticks[0].at, ticks[len(ticks)-1].at; first < low*(1-1e-6) || last > high*(1+1e-6) {
			t.Errorf("%v to %v is marked from %v to %v", low, high, first, last)
		}
	})
}

// A text that is folded into lines is the same text: no line is too wide, and none
// could have taken the next line's first word.
func TestFoldKeepsTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zé]{1,7}`), 1, 12).Draw(t, "words")
		width := rapid.Float64Range(80, 300).Draw(t, "width")
		lines := fold(strings.Join(words, " "), labelFont, width)
		if got := strings.Fields(strings.Join(lines, " ")); !slices.Equal(got, words) {
			t.Fatalf("%q in %v is %q", words, width, lines)
		}
		for i, line := range lines {
			if widthOf(line, labelFont) > width {
				t.Errorf("%q is wider than %v", line, width)
			}
			if i > 0 {
				next, _, _ := strings.Cut(line, " ")
				if both := lines[i-1] + " " + next; widthOf(both, labelFont) <= width-1 {
					t.Errorf("%q has room for %q in %v", lines[i-1], next, width)
				}
			}
		}
	})
}

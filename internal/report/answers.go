package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/measure"
)

// group is answers that fared alike, for one section of the page.
type group struct {
	Class, Name string
	Remark      string
	First       []measure.Output // shown at once
	More        []measure.Output // behind a click
}

// openRows is how many of the answers that were fixed are shown at once.
const openRows = 12

// answerGroups splits the outputs that did not break: fixed, then those that
// stayed what they were.
func answerGroups(r *measure.Result) []group {
	groups := []group{
		{Class: "fixed", Name: "Fixed", Remark: "wrong before, right after"},
		{Class: "stayed", Name: "Stayed right", Remark: "right before and after"},
		{Class: "stayed", Name: "Stayed wrong", Remark: "wrong before and after"},
	}
	for _, o := range r.Outputs {
		switch {
		case o.Broke():
		case o.Fixed() && len(groups[0].First) < openRows:
			groups[0].First = append(groups[0].First, o)
		case o.Fixed():
			groups[0].More = append(groups[0].More, o)
		case o.RightAfter:
			groups[1].More = append(groups[1].More, o)
		default:
			groups[2].More = append(groups[2].More, o)
		}
	}
	return groups
}

// brokenGroup is what broke in a category.
type brokenGroup struct {
	namedCounts
	Outputs []measure.Output
}

// brokenByCategory lists all answers that broke, the category that lost most
// first.
func brokenByCategory(r *measure.Result) []brokenGroup {
	var groups []brokenGroup
	for _, name := range r.Categories() {
		if r.ByCategory[name].Broke == 0 {
			continue
		}
		g := brokenGroup{namedCounts: namedCounts{CategoryName(name), r.ByCategory[name]}}
		for _, o := range r.Outputs {
			if o.Category == name && o.Broke() {
				g.Outputs = append(g.Outputs, o)
			}
		}
		groups = append(groups, g)
	}
	slices.SortStableFunc(groups, func(a, b brokenGroup) int { return cmp.Compare(len(b.Outputs), len(a.Outputs)) })
	return groups
}

// Total is the number of answers in the group.
func (g group) Total() int { return len(g.First) + len(g.More) }

// Interval is a share with its 95 % interval (Wilson's), in per cent to a tenth, for a
// drawn mark; what a tenth would make nothing or everything has more digits.
type Interval struct {
	Low  float64 `json:"low"`
	At   float64 `json:"at"`
	High float64 `json:"high"`
}

// Width is the interval's, in per cent.
func (i Interval) Width() float64 { return i.High - i.Low }

// String says it in words: 71.4 % (60.2 to 80.4), 0.0 % (0.0 to 0.04).
func (i Interval) String() string {
	return fmt.Sprintf("%s %% (%s to %s)", percentText(i.At), percentText(i.Low), percentText(i.High))
}

func newInterval(right, total int) Interval {
	low, high := stats.Wilson(right, total)
	return Interval{inPercent(low), inPercent(float64(right) / float64(max(total, 1))), inPercent(high)}
}

// inPercent rounds a share to tenths of a per cent. One that would be none or all by that,
// and is not, has the first digit that tells.
func inPercent(share float64) float64 {
	if percent := math.Round(1000*share) / 10; 0 < percent && percent < 100 {
		return percent
	}
	for scale := 1000.0; scale <= 1e9; scale *= 10 {
		if x := math.Round(share * scale); 0 < x && x < scale {
			return float64(100*x) / scale
		}
	}
	return float64(100 * math.Round(share))
}

// percentText writes it with a digit behind the point, or as many as it has.
func percentText(percent float64) string {
	if text := strconv.FormatFloat(percent, 'f', -1, 64); percent != math.Round(10*percent)/10 {
		return text
	}
	return strconv.FormatFloat(percent, 'f', 1, 64)
}

// segment is a part of the bar that shows what became of all answers.
type segment struct {
	Class, Name string
	Count       int
}

func newBar(r *measure.Result) []segment {
	return []segment{
		{Class: "right", Name: "stayed right", Count: r.StayedRight},
		{Class: "fixed", Name: "fixed", Count: len(r.Fixed)},
		{Class: "broke", Name: "broke", Count: len(r.Broke)},
		{Class: "wrong", Name: "stayed wrong", Count: r.StayedWrong},
	}
}

// answerText shows what was generated, and that nothing was if so.
func answerText(s string) string {
	if strings.TrimSpace(s) == "" {
		return "(nothing)"
	}
	return strings.TrimSpace(s)
}

func thousandsOf(n any) string {
	switch n := n.(type) {
	case int:
		return text.Thousands(int64(n))
	case int64:
		return text.Thousands(n)
	case uint64:
		return text.Thousands(int64(n))
	}
	return fmt.Sprint(n)
}

// plural says "1 flip" or "4,096 flips".
func plural(n any, noun string) string {
	s := thousandsOf(n)
	if s != "1" {
		noun += "s"
	}
	return s + " " + noun
}

// namedCounts is a row of the table of categories.
type namedCounts struct {
	Name string
	measure.Counts
}

// categoryRows are the rows of the categories, if there are several, and of the
// whole.
func categoryRows(r *measure.Result) []namedCounts {
	var rows []namedCounts
	if names := r.Categories(); len(names) > 1 {
		for _, name := range names {
			rows = append(rows, namedCounts{CategoryName(name), r.ByCategory[name]})
		}
	}
	return append(rows, namedCounts{"all", r.Counts()})
}

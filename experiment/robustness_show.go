package experiment

import (
	"fmt"
	"math"
	"strings"

	"bankai/internal/chart"
	"bankai/internal/text"
)

// littleChange is the published bound: a ratio of perplexities within 1 %.
const littleChange = 0.01

// Present implements Result.
func (x *Robustness) Present() *Presentation {
	return &Presentation{
		Title: "Perplexity under random flips",
		Purpose: "Sign bits drawn at random are flipped, and the perplexity of a text is measured: how much noise the model bears. " +
			"It repeats the published experiment 1: 500,000 flips among the 5.4 billion MLP bits of Bonsai 8B, 0.009 %, changed the perplexity of 5 sentences by less than 1 %. " +
			"A ratio of 1 is no change. Curves differ in what is drawn from, in the pieces that are flipped, and in their scale.",
		Findings: x.findings(),
		Tables:   []Table{x.table(), x.limits()},
		Charts:   []chart.Chart{x.chart()},
		Notes:    x.notes(),
	}
}

// name tells a curve from the others.
func (c *FlipCurve) name() string {
	if c.Scale == "any" {
		return c.Where + ", " + c.Granularity
	}
	return c.Where + ", " + c.Granularity + ", " + c.Scale + " scale"
}

// share is that of the bits which are flipped at a point.
func (c *FlipCurve) share(p FlipPoint) float64 { return p.Bits / float64(c.Bits) }

// harmless is the last point up to which all ratios' intervals are within the
// published bound, nil if the first is not.
func (c *FlipCurve) harmless() (last *FlipPoint) {
	for i, p := range c.Points {
		if !(p.Ratio.Low > 1-littleChange && p.Ratio.High < 1+littleChange) {
			break
		}
		last = &c.Points[i]
	}
	return last
}

func percent(share float64) string { return text.Digits(100*share) + " %" }

// findings tells how far the first curve stays flat, and the others beside it.
func (x *Robustness) findings() []string {
	first := &x.Curves[0]
	said := "even the fewest change the perplexity by 1 % or more, or may"
	if p := first.harmless(); p != nil {
		said = fmt.Sprintf("up to %s bits, %s of them, change the perplexity by less than 1 %%: %s times as much",
			thousands(uint64(math.Round(p.Bits))), percent(first.share(*p)), CellText(p.Ratio))
	}
	out := []string{fmt.Sprintf("%s: %s. Published of the 8B's MLP, by bits: 500,000 of them, 0.009 %%.", first.name(), said)}
	var rest []string
	none := 0
	for i := range x.Curves[1:] {
		c := &x.Curves[i+1]
		if p := c.harmless(); p != nil {
			rest = append(rest, fmt.Sprintf("%s: %s", c.name(), percent(c.share(*p))))
		} else {
			none++
		}
	}
	if none > 0 {
		rest = append(rest, fmt.Sprintf("of %d of the %d other curves, not even the fewest", none, len(x.Curves)-1))
	}
	if len(rest) > 0 {
		out = append(out, "By the same measure: "+strings.Join(rest, "; ")+".")
	}
	if worst := x.worst(); worst != "" {
		out = append(out, worst)
	}
	return out
}

// worst compares the curves at their largest amounts.
func (x *Robustness) worst() string {
	var most *FlipCurve
	var at FlipPoint
	for i := range x.Curves {
		c := &x.Curves[i]
		if p := c.Points[len(c.Points)-1]; most == nil || p.Ratio.Value > at.Ratio.Value {
			most, at = c, p
		}
	}
	if len(x.Curves) == 1 {
		return fmt.Sprintf("With %s of the bits the perplexity is %s times as much.", percent(most.share(at)), CellText(at.Ratio))
	}
	return fmt.Sprintf("At the largest amounts, %s is hurt most: with %s of the bits the perplexity is %s times as much.",
		most.name(), percent(most.share(at)), CellText(at.Ratio))
}

func (x *Robustness) table() Table {
	t := Table{
		Name: "robustness", Caption: "Perplexity by the number of flips",
		Columns: []string{"where", "granularity", "scale", "pieces", "bits", "share of bits, %", "perplexity", "ratio"},
	}
	for _, c := range x.Curves {
		for _, p := range c.Points {
			t.Rows = append(t.Rows, []any{c.Where, c.Granularity, c.Scale, int(p.Pieces), p.Bits, 100 * c.share(p), p.Perplexity, p.Ratio})
		}
	}
	return t
}

// limits is how far each curve stays within the published bound.
func (x *Robustness) limits() Table {
	t := Table{
		Name: "robustness-limits", Caption: "The most flips that change the perplexity by less than 1 %, intervals included",
		Columns: []string{"where", "granularity", "scale", "bits", "share of bits, %", "ratio"},
	}
	for _, c := range x.Curves {
		row := []any{c.Where, c.Granularity, c.Scale, nil, nil, nil}
		if p := c.harmless(); p != nil {
			row[3], row[4], row[5] = p.Bits, 100*c.share(*p), p.Ratio
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// chart has a panel for each thing that is varied, or for each part of the model
// if all is combined.
func (x *Robustness) chart() chart.Chart {
	out := chart.Chart{
		Name: "robustness", Title: "Perplexity under random flips", Columns: 1,
		Alt: "The ratio of the perplexity with random flips to that without, against the share of bits that are flipped.",
	}
	panel := func(title string, name func(c *FlipCurve) string, in func(c *FlipCurve) bool) {
		l := &chart.Lines{Title: title, X: "bits flipped, %", Y: "perplexity, ratio", LogX: true, LogY: true, Level: new(float64), LevelName: "no change"}
		*l.Level = 1
		for i := range x.Curves {
			if c := &x.Curves[i]; in(c) {
				l.Series = append(l.Series, c.series(name(c)))
			}
		}
		if len(l.Series) > 1 || len(x.Curves) == 1 {
			out.Panels = append(out.Panels, l)
		}
	}
	f := x.Curves[0]
	if x.Cross {
		seen := map[string]bool{}
		for _, c := range x.Curves {
			if where := c.Where; !seen[where] {
				seen[where] = true
				panel(where, func(c *FlipCurve) string { return c.Granularity + ", " + c.Scale }, func(c *FlipCurve) bool { return c.Where == where })
			}
		}
		return out
	}
	if len(x.Curves) == 1 {
		panel("", (*FlipCurve).name, func(*FlipCurve) bool { return true })
		return out
	}
	panel("Where: "+f.Granularity+"s, "+f.Scale+" scale", func(c *FlipCurve) string { return c.Where },
		func(c *FlipCurve) bool { return c.Granularity == f.Granularity && c.Scale == f.Scale })
	panel("Granularity: "+f.Where+", "+f.Scale+" scale", func(c *FlipCurve) string { return c.Granularity },
		func(c *FlipCurve) bool { return c.Where == f.Where && c.Scale == f.Scale })
	panel("Scale: "+f.Where+", "+f.Granularity+"s", func(c *FlipCurve) string { return c.Scale },
		func(c *FlipCurve) bool { return c.Where == f.Where && c.Granularity == f.Granularity })
	return out
}

func (c *FlipCurve) series(name string) chart.Series {
	s := chart.Series{Name: name}
	for _, p := range c.Points {
		s.Points = append(s.Points, chart.Point{X: 100 * c.share(p), Y: p.Ratio.Value, Low: p.Ratio.Low, High: p.Ratio.High})
	}
	return s
}

func (x *Robustness) notes() []string {
	layers := "all layers"
	if len(x.Layers) > 0 {
		layers = "layers " + strings.Trim(fmt.Sprint(x.Layers), "[]")
	}
	notes := []string{fmt.Sprintf("%s: %s lines, perplexity %s without flips. MLP and attention: of %s.",
		x.Text, text.Thousands(int64(x.Lines)), text.Digits(x.Base), layers)}
	notes = append(notes, fmt.Sprintf("Draws of every amount, without replacement: %d. Figures are their geometric means; intervals are 95 %%, Student's t of ln ratio over the draws, the text being the same.", x.Draws))
	notes = append(notes, "Shares are of all bits of the tensors. Groups and rows are as many as make up the bits asked for; the bits shown are those really flipped, mean over the draws. "+
		"Medium scale: groups (or rows, by their mean) whose scale lies from the 40 % to the 60 % quantile; high: from the 80 % quantile on.")
	return notes
}

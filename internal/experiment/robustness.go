package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/engine"
	"bankai/internal/chart"
	"bankai/internal/kernel"
	"bankai/internal/report"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/search"
)

// Robustness is how the perplexity of a text grows with the number of bits that
// are flipped at random.
type Robustness struct {
	report.About
	Text   string      `json:"text"`  // where the text is from
	Lines  int         `json:"lines"` // of the text
	Layers []int       `json:"layers,omitempty"`
	Draws  int         `json:"draws"` // of each number of flips
	Cross  bool        `json:"cross"` // the curves are all combinations
	Base   float64     `json:"base"`  // perplexity of the model as it is
	Curves []FlipCurve `json:"curves"`
}

// FlipCurve is flips of one kind, from few to many.
type FlipCurve struct {
	Where       string      `json:"where"`
	Granularity string      `json:"granularity"`
	Scale       string      `json:"scale"`
	Bits        uint64      `json:"bits"`    // of the tensors, whatever their scale
	Pieces      uint64      `json:"pieces"`  // that could be drawn
	Points      []FlipPoint `json:"amounts"` // ascending
}

// FlipPoint is draws of one number of pieces.
type FlipPoint struct {
	Pieces     uint64             `json:"pieces"`
	Bits       float64            `json:"bits"`       // flipped, mean over the draws
	Perplexity report.Estimate    `json:"perplexity"` // geometric mean over the draws
	Ratio      report.Estimate    `json:"ratio"`      // to the model as it is
	Each       []report.NullFloat `json:"each"`       // perplexity of each draw
}

// RobustnessOptions choose the text and the flips.
type RobustnessOptions struct {
	Text  string // its name, for people
	Lines []string

	// Curves: the first of each list, and every other one in its place; or, with
	// Cross, all combinations.
	Where  []string // mlp, attention, delta-net, embedding, head, all
	Sizes  []search.Granularity
	Scales []string // any, medium, high
	Cross  bool

	Layers  []int     // none: all
	Amounts []float64 // of bits, or below 1 their share of those of Where; none: the usual ones
	Draws   int       // of each amount
}

// usualAmounts are drawn as far as maxDrawn allows if none are asked for.
var usualAmounts = []float64{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1}

// maxDrawn bounds a draw: it takes about 8 bytes a piece.
const maxDrawn = 1 << 26

// Check refuses what cannot be right whatever the model.
func (o RobustnessOptions) Check() error {
	if len(o.Where) == 0 || len(o.Sizes) == 0 || len(o.Scales) == 0 {
		return errors.New("there is nothing to draw from: give a part of the model, a granularity and a scale")
	}
	for _, w := range o.Where {
		if err := oneOf("part of the model", w, wheres); err != nil {
			return err
		}
	}
	for _, s := range o.Scales {
		if err := oneOf("scale", s, scales); err != nil {
			return err
		}
	}
	for _, a := range o.Amounts {
		if !(a > 0) || a >= 1 && a != math.Floor(a) || a > 1<<53 {
			return fmt.Errorf("%v bits: give whole numbers, or shares of all bits, above 0 and below 1", a)
		}
	}
	if o.Draws < 1 {
		return fmt.Errorf("%d draws: at least 1 is needed, and 2 for an interval", o.Draws)
	}
	return nil
}

// flipKind is what a curve draws.
type flipKind struct {
	where string
	size  search.Granularity
	scale string
}

func (k flipKind) String() string { return fmt.Sprintf("%s, %s, %s scale", k.where, k.size, k.scale) }

// kinds are those of the curves, the standard one first.
func (o RobustnessOptions) kinds() (kinds []flipKind) {
	for _, w := range o.Where {
		for _, g := range o.Sizes {
			for _, s := range o.Scales {
				varied := one(w != o.Where[0]) + one(g != o.Sizes[0]) + one(s != o.Scales[0])
				if k := (flipKind{w, g, s}); (o.Cross || varied <= 1) && !slices.Contains(kinds, k) {
					kinds = append(kinds, k)
				}
			}
		}
	}
	return kinds
}

// flipCurve is a curve with what it draws from.
type flipCurve struct {
	kind    flipKind
	pool    *pool
	amounts []uint64 // pieces, ascending
}

// curve prepares the draws of a kind, or says why they cannot be.
func (o RobustnessOptions) curve(m *engine.Model, k flipKind) (*flipCurve, error) {
	p, err := newPool(m.Weights(), k.where, o.Layers, k.size, k.scale)
	if err != nil {
		return nil, err
	}
	c := &flipCurve{kind: k, pool: p}
	amounts, usual := o.Amounts, len(o.Amounts) == 0
	if usual {
		amounts = usualAmounts
	}
	for _, a := range amounts {
		n := p.amount(a)
		switch {
		case usual && n > min(maxDrawn, p.pieces()):
			continue
		case n > p.pieces():
			return nil, fmt.Errorf("%s: there are %s %ss, and %v is %s: give less", k, thousands(p.pieces()), k.size, a, thousands(n))
		case n > maxDrawn:
			return nil, fmt.Errorf("%s: %v is %s %ss, more than the %s of a draw: give less, or groups or rows", k, a, thousands(n), k.size, thousands(maxDrawn))
		}
		c.amounts = append(c.amounts, n)
	}
	slices.Sort(c.amounts)
	c.amounts = slices.Compact(c.amounts)
	return c, nil
}

// amount is how many pieces make up a number of bits, or below 1 a share of all bits,
// as nearly as whole pieces of mean size can: at least one piece.
func (p *pool) amount(bits float64) uint64 {
	all := float64(p.allBits())
	if bits < 1 {
		bits *= all
	}
	switch p.size {
	case search.Group:
		bits /= 128
	case search.Row:
		bits *= float64(p.ends[len(p.ends)-1]) / all
	}
	return max(1, uint64(math.Round(bits)))
}

// flipRun is one piece of the work: a draw, or the model as it is.
type flipRun struct {
	curve  *flipCurve
	amount uint64
	draw   int
}

func (r flipRun) key() string {
	if r.curve == nil {
		return "as it is"
	}
	return fmt.Sprintf("%s: %d pieces, draw %d", r.curve.kind, r.amount, r.draw)
}

// flipMeasure is what a flipRun measured.
type flipMeasure struct {
	Perplexity report.NullFloat `json:"perplexity"`
	Bits       uint64           `json:"bits"`
}

// MeasureRobustness flips random pieces, drawn without replacement, and measures
// the perplexity of the lines; Draws times for every amount. The flips are made in
// place, on a workbench, and undone again. A draw depends on the run's seed, the kind
// and number of pieces and the draw's own number alone.
func MeasureRobustness(ctx context.Context, r *Run, o RobustnessOptions) (*Robustness, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	runs := []flipRun{{}}
	var curves []*flipCurve
	for _, k := range o.kinds() {
		c, err := o.curve(r.Model, k)
		if err != nil {
			return nil, err
		}
		curves = append(curves, c)
		for _, n := range c.amounts {
			for d := range o.Draws {
				runs = append(runs, flipRun{c, n, d + 1})
			}
		}
	}
	keys := make([]string, len(runs))
	for i, run := range runs {
		keys[i] = run.key()
	}
	w := r.Model.Workbench()
	found, err := EachInTurn(ctx, r, keys, func(ctx context.Context, i int) (flipMeasure, error) {
		return runs[i].measure(ctx, w, r.Seed, o.Lines)
	})
	if err != nil {
		return nil, err
	}
	return o.result(curves, found), nil
}

func (run flipRun) measure(ctx context.Context, w *engine.Workbench, seed uint64, lines []string) (f flipMeasure, err error) {
	perplexity := func() error {
		p, err := measure.Perplexity(ctx, w.Model, nil, lines)
		f.Perplexity = report.NullFloat(p)
		return err
	}
	if run.curve == nil {
		err = perplexity()
		return f, err
	}
	p := run.curve.pool
	f.Bits, err = p.flipped(w, draw(drawing(seed, run.key()), run.amount, p.pieces()), perplexity)
	return f, err
}

func (o RobustnessOptions) result(curves []*flipCurve, found []flipMeasure) *Robustness {
	x := &Robustness{
		Text: o.Text, Lines: len(o.Lines), Layers: o.Layers, Draws: o.Draws, Cross: o.Cross,
		Base: float64(found[0].Perplexity),
	}
	found = found[1:]
	for _, c := range curves {
		curve := FlipCurve{
			Where: c.kind.where, Granularity: c.kind.size.String(), Scale: c.kind.scale,
			Bits: c.pool.allBits(), Pieces: c.pool.pieces(),
		}
		for _, n := range c.amounts {
			curve.Points = append(curve.Points, x.point(n, found[:o.Draws]))
			found = found[o.Draws:]
		}
		x.Curves = append(x.Curves, curve)
	}
	return x
}

// point sums up the draws of one amount: means and intervals are of ln ratio.
func (x *Robustness) point(pieces uint64, draws []flipMeasure) FlipPoint {
	p := FlipPoint{Pieces: pieces}
	var logs []float64
	var bits uint64
	for _, d := range draws {
		bits += d.Bits
		logs = append(logs, kernel.Log(float64(d.Perplexity)/x.Base))
		p.Each = append(p.Each, d.Perplexity)
	}
	p.Bits = float64(bits) / float64(len(draws))
	e := report.MeanOf(logs)
	p.Ratio = e.Map(kernel.Exp64)
	p.Perplexity = p.Ratio.Times(x.Base)
	return p
}

// littleChange is the published bound: a ratio of perplexities within 1 %.
const littleChange = 0.01

// Present implements Result.
func (x *Robustness) Present() *report.Presentation {
	return &report.Presentation{
		Title: "Perplexity under random flips",
		Purpose: "Sign bits drawn at random are flipped, and the perplexity of a text is measured: how much noise the model bears. " +
			"It repeats the published experiment 1: 500,000 flips among the 5.4 billion MLP bits of Bonsai 8B, 0.009 %, changed the perplexity of 5 sentences by less than 1 %. " +
			"A ratio of 1 is no change. Curves differ in what is drawn from, in the pieces that are flipped, and in their scale.",
		Findings: x.findings(),
		Tables:   []report.Table{x.table(), x.limits()},
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

// findings tells how far the first curve stays flat, and how far the others do.
func (x *Robustness) findings() []string {
	first := &x.Curves[0]
	said := "even the fewest change the perplexity by 1 % or more, or may"
	if p := first.harmless(); p != nil {
		said = fmt.Sprintf("up to %s bits, %s of them, change the perplexity by less than 1 %%: %s times as much",
			thousands(uint64(math.Round(p.Bits))), percent(first.share(*p)), report.CellText(p.Ratio))
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
		return fmt.Sprintf("With %s of the bits the perplexity is %s times as much.", percent(most.share(at)), report.CellText(at.Ratio))
	}
	return fmt.Sprintf("At the largest amounts, %s is hurt most: with %s of the bits the perplexity is %s times as much.",
		most.name(), percent(most.share(at)), report.CellText(at.Ratio))
}

func (x *Robustness) table() report.Table {
	t := report.Table{
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
func (x *Robustness) limits() report.Table {
	t := report.Table{
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

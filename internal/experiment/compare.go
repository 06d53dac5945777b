package experiment

import (
	"context"
	"fmt"
	"math"
	"strings"

	"bankai"
	"bankai/internal/chart"
	"bankai/internal/report"
	"bankai/internal/text"
	"bankai/measure"
)

// Comparison is many patches on one yardstick, each alone.
type Comparison struct {
	report.About
	Probes    string          `json:"probes"`
	Base      report.Estimate `json:"base"`    // share of right answers without a patch
	Patches   []Compared      `json:"patches"` // as given
	Pairs     []PairwiseTest  `json:"pairs"`   // every two patches
	Generated Generated       `json:"generated"`
}

// Compared is a patch against the model without one. Its p-value is adjusted for
// the number of patches.
type Compared struct {
	PatchSize
	AnswerChange
}

// PairwiseTest is two patches on the same questions. Answers that both give right, or
// both wrong, say nothing of which is better.
type PairwiseTest struct {
	A       string `json:"a"`
	B       string `json:"b"`
	OnlyA   int    `json:"only_a"` // answers that A alone gives right
	OnlyB   int    `json:"only_b"` // answers that B alone gives right
	McNemar        // adjusted for the number of pairs
}

// CompareOptions choose the patches and the questions.
type CompareOptions struct {
	Patches []NamedPatch // one at least
	Probes  measure.Named
}

// MeasureComparison lets the model answer the probes by greedy generation, as it
// is and under each of the patches.
func MeasureComparison(ctx context.Context, r *Run, o CompareOptions) (*Comparison, error) {
	patches, sizes, err := fitPatches(r.Model, o.Patches, 1)
	if err != nil {
		return nil, err
	}
	a := answering{r.Model, append([]*bankai.Patch{noPatch(r.Model)}, patches...), []measure.Named{o.Probes}}
	if err := checkSets(ctx, r.Model, a.sets); err != nil {
		return nil, err
	}
	done, err := doJobs(ctx, r, r.AtOnce, a.jobs())
	if err != nil {
		return nil, err
	}
	c := &Comparison{Probes: o.Probes.Name, Generated: Generated{By: []string{Base}}}
	var by []*measure.Measurement // base, then the patches
	for _, sets := range a.collect(done) {
		by = append(by, sets[0])
	}
	c.compare(sizes, by)
	c.Generated.keep(o.Probes, by)
	return c, nil
}

// compare sets all answers against those of the base, and every two patches
// against each other.
func (c *Comparison) compare(sizes []PatchSize, by []*measure.Measurement) {
	all := allOf(len(by[0].Right))
	for i, s := range sizes {
		c.Patches = append(c.Patches, Compared{s, changeOf(by[0], by[i+1], all)})
		c.Generated.By = append(c.Generated.By, s.Name)
	}
	var tests []*McNemar
	for i := range c.Patches {
		tests = append(tests, &c.Patches[i].McNemar)
	}
	AdjustHolm(tests)
	c.Base = c.Patches[0].ShareBefore
	for i, a := range sizes {
		for j, b := range sizes[:i] {
			d := pairwiseTest(by[j+1], by[i+1])
			d.A, d.B = b.Name, a.Name
			c.Pairs = append(c.Pairs, d)
		}
	}
	tests = nil
	for i := range c.Pairs {
		tests = append(tests, &c.Pairs[i].McNemar)
	}
	AdjustHolm(tests)
}

// pairwiseTest counts the answers on which two measurements differ.
func pairwiseTest(a, b *measure.Measurement) (d PairwiseTest) {
	c := CountsOf(a.Right, b.Right)
	d.OnlyA, d.OnlyB, d.McNemar = c.Broke, c.Fixed, NewMcNemar(c.Fixed, c.Broke)
	return d
}

// Texts implements Rescorable.
func (c *Comparison) Texts() Generated { return c.Generated }

// Present implements Result.
func (c *Comparison) Present() *report.Presentation {
	return &report.Presentation{
		Title: "Patches compared on " + c.Probes,
		Purpose: "Many patches on one yardstick, each alone on the model, as in the published comparison (experiment 14): there three patches gave 13, 19 and 17 of 30 right answers, the base 14. " +
			"The first table sets each patch against the model without one. The second sets patches against each other: only answers that differ can tell which is better.",
		Findings: c.findings(),
		Tables:   []report.Table{c.patchTable(), c.pairTable()},
		Charts:   c.charts(),
		Notes: []string{fmt.Sprintf("%d probes, greedy generations. p is McNemar's exact test, two-sided; p (Holm) is adjusted for the %s against the base, and for the %s. "+
			"Shares have Wilson's interval, the gain of seq_logprob Student's. Bytes are those of a .bankai file without provenance.",
			c.Base.N, text.Plural(len(c.Patches), "test", "tests"), text.Plural(len(c.Pairs), "pair", "pairs"))},
	}
}

// findings name what stands out from the base, and from each other.
func (c *Comparison) findings() (found []string) {
	var best, apart, alike []string
	most := 0
	for _, p := range c.Patches {
		switch {
		case p.After > most || len(best) == 0:
			best, most = []string{p.Name}, p.After
		case p.After == most:
			best = append(best, p.Name)
		}
		found = append(found, fmt.Sprintf("%s: %d of %d right, base %d: %d fixed, %d broke, p (Holm) = %s: %s.",
			p.Name, p.After, p.Total, p.Before, p.Fixed, p.Broke, text.Probability(p.Holm), p.verdict()))
	}
	for _, d := range c.Pairs {
		if d.Holm < report.Significance {
			apart = append(apart, d.A+" from "+d.B)
		} else {
			alike = append(alike, d.A+" and "+d.B)
		}
	}
	if len(c.Pairs) == 0 {
		return found
	}
	text := fmt.Sprintf("Most right answers: %s.", strings.Join(best, ", "))
	switch {
	case len(apart) == 0:
		text += " But no two patches differ by more than chance may do."
	case len(apart) <= 4: // more are not read
		text += fmt.Sprintf(" Beyond chance differ %s.", strings.Join(apart, ", "))
	case len(alike) == 0:
		text += " All pairs differ beyond chance."
	default:
		text += fmt.Sprintf(" All pairs differ beyond chance but for %s.", strings.Join(alike, "; "))
	}
	return append(found, text)
}

func (c *Comparison) patchTable() report.Table {
	t := report.Table{
		Name: "compare", Caption: "Each patch against the base",
		Columns: []string{"patch", "flips", "bits", "bytes", "right", "share", "fixed", "broke", "p", "p (Holm)", "gain, nats"},
		Rows:    [][]any{{Base, 0, 0, 0, c.Patches[0].Before, c.Base, nil, nil, nil, nil, nil}},
	}
	for _, p := range c.Patches {
		t.Rows = append(t.Rows, []any{
			p.Name, p.Flips, int(p.Bits), int(p.Bytes), p.After, p.ShareAfter, p.Fixed, p.Broke, report.PValue(p.PValue), report.PValue(p.Holm), p.Gain,
		})
	}
	return t
}

func (c *Comparison) pairTable() report.Table {
	t := report.Table{Name: "compare-pairs", Caption: "Patches against each other", Columns: []string{"A", "B", "right only A", "right only B", "p", "p (Holm)"}, Brief: 20}
	for _, d := range c.Pairs {
		t.Rows = append(t.Rows, []any{d.A, d.B, d.OnlyA, d.OnlyB, report.PValue(d.PValue), report.PValue(d.Holm)})
	}
	return t
}

func (c *Comparison) charts() []chart.Chart {
	bars := &chart.Bars{Value: "share of right answers", Level: &c.Base.Value, Horizontal: len(c.Patches) > 7, Names: []string{Base}}
	right := chart.BarSeries{Name: "right", Values: []chart.Point{c.Base.At(0)}}
	at := map[string]int{}
	for i, p := range c.Patches {
		bars.Names, right.Values = append(bars.Names, p.Name), append(right.Values, p.ShareAfter.At(0))
		at[p.Name] = i
	}
	bars.Series = []chart.BarSeries{right}
	charts := []chart.Chart{{
		Name: "compare", Title: "Right answers with each patch", Panels: []chart.Panel{bars},
		Alt: "Share of right answers of the base and with each patch, with intervals; the dashed line is the base.",
	}}
	if len(c.Pairs) == 0 {
		return charts
	}
	names := bars.Names[1:]
	heat := &chart.Heat{X: "less those with", Y: "right answers with", Rows: names, Cols: names, Values: matrix(len(names)), Diverging: true}
	heat.Text = make([][]string, len(names))
	for i := range heat.Text {
		heat.Text[i] = make([]string, len(names))
	}
	for _, d := range c.Pairs {
		a, b := at[d.A], at[d.B]
		heat.Values[a][b], heat.Values[b][a] = float64(d.OnlyA-d.OnlyB), float64(d.OnlyB-d.OnlyA)
		heat.Text[a][b], heat.Text[b][a] = d.cell(d.OnlyA-d.OnlyB), d.cell(d.OnlyB-d.OnlyA)
	}
	return append(charts, chart.Chart{
		Name: "compare-pairs", Title: "Head to head: difference of right answers, and p (Holm)", Panels: []chart.Panel{heat}, Width: max(640, float64(170+52*len(names))), // a cell has room for a p of many digits
		Alt: "For every two patches, by how many right answers the one leads, with the adjusted p-value.",
	})
}

// cell is the text of a cell of the matrix, in two lines.
func (d PairwiseTest) cell(lead int) string {
	p := text.Probability(d.Holm)
	if least, or := strings.CutSuffix(p, " or less"); or { // which is too long for a cell
		p = "≤ " + least
	}
	return strings.ReplaceAll(fmt.Sprintf("%+d\np %s", lead, p), "-", "−")
}

// matrix is n by n figures, NaN where there is none.
func matrix(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
		for j := range m[i] {
			m[i][j] = math.NaN()
		}
	}
	return m
}

package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bankai/engine"
	"bankai/internal/chart"
	"bankai/internal/kernel"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/internal/text"
)

// Perplexity is how well a model predicts a text, as llama.cpp's perplexity tool
// counts it, and how far a patch moves it away from what it was.
type Perplexity struct {
	report.About
	Text    string       `json:"text"`    // where the text is from
	Window  int          `json:"window"`  // tokens of context, llama.cpp's --ctx-size
	Stride  int          `json:"stride"`  // tokens from one window to the next
	Windows []TextWindow `json:"windows"` // in order
	Tokens  int          `json:"tokens"`  // tokens that were predicted

	Before  report.Estimate `json:"before"`          // perplexity of the model as it is
	Patched *Shift          `json:"patched"`         // null without a patch
	Patch   string          `json:"patch,omitempty"` // the files
}

// Shift is what a patch does to a text.
type Shift struct {
	After report.Estimate `json:"after"` // perplexity of the patched model
	Ratio report.Estimate `json:"ratio"` // of the perplexities, after to before
	KL    report.Estimate `json:"kl"`    // mean Σ p ln(p/q) a token, nats, from the model to the patched one
	// Median, P99 and Most are of the tokens' divergences.
	Median float64 `json:"kl_median"`
	P99    float64 `json:"kl_99_percent"`
	Most   float64 `json:"kl_max"`
	// Right is the share of tokens that were the likeliest ones.
	RightBefore report.Estimate `json:"right_before"`
	RightAfter  report.Estimate `json:"right_after"`
}

// TextWindow is the figures of one window of a text.
type TextWindow struct {
	First  int     `json:"first"` // the window's first token
	Tokens int     `json:"tokens"`
	Before float64 `json:"before"` // perplexity
	After  float64 `json:"after"`  // 0 without a patch
	KL     float64 `json:"kl"`     // mean, nats
}

// TextOptions choose the text, and how it is cut.
type TextOptions struct {
	Name   string // of the text, for people
	IDs    []int32
	Window int
	Stride int // from one window to the next; Window, as llama.cpp's, or less
	Patch  Patching
}

// window is the figures of the tokens of one window.
type window struct {
	Before      []float64 `json:"before"` // ln p
	After       []float64 `json:"after,omitempty"`
	KL          []float64 `json:"kl,omitempty"`
	RightBefore int       `json:"right_before"`
	RightAfter  int       `json:"right_after"`
}

// MeasurePerplexity goes through a text in windows, each of which is a context of
// its own. Of every window the second half is predicted but for its first token,
// as by llama.cpp; with a stride below that, only the last tokens, as many as the
// stride has. What is left behind the last window is not used.
func MeasurePerplexity(ctx context.Context, r *Run, o TextOptions) (*Perplexity, error) {
	starts, err := o.starts()
	if err != nil {
		return nil, err
	}
	if scored := o.Window - o.given(); o.Patch.Overlay != nil && scored > maxReference/4/r.Model.Config().Vocab {
		return nil, fmt.Errorf("a divergence over %s tokens at a time takes more than %d GiB: give a smaller window, or a stride below half of it",
			text.Thousands(int64(scored)), maxReference>>30)
	}
	keys := make([]string, len(starts))
	for i, s := range starts {
		keys[i] = fmt.Sprintf("window at token %d", s)
	}
	windows, err := EachInTurn(ctx, r, keys, func(ctx context.Context, i int) (window, error) {
		return measureWindow(ctx, r.Model, o, o.question(starts[i]))
	})
	if err != nil {
		return nil, err
	}
	return o.result(starts, windows), nil
}

// starts are the first tokens of the windows.
func (o TextOptions) starts() (starts []int, err error) {
	switch {
	case o.Window < 4:
		return nil, fmt.Errorf("a window of %d tokens: must be at least 4", o.Window)
	case o.Stride < 1 || o.Stride > o.Window:
		return nil, fmt.Errorf("a stride of %d tokens: must be from 1 to the window's %d", o.Stride, o.Window)
	case len(o.IDs) < o.Window:
		return nil, fmt.Errorf("%s has %d tokens, less than a window of %d: give a longer text, or a smaller window", o.Name, len(o.IDs), o.Window)
	}
	for s := 0; s+o.Window <= len(o.IDs); s += o.Stride {
		starts = append(starts, s)
	}
	return starts, nil
}

// maxReference bounds what a window's predictions may take, in bytes: 4 for each
// predicted token and each of the vocabulary.
const maxReference = 4 << 30

// given is how many tokens of a window are not predicted.
func (o TextOptions) given() int { return max(o.Window/2+1, o.Window-o.Stride) }

// question asks for the predicted tokens of the window from a token on.
func (o TextOptions) question(start int) engine.Question {
	w := o.IDs[start : start+o.Window]
	return engine.Question{Prompt: w[:o.given()], Answers: [][]int32{w[o.given():]}}
}

func measureWindow(ctx context.Context, m *engine.Model, o TextOptions, q engine.Question) (w window, err error) {
	qs := []engine.Question{q}
	if o.Patch.Overlay == nil {
		before, err := m.ScoreTokens(ctx, qs)
		if err == nil {
			w.Before, w.RightBefore = logProbs(before[0])
		}
		return w, err
	}
	before, refs, err := m.ScoreReferences(ctx, qs)
	if err != nil {
		return w, err
	}
	qs[0].Overlay, qs[0].Reference = o.Patch.Overlay, refs[0]
	after, err := m.ScoreTokens(ctx, qs)
	if err != nil {
		return w, err
	}
	w.Before, w.RightBefore = logProbs(before[0])
	w.After, w.RightAfter = logProbs(after[0])
	for _, a := range after[0] {
		w.KL = append(w.KL, a.KL)
	}
	return w, nil
}

// logProbs are ln p of tokens, and the number of tokens that were the likeliest ones.
func logProbs(tokens []engine.Answer) (all []float64, right int) {
	for _, t := range tokens {
		all, right = append(all, t.LogProb), right+one(t.Greedy)
	}
	return all, right
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (o TextOptions) result(starts []int, windows []window) *Perplexity {
	p := &Perplexity{Text: o.Name, Window: o.Window, Stride: o.Stride, Patch: o.Patch.Name}
	var all window
	for i, w := range windows {
		s := TextWindow{First: starts[i], Tokens: len(w.Before), Before: perplexityOf(w.Before).Value}
		if o.Patch.Overlay != nil {
			s.After, s.KL = perplexityOf(w.After).Value, stats.Mean(w.KL)
		}
		p.Windows = append(p.Windows, s)
		all.Before, all.After, all.KL = append(all.Before, w.Before...), append(all.After, w.After...), append(all.KL, w.KL...)
		all.RightBefore, all.RightAfter = all.RightBefore+w.RightBefore, all.RightAfter+w.RightAfter
	}
	p.Tokens, p.Before = len(all.Before), perplexityOf(all.Before)
	if o.Patch.Overlay != nil {
		p.Patched = all.shift()
	}
	return p
}

// shift sums up the tokens of all windows.
func (w window) shift() *Shift {
	lost := make([]float64, len(w.Before))
	for i := range lost {
		lost[i] = w.Before[i] - w.After[i]
	}
	ratio := report.MeanOf(lost)
	sorted := slices.Sorted(slices.Values(w.KL))
	return &Shift{
		After: perplexityOf(w.After),
		Ratio: ratio.Map(kernel.Exp64),
		KL:    report.MeanOf(w.KL), Median: stats.Quantile(sorted, 0.5), P99: stats.Quantile(sorted, 0.99), Most: sorted[len(sorted)-1],
		RightBefore: report.ShareOf(w.RightBefore, len(w.Before)), RightAfter: report.ShareOf(w.RightAfter, len(w.After)),
	}
}

// perplexityOf is exp of minus the mean of ln p, with the interval of that mean.
func perplexityOf(logProbs []float64) report.Estimate {
	e := report.MeanOf(logProbs)
	return report.Estimate{Value: kernel.Exp64(-e.Value), Low: kernel.Exp64(-e.High), High: kernel.Exp64(-e.Low), N: e.N}
}

// Present implements Result.
func (p *Perplexity) Present() *report.Presentation {
	out := &report.Presentation{
		Title: "Perplexity of " + p.Text,
		Purpose: "How well the model predicts a text: exp of the mean of −ln p over the predicted tokens, counted as llama.cpp's perplexity tool does, " +
			"so the figures of one model file compare. Lower is better. The divergence says how far a patch moves the model's predictions: it is 0 only if nothing changed.",
		Findings: []string{fmt.Sprintf("Perplexity %s over %s tokens.", report.CellText(p.Before), text.Thousands(int64(p.Tokens)))},
		Notes: []string{fmt.Sprintf("%d windows of %d tokens, a stride of %d. Intervals are 95 %%, over tokens as if they were independent, which they are not quite.",
			len(p.Windows), p.Window, p.Stride)},
	}
	facts := report.Table{
		Name: "perplexity", Caption: "Over all windows", Columns: []string{"figure", "value"},
		Rows: [][]any{{"perplexity", p.Before}},
	}
	panels := []chart.Panel{p.panel("perplexity", func(w TextWindow) float64 { return w.Before })}
	if s := p.Patched; s != nil {
		out.Findings = append(out.Findings, s.finding(p.Patch))
		facts.Rows = append(facts.Rows, [][]any{
			{"patched", s.After},
			{"ratio", s.Ratio},
			{"KL divergence, nats a token", s.KL},
			{"KL median", report.PlainEstimate(s.Median, p.Tokens)},
			{"KL 99 %", report.PlainEstimate(s.P99, p.Tokens)},
			{"KL maximum", report.PlainEstimate(s.Most, p.Tokens)},
			{"share of likeliest tokens", s.RightBefore},
			{"share, patched", s.RightAfter},
		}...)
		panels = append(panels, p.panel("KL divergence, nats a token", func(w TextWindow) float64 { return w.KL }))
	}
	out.Tables = []report.Table{facts, p.windowTable()}
	out.Charts = []chart.Chart{{Name: "perplexity", Title: "Window by window", Alt: "The perplexity of each window of the text, and below, with a patch, the divergence.", Panels: panels}}
	return out
}

// panel draws a figure of each window.
func (p *Perplexity) panel(name string, figure func(TextWindow) float64) *chart.Lines {
	var line chart.Series
	for i, w := range p.Windows {
		line.Points = append(line.Points, chart.Point{X: float64(i + 1), Y: figure(w), Low: math.NaN(), High: math.NaN()})
	}
	return &chart.Lines{X: "window", Y: name, Series: []chart.Series{line}}
}

func (s *Shift) finding(patch string) string {
	verdict := "no difference that could not be chance"
	switch {
	case s.Ratio.Low > 1:
		verdict = "the patch makes the text harder to predict"
	case s.Ratio.High < 1:
		verdict = "the patch makes the text easier to predict"
	}
	return fmt.Sprintf("With %s %s: %s times as much, %s. KL divergence %s nats a token.", patch, report.CellText(s.After), report.CellText(s.Ratio), verdict, report.CellText(s.KL))
}

func (p *Perplexity) windowTable() report.Table {
	t := report.Table{Name: "perplexity-windows", Caption: "By window", Columns: []string{"first token", "tokens", "perplexity", "patched", "KL"}, Brief: 8}
	for _, w := range p.Windows {
		row := []any{w.First, w.Tokens, w.Before, nil, nil}
		if p.Patched != nil {
			row[3], row[4] = w.After, w.KL
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

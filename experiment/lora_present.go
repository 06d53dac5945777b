package experiment

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"bankai/internal/chart"
	"bankai/internal/text"
)

// Present implements Result.
func (l *LoRA) Present() *Presentation {
	p := &Presentation{
		Title: "XOR patches and LoRA on the same frozen bits",
		Purpose: "A comparison that the published work avoided, with the claim that LoRA cannot work on 1-bit models. It can: activations are continuous, " +
			"so an adapter beside the frozen bits has a gradient. Adapters are trained by Adam on the fitness, the probes and the controls of the search. " +
			"What differs is what they weigh, what they cost for every token, and what must be in memory to switch.",
	}
	if l.Base.HeldOut.Total > 0 {
		p.Tables = append(p.Tables, l.table())
		if len(l.Base.Also) > 0 {
			p.Tables = append(p.Tables, l.besideTable())
		}
		p.Charts = append(p.Charts, l.picture())
		p.Findings = l.findings()
		p.Notes = append(p.Notes,
			fmt.Sprintf("Adapters on %s of %s, %d steps of Adam at a rate of %v, no early stopping; measured as float16. Seeds differ in the adapters' random start.", strings.Join(l.Projections, ", "), l.where(), l.Steps, l.Rate),
			"p: McNemar's exact test against the model as it is, adjusted by Holm's method for the lines of a table. Seeds share the probes, so their interval, Student's, is of the random start only.",
			"Bytes: of a patch as a .bankai file without provenance, of an adapter as float16.")
	}
	if len(l.Timing) > 0 {
		p.Tables = append(p.Tables, l.timingTable())
		p.Notes = append(p.Notes, fmt.Sprintf("Times: a prompt of %d tokens, then %d one after another, all ways in turns, over %d rounds, as ratios to the model as it is in the same round.",
			timedPrompt, timedTokens, l.Timing[0].Prompt.N))
	}
	return p
}

// held is the number of right answers over the seeds of a group.
func held(group []Rival) Estimate {
	var values []float64
	for _, v := range group {
		values = append(values, float64(v.HeldOut.After))
	}
	return MeanOf(values)
}

func (l *LoRA) findings() (out []string) {
	base := l.Base.HeldOut
	out = append(out, fmt.Sprintf("As it is, the model answers %d of %d held-out prompts right.", base.After, base.Total))
	for _, g := range l.grouped() {
		first := g[0]
		mean := held(g)
		text := fmt.Sprintf("%s (%s bytes): %s right", first.Name, text.Thousands(first.Bytes), count(mean.Value))
		if len(g) > 1 {
			text += fmt.Sprintf(", the mean of %d seeds [%s, %s]", len(g), count(mean.Low), count(mean.High))
		}
		var fixed, broke, seen float64
		for _, v := range g {
			fixed, broke, seen = fixed+float64(v.HeldOut.Fixed), broke+float64(v.HeldOut.Broke), seen+float64(v.Seen.After)
		}
		n := float64(len(g))
		out = append(out, fmt.Sprintf("%s: %s fixed, %s broke; on the probes it learnt from, %s of %d.",
			text, count(fixed/n), count(broke/n), count(seen/n), first.Seen.Total))
	}
	return out
}

func (l *LoRA) table() Table {
	t := Table{
		Name: "lora", Caption: "What each came to",
		Columns: []string{"", "seed", "bytes", "parameters", "passes", "seconds", "seen right", "held-out right", "of", "fixed", "broke", "p (Holm)", "perplexity"},
	}
	for _, v := range append([]Rival{l.Base}, l.Rivals...) {
		row := []any{v.Name, nil, nil, nil, nil, nil, v.Seen.After, v.HeldOut.After, v.HeldOut.Total, nil, nil, nil, float64(v.Perplexity)}
		if v.Bytes > 0 {
			row[2], row[3], row[9], row[10], row[11] = int(v.Bytes), v.Params, v.HeldOut.Fixed, v.HeldOut.Broke, P(v.HeldOut.Holm)
		}
		if v.Rank > 0 {
			row[1], row[4], row[5] = int(v.Seed), v.Cost, v.Seconds
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// besideTable is of the further sets.
func (l *LoRA) besideTable() Table {
	t := Table{
		Name: "lora-also", Caption: "What became of other answers",
		Columns: []string{"", "seed", "set", "probes", "before", "after", "fixed", "broke", "p (Holm)"},
	}
	for _, v := range l.Rivals {
		for _, b := range v.Also {
			row := []any{v.Name, nil, b.Set, b.Total, b.Before, b.After, b.Fixed, b.Broke, P(b.Holm)}
			if v.Rank > 0 {
				row[1] = int(v.Seed)
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func (l *LoRA) timingTable() Table {
	t := Table{
		Name: "lora-timing", Caption: "What each costs while the model runs, times the model as it is",
		Columns: []string{"", "prompt token", "generated token", "to switch, µs", "memory, bytes"},
	}
	for _, x := range l.Timing {
		row := []any{x.Name, x.Prompt, x.Generation, nil, int(x.Memory)}
		if x.Switch > 0 {
			row[3] = x.Switch
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// picture draws right answers against bytes.
func (l *LoRA) picture() chart.Chart {
	var series []chart.Series
	for _, g := range l.grouped() {
		e := held(g)
		at := chart.Point{X: float64(g[0].Bytes), Y: e.Value, Low: e.Low, High: e.High}
		series = append(series, chart.Series{Name: g[0].Name, Points: []chart.Point{at}})
	}
	return chart.Chart{
		Name: "lora", Title: "What a byte buys", Alt: "Right held-out answers against the bytes of patches and of LoRA adapters.",
		Panels: []chart.Panel{&chart.Scatter{
			Title: fmt.Sprintf("Right answers of %d held-out ones; as it is, %d", l.Base.HeldOut.Total, l.Base.HeldOut.After),
			X:     "bytes", Y: "right", LogX: true, Series: series,
		}},
	}
}

// where is which layers have adapters.
func (l *LoRA) where() string {
	if l.Layers == "" {
		return "all layers"
	}
	return "layers " + l.Layers
}

// count is a number of answers, or the mean of several.
func count(x float64) string {
	if x == math.Trunc(x) || x >= 1000 {
		return text.Thousands(int64(math.Round(x)))
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

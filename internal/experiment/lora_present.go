package experiment

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"bankai/internal/report"
	"bankai/internal/text"
)

// Present implements Result.
func (l *LoRA) Present() *report.Presentation {
	p := &report.Presentation{
		Title: "XOR patches and LoRA on the same frozen bits",
		Purpose: "A comparison that the published work avoided, with the claim that LoRA cannot work on 1-bit models. It can: activations are continuous, " +
			"so an adapter beside the frozen bits has a gradient. Adapters are trained by Adam on the fitness, the probes and the controls of the search. " +
			"What differs is what they weigh, what they cost for every token, and what must be in memory to switch.",
	}
	if l.Base.HeldOut.Total > 0 {
		p.Tables = l.tables()
		p.Charts = l.charts()
		p.Findings = l.findings()
		p.Notes = l.notes()
	}
	if len(l.Timing) > 0 {
		p.Tables = append(p.Tables, l.timingTable())
		p.Notes = append(p.Notes, fmt.Sprintf("Times: a prompt of %d tokens, then %d one after another, all ways in turns, over %d rounds, as ratios to the model as it is in the same round.",
			timedPrompt, timedTokens, l.Timing[0].Prompt.N))
	}
	return p
}

// tables are those of what was asked.
func (l *LoRA) tables() []report.Table {
	all := []report.Table{l.table()}
	if l.Base.Problems != nil || len(l.Base.Windows) > 0 {
		all = append(all, l.elsewhereTable())
	}
	if len(l.Base.Also) > 0 {
		all = append(all, l.furtherTable())
	}
	if len(l.Duels) > 0 {
		all = append(all, l.duelTable())
	}
	return all
}

func (l *LoRA) notes() []string {
	work := fmt.Sprintf("%d steps", l.Steps)
	if len(l.Costs) > 0 {
		work = fmt.Sprintf("as many steps as %s forward-pass equivalents allow (three a step, and one at the end)", figures(l.Costs))
	}
	held := l.Text
	if l.Guard != "" {
		held = fmt.Sprintf("the model's own guard (%.12s)", l.Guard)
	}
	notes := []string{
		fmt.Sprintf("Adapters on %s of %s, %s of Adam at a rate of %v (signs: %v), no early stopping; measured as float16. Seeds differ in the adapters' random start. Weight of the divergence on %s: %s.",
			strings.Join(l.Projections, ", "), l.where(), work, l.Rate, l.SignRate, held, figures(l.KL)),
		"p: McNemar's exact test against the model as it is, adjusted by Holm's method for the lines of a table. Seeds share the probes, so their interval, Student's, is of the random start only.",
		"Bytes: of a patch as a .bankai file without provenance, of an adapter as float16. A sign LoRA has +1 and −1 only, in a bit each, and a float16 for each rank of a matrix.",
	}
	if l.Base.Problems != nil {
		notes = append(notes, fmt.Sprintf("Problems: those of %s, by greedy generation, marked as by experiment gsm8k; %d of %d are right as it is.", l.Problems, l.Base.Problems.After, l.Base.Problems.Total))
	}
	if len(l.Base.Windows) > 0 {
		notes = append(notes, fmt.Sprintf("Perplexity in windows: of %s, as experiment perplexity counts it, as a ratio to that of the model as it is.", l.WindowText))
	}
	return notes
}

// figures lists figures.
func figures(xs []float64) string {
	var all []string
	for _, x := range xs {
		all = append(all, strconv.FormatFloat(x, 'f', -1, 64))
	}
	return text.Listed(all)
}

// held is the number of right answers over the seeds of a group.
func held(group []Adaptation) report.Estimate {
	var values []float64
	for _, v := range group {
		values = append(values, float64(v.HeldOut.After))
	}
	return report.MeanOf(values)
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

func (l *LoRA) table() report.Table {
	t := report.Table{
		Name: "lora", Caption: "What each came to",
		Columns: []string{"", "seed", "bytes", "parameters", "passes", "seconds", "seen right", "held-out right", "of", "fixed", "broke", "p (Holm)", "perplexity"},
	}
	for _, v := range append([]Adaptation{l.Base}, l.Results...) {
		row := []any{v.Name, nil, nil, nil, nil, nil, v.Seen.After, v.HeldOut.After, v.HeldOut.Total, nil, nil, nil, float64(v.Perplexity)}
		if v.Bytes > 0 {
			row[2], row[3], row[9], row[10], row[11] = int(v.Bytes), v.Params, v.HeldOut.Fixed, v.HeldOut.Broke, report.PValue(v.HeldOut.Holm)
		}
		if v.Cost > 0 {
			row[4] = v.Cost
		}
		if v.Rank > 0 {
			row[1], row[5] = int(v.Seed), v.Seconds
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// elsewhereTable sets what each gains beside what it loses where it was not to change
// anything.
func (l *LoRA) elsewhereTable() report.Table {
	t := report.Table{Name: "lora-elsewhere", Caption: "What each gains, and what it loses elsewhere", Columns: []string{"", "seed", "bytes", "passes", "held-out right", "fixed", "broke"}}
	for _, b := range l.Base.Also {
		t.Columns = append(t.Columns, "lost of "+b.Set)
	}
	if l.Base.Problems != nil {
		t.Columns = append(t.Columns, "problems right", "lost", "gained", "p (Holm)")
	}
	for _, w := range l.Base.Windows {
		t.Columns = append(t.Columns, fmt.Sprintf("perplexity, %d", w.Window))
	}
	for _, v := range l.Results {
		row := []any{v.Name, nil, int(v.Bytes), nil, v.HeldOut.After, v.HeldOut.Fixed, v.HeldOut.Broke}
		if v.Rank > 0 {
			row[1] = int(v.Seed)
		}
		if v.Cost > 0 {
			row[3] = v.Cost
		}
		for _, b := range v.Also {
			row = append(row, b.Broke)
		}
		if p := v.Problems; p != nil {
			row = append(row, p.After, p.Broke, p.Fixed, report.PValue(p.Holm))
		}
		for _, w := range v.Windows {
			row = append(row, w.Ratio)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// duelTable is of patches against adapters.
func (l *LoRA) duelTable() report.Table {
	t := report.Table{
		Name: "lora-duels", Caption: "Patches against adapters that had no less work, on the held-out probes",
		Columns: []string{"patch", "adapter", "seed", "right only with the patch", "right only with the adapter", "p", "p (Holm)"}, Brief: 20,
	}
	for _, d := range l.Duels {
		t.Rows = append(t.Rows, []any{d.Patch, d.Adapter, int(d.Seed), d.OnlyPatch, d.OnlyAdapter, report.PValue(d.PValue), report.PValue(d.Holm)})
	}
	return t
}

// furtherTable is of the further sets.
func (l *LoRA) furtherTable() report.Table {
	t := report.Table{
		Name: "lora-also", Caption: "What became of other answers",
		Columns: []string{"", "seed", "set", "probes", "before", "after", "fixed", "broke", "p (Holm)"},
	}
	for _, v := range l.Results {
		for _, b := range v.Also {
			row := []any{v.Name, nil, b.Set, b.Total, b.Before, b.After, b.Fixed, b.Broke, report.PValue(b.Holm)}
			if v.Rank > 0 {
				row[1] = int(v.Seed)
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func (l *LoRA) timingTable() report.Table {
	t := report.Table{
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

package main

import (
	"bytes"
	"fmt"

	"bankai"
	"bankai/evaluate"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"
)

// searchReport is what a page says of a search in the model called name, and of
// the patch it wrote: all but what was measured afterwards.
func (a *app) searchReport(s *score.Setup, name string, r *search.Result, patch *bankai.Patch, files written) *evaluate.Report {
	info := newModelInfo(name, s.Model.Weights())
	var asJSON bytes.Buffer
	if patch.WriteJSON(&asJSON) != nil { // it flips bits, which that form cannot hold
		asJSON.Reset()
	}
	meta := patch.Meta()
	bits, _ := patch.Bits()
	report := &evaluate.Report{
		Title: "A search for a patch", Command: a.commandLine(), Watch: r.Warning,
		Model: facts(
			fact{"model", name},
			fact{"architecture", fmt.Sprintf("%s: %d layers, hidden %d, ffn %d", info.Architecture, info.Layers, info.Hidden, info.FFN)},
			fact{"1-bit weights", text.Thousands(info.OneBit)}, fact{"digest", info.Digest.String()}),
		Search: facts(
			fact{"method", methodOf(s)}, fact{"seed", fmt.Sprint(s.Plan.Seed)},
			fact{"candidates", fmt.Sprintf("%d, of which %d kept and %d given up early", r.Steps, r.Accepted, r.Screened)},
			fact{"cost", text.Measure(r.Cost, "forward-pass equivalent") + ", " + text.Elapsed(r.Seconds)},
			fact{"ended by", endedBy(r.Stopped, s.Plan.Limits)}),
		Flips: evaluate.Cells(patch), Searched: s.Plan.Projections, Layers: info.Layers,
		Patch: evaluate.PatchFacts{
			Flips: patch.Len(), Bits: bits, ModelBits: uint64(info.OneBit), Bytes: files.bytes,
			Facts: facts(
				fact{"for the model", patch.Base().String()}, fact{"digest", patch.ContentDigest().String()},
				fact{"made by", meta.Tool}, fact{"made on", meta.Created.Format(timeLayout)}, fact{"command", meta.Command}),
		},
		PatchJSON: asJSON.String(),
	}
	for _, o := range r.Outcomes {
		report.Outcomes = append(report.Outcomes, evaluate.Outcome{Granularity: o.Granularity.String(), Predicted: o.Predicted, True: o.True, Kept: o.Kept})
	}
	for _, p := range r.Trajectory {
		report.Trajectory = append(report.Trajectory, evaluate.Point{
			Step: p.Step, Cost: p.Cost, Fitness: p.Fitness, Flips: p.Flips, Seconds: p.Seconds, Right: p.Right,
			Kept: r.WentBack != "" && p.Right != nil && p.Flips == r.Patch.Len() && p.Fitness == r.Fitness,
		})
	}
	return report
}

func perplexityFact(p *evaluate.BeforeAfter) evaluate.Fact {
	return evaluate.Fact{Name: "plain sentences", Value: fmt.Sprintf("perplexity %.3f before, %.3f after", p.Before, p.After)}
}

// report is the page about a search.
func (d *searchDoc) report(a *app, s *score.Setup, name string, r *search.Result, patch *bankai.Patch, sets searchSets) *evaluate.Report {
	report := a.searchReport(s, name, r, patch, d.out)
	report.Audits, report.ValidationTotal = d.audits, len(sets.validation.Set)
	for _, m := range []struct {
		name, remark string
		result       *evaluate.Result
	}{
		{"Validation", "Prompts that the search did not use, but watched.", d.validation},
		{"Controls", "What the search was to leave as it is.", d.controls},
	} {
		if m.result != nil {
			report.Others = append(report.Others, evaluate.NamedResult{Name: m.name, Remark: m.remark, Result: m.result})
		}
	}
	if d.Perplexity != nil {
		report.Search = append(report.Search, perplexityFact(d.Perplexity))
	}
	file := quoted(d.out.path)
	model := ""
	if name != demoName {
		model = "--model " + quoted(name) + " "
	}
	report.Try = facts(
		fact{"Measure it on prompts that nothing here has seen", "bankai eval " + model + "--probes heldout.json --patch " + file},
		fact{"See what is in the patch", "bankai info " + file})
	return report
}

func facts(list ...fact) []evaluate.Fact {
	out := make([]evaluate.Fact, len(list))
	for i, f := range list {
		out[i] = evaluate.Fact{Name: f.name, Value: f.value}
	}
	return out
}

package repair

import (
	"bytes"
	"fmt"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/outputs"
	"bankai/internal/report"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/score"
	"bankai/search"
)

// Page is what a page says of a search in the model called name by a command, by targets
// of which one is called noun, and of the patch it wrote: all but what was measured
// afterwards.
func Page(command string, s *score.Setup, name, noun string, r *search.Result, patch *bankai.Patch, files outputs.Written) *report.Search {
	info := anatomy.NewModel(name, s.Model.Weights())
	var asJSON bytes.Buffer
	if patch.WriteJSON(&asJSON) != nil { // it flips bits, which that form cannot hold
		asJSON.Reset()
	}
	meta := patch.Meta()
	bits, _ := patch.Bits()
	page := &report.Search{
		Title: "A search for a patch", Command: command, Watch: r.Warning,
		Model: Facts(
			[2]string{"model", name},
			[2]string{"architecture", fmt.Sprintf("%s: %d layers, hidden %d, ffn %d", info.Architecture, info.Layers, info.Hidden, info.FFN)},
			[2]string{"1-bit weights", text.Thousands(info.OneBit)}, [2]string{"digest", info.Digest.String()}),
		Search: Facts(
			[2]string{"method", methodOf(s, noun)}, [2]string{"seed", fmt.Sprint(s.Plan.Seed)},
			[2]string{"candidates", fmt.Sprintf("%d, of which %d kept and %d given up early", r.Steps, r.Accepted, r.Screened)},
			[2]string{"cost", text.Measure(r.Cost, "forward-pass equivalent") + ", " + text.Elapsed(r.Seconds)},
			[2]string{"ended by", endedBy(r.Stopped, s.Plan.Limits)}),
		Flips: measure.Cells(patch), Searched: s.Plan.Projections, Layers: info.Layers,
		Patch: report.PatchFacts{
			Flips: patch.Len(), Bits: bits, ModelBits: uint64(info.OneBit), Bytes: files.Bytes,
			Facts: Facts(
				[2]string{"for the model", patch.Base().String()}, [2]string{"digest", patch.ContentDigest().String()},
				[2]string{"made by", meta.Tool}, [2]string{"made on", meta.Created.Format(text.TimeLayout)}, [2]string{"command", meta.Command}),
		},
		PatchJSON: asJSON.String(),
	}
	for _, o := range r.Outcomes {
		page.Outcomes = append(page.Outcomes, report.Outcome{Granularity: o.Granularity.String(), Predicted: o.Predicted, True: o.True, Kept: o.Kept})
	}
	for _, p := range r.Trajectory {
		page.Trajectory = append(page.Trajectory, report.Point{
			Step: p.Step, Cost: p.Cost, Fitness: p.Fitness, Flips: p.Flips, Seconds: p.Seconds, Right: p.Right,
			Kept: r.WentBack != "" && p.Right != nil && p.Flips == r.Patch.Len() && p.Fitness == r.Fitness,
		})
	}
	return page
}

// PerplexityFact is what a page says of the perplexity on plain sentences.
func PerplexityFact(p *measure.BeforeAfter) report.Fact {
	return report.Fact{Name: "plain sentences", Value: fmt.Sprintf("perplexity %.3f before, %.3f after", p.Before, p.After)}
}

// page is the page about a repair.
func (r *run) page() *report.Search {
	d, name := r.result, r.Path
	page := Page(r.By.Command, r.setup, name, r.Noun(), r.found, r.patch(), d.Out)
	if d.Guard != nil {
		page.Search = append(page.Search, report.Fact{Name: "guard", Value: GuardText(d.Guard)})
	}
	r.Tell(page, d.Out.Path)
	return page
}

// Facts are names and values, for the tables of a page.
func Facts(list ...[2]string) []report.Fact {
	out := make([]report.Fact, len(list))
	for i, f := range list {
		out[i] = report.Fact{Name: f[0], Value: f[1]}
	}
	return out
}

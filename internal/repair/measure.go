package repair

import (
	"context"
	"fmt"

	"bankai"
	"bankai/engine"
	"bankai/internal/progress"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/measure"
	"bankai/probe"
	"bankai/search"
)

// Checked audits the search probes against the sets that must not share prompts
// with them. Fatal findings are an error unless force is set.
func Checked(ctx context.Context, w progress.Watcher, m *engine.Model, targets source.Set, metric probe.Metric, others []source.Set, force bool) (measure.Findings, error) {
	found, err := watched.Audit(ctx, w, m, targets, metric, others)
	if err != nil || !found.Fatal() || force {
		return found, err
	}
	n, first := 0, measure.Finding{}
	for _, x := range found {
		if x.Severity == measure.Fatal {
			if n++; n == 1 {
				first = x
			}
		}
	}
	return found, fmt.Errorf("%s: %s, the first: %s: %s; repair the probes (see bankai audit), or search all the same with --force",
		targets.Source, text.Count(n, "fatal finding"), first.Subject(), first.Detail)
}

// measure measures the patch on what the search did not use.
func (r *run) measure(ctx context.Context) error {
	m, sets, doc := r.Model, r.Sets, r.result
	overlay, err := m.Overlay(r.found.Patch)
	if err != nil {
		return err
	}
	if len(sets.Validation.Set) > 0 {
		if doc.OnValidation, err = watched.Compare(ctx, r.To, m, overlay, sets.Validation); err != nil {
			return err
		}
		n := CountsOf(doc.OnValidation)
		doc.Validate = &n
	}
	if len(sets.Controls.Set) > 0 {
		if doc.OnControls, err = watched.Compare(ctx, r.To, m, overlay, sets.Controls); err != nil {
			return err
		}
		n := CountsOf(doc.OnControls)
		doc.Controls = &n
	}
	if len(sets.Text) > 0 {
		if doc.Perplexity, err = watched.Perplexity(ctx, r.To, m, overlay, sets.Text); err != nil {
			return err
		}
	}
	return r.measureGuard(ctx, overlay)
}

// Claim is a result as a patch records it. Where only some categories of a file
// were measured, its name tells them: the digest is that of the whole file, which
// anybody can compute.
func Claim(name string, s source.Set, r *measure.Result) bankai.Claim {
	if s.Part != "" {
		name += "#" + s.Part
	}
	return bankai.Claim{
		Name: name, Probes: s.Digest, Total: r.Total, Before: r.Before, After: r.After,
		Fixed: len(r.Fixed), Broke: len(r.Broke), PValue: r.PValue,
	}
}

// Counts is a result in numbers.
type Counts struct {
	measure.Counts
	PValue float64 `json:"p_value"`
}

// CountsOf is a result in numbers.
func CountsOf(r *measure.Result) Counts { return Counts{r.Counts(), r.PValue} }

// Cost is what a search took.
type Cost struct {
	ForwardEquivalents float64 `json:"forward_equivalents"`
	Seconds            float64 `json:"seconds"`
}

// CostOf is what a search took.
func CostOf(r *search.Result) Cost { return Cost{r.Cost, r.Seconds} }

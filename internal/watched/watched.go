// Package watched does what takes long on probes and a model, and tells a watcher how far
// it is. The results are those of package measure.
package watched

import (
	"context"
	"fmt"

	"bankai/engine"
	"bankai/internal/progress"
	"bankai/internal/source"
	"bankai/measure"
	"bankai/probe"
)

// Named are sets under the names that they were given by.
func Named(sets ...source.Set) []measure.Named {
	list := make([]measure.Named, len(sets))
	for i, s := range sets {
		list[i] = measure.Named{Name: s.Source, Set: s.Set}
	}
	return list
}

// Fit refuses probes that are too long for a model, by name, before any work is done
// on the others.
func Fit(m *engine.Model, sets ...measure.Named) error {
	for _, s := range sets {
		if err := measure.CheckLength(s.Set, m.Tokenizer(), m.Context()); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// Audit looks for the defects of a set on a model. Errors name the set.
func Audit(ctx context.Context, w progress.Watcher, m *engine.Model, s source.Set, metric probe.Metric, others []source.Set) (measure.Findings, error) {
	found, err := measure.Audit(ctx, s.Set, metric, Named(others...), m.Tokenizer(), gradual{m, w, s.Source + ", audit"})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Source, err)
	}
	return found, nil
}

// Compare measures the base and the patched model on a set. Without an overlay both are
// the base.
func Compare(ctx context.Context, w progress.Watcher, m *engine.Model, overlay *engine.Overlay, s source.Set) (*measure.Result, error) {
	before, err := Measure(ctx, w, m, nil, s, "base")
	if err != nil {
		return nil, err
	}
	after := before
	if overlay != nil {
		if after, err = Measure(ctx, w, m, overlay, s, "patched"); err != nil {
			return nil, err
		}
	}
	return measure.Compare(s.Set, before, after), nil
}

// Measure asks a model the probes of a set under an overlay, nil for none, which a watcher
// is told of as what.
func Measure(ctx context.Context, w progress.Watcher, m *engine.Model, overlay *engine.Overlay, s source.Set, what string) (*measure.Measurement, error) {
	meter, told := probes(w, fmt.Sprintf("%s, %s", s.Source, what), m.Tokenizer(), s.Set)
	defer meter.Stop()
	result, err := measure.Measure(ctx, m, overlay, s.Set, told)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Source, err)
	}
	return result, nil
}

// Mine finds the wrong answers that the model itself would give to the prompts of a set.
func Mine(ctx context.Context, w progress.Watcher, m *engine.Model, overlay *engine.Overlay, s source.Set) ([]measure.Mined, error) {
	meter, told := probes(w, s.Source, m.Tokenizer(), s.Set)
	defer meter.Stop()
	mined, err := measure.Mine(ctx, m, overlay, s.Set, told)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Source, err)
	}
	return mined, nil
}

// Perplexity compares the perplexity of the base and the patched model on the lines of a
// text.
func Perplexity(ctx context.Context, w progress.Watcher, m *engine.Model, overlay *engine.Overlay, lines []string) (*measure.BeforeAfter, error) {
	return measure.ComparePerplexity(ctx, gradual{m, w, "perplexity"}, overlay, lines)
}

package experiment

import (
	"context"
	"errors"
	"math"

	"bankai"
	"bankai/engine"
	"bankai/internal/report"
	"bankai/internal/rng"
	"bankai/internal/stats"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// effects measures what flips of whole rows change of every probe's metric.
type effects struct {
	evaluator *score.Evaluator
	base      *bankai.Patch // nothing
}

// newEffects prepares flips of some tensors. With controls and their penalty it
// measures a fitness as well.
func newEffects(m *engine.Model, targets, controls probe.Set, metric probe.Metric, penalty float64, tensors []search.Matrix) (*effects, error) {
	if len(targets) == 0 {
		return nil, errors.New("there are no probes to measure")
	}
	o := score.Options{Objective: score.Objective{Metric: metric, Penalty: penalty}}
	for _, t := range tensors {
		o.Tensors = append(o.Tensors, t.Name)
	}
	e, err := score.NewProbeEvaluator(m, targets, controls, o)
	if err != nil {
		return nil, err
	}
	return &effects{e, bankai.New(m.Digest(), bankai.Meta{})}, nil
}

// score is the score of the model with rows flipped; without rows, of the model as it
// is.
func (e *effects) score(ctx context.Context, rows []bankai.Flip) (search.Score, error) {
	scores, err := e.evaluator.Score(ctx, e.base, []search.Move{{Flips: rows}})
	if err != nil {
		return search.Score{}, err
	}
	return scores[0], nil
}

// wholeRows are flips of rows of a tensor.
func wholeRows(t search.Matrix, rows []uint64) []bankai.Flip {
	flips := make([]bankai.Flip, len(rows))
	for i, r := range rows {
		flips[i] = bankai.Flip{Tensor: t.Name, Row: uint32(r), N: uint32(t.Groups * bankai.GroupSize)}
	}
	return flips
}

// numbers makes what may be undefined fit for a journal.
func numbers(values []float64) []report.NullFloat {
	out := make([]report.NullFloat, len(values))
	for i, v := range values {
		out[i] = report.NullFloat(v)
	}
	return out
}

// changes are after − before.
func changes(before, after []report.NullFloat) []float64 {
	out := make([]float64, len(before))
	for i := range out {
		out[i] = float64(after[i] - before[i])
	}
	return out
}

func magnitudes(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Abs(v)
	}
	return out
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}

// resamples is how often a bootstrap draws: enough for two digits of an interval's
// ends.
const resamples = 2000

// resample calls visit rounds times, each time with n indices below n that are drawn
// with replacement.
func resample(n int, seed uint64, rounds int, visit func(pick []int)) {
	random := rng.Numbered(seed, drawStream)
	pick := make([]int, n)
	for range rounds {
		for i := range pick {
			pick[i] = random.Int(n)
		}
		visit(pick)
	}
}

// resampled is a statistic of n units with its bootstrap interval over them.
func resampled(value float64, n int, seed uint64, stat func(pick []int) float64) report.Estimate {
	return report.EstimateOf(value, stats.Bootstrap(n, seed, resamples, stat), n)
}

// Correlation is Spearman's, with its p-value.
type Correlation struct {
	Rho report.Estimate  `json:"rho"`
	P   report.NullFloat `json:"p_value"` // of the test that there is no association, two-sided
}

func correlate(x, y []float64) Correlation {
	rho, p := stats.SpearmanTest(x, y)
	return Correlation{report.EstimateOf(rho, stats.SpearmanInterval(rho, len(x)), len(x)), report.NullFloat(p)}
}

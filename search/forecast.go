package search

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"bankai"
	"bankai/engine"
)

// Forecast is a flip and the fitness that a patch is predicted to have once it is
// XORed in.
type Forecast struct {
	Flip    bankai.Flip
	Fitness float64
}

// Forecaster predicts the fitness of every single flip of a pool at once.
type Forecaster interface {
	// Forecast returns the n flips of whole rows of the given matrices whose
	// predicted fitness on the patch cur is the highest, the highest first, and
	// what that cost in forward-pass equivalents. It is as pure as Score.
	Forecast(ctx context.Context, cur *bankai.Patch, ms []Matrix, n int) ([]Forecast, float64, error)
}

// forecastCost is the cost of a gradient in passes over all probes: one forward,
// two back.
const forecastCost = 3

// Forecast implements Forecaster by one forward and one backward pass. To first
// order in what a flip changes at its own site, and exactly through SwiGLU, it
// predicts the change of every probe's metric, then applies the fitness to the
// predicted values: so a control costs only what it loses.
func (e *ModelEvaluator) Forecast(ctx context.Context, cur *bankai.Patch, ms []Matrix, n int) (best []Forecast, cost float64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	err = e.on(ctx, cur, func() error {
		s := newSiteScores(e, ms)
		if _, err := e.model.Gradient(ctx, e.sloped(), s.visit); err != nil {
			return err
		}
		best = s.best(e.current(), n)
		return nil
	})
	return best, forecastCost * e.cost(e.all, 0), err
}

// sloped are the questions with their metrics as functions of the answers.
func (e *ModelEvaluator) sloped() []engine.Sloped {
	out := make([]engine.Sloped, len(e.questions))
	for i, q := range e.questions {
		out[i] = engine.Sloped{Question: q.Question, Weighting: q.weighting()}
	}
	return out
}

// weighting is the metric as a function of the answers.
func (q question) weighting() engine.Weighting {
	if q.metric.OnMargin() {
		return engine.Weighting{Margins: q.metric.Weights()}
	}
	return engine.Weighting{LogProbs: q.metric.Weights()}
}

// siteScores adds up, for every row of some matrices, the predicted change of
// what the fitness needs: of the targets' mean, or of each target if their least
// gain counts, and of each control.
type siteScores struct {
	e        *ModelEvaluator
	matrices []Matrix
	byTensor map[string]int
	slot     []int       // of every question
	slots    int         // values a row
	sums     [][]float32 // by matrix: [slot][row]
}

func newSiteScores(e *ModelEvaluator, ms []Matrix) *siteScores {
	s := &siteScores{e: e, matrices: ms, byTensor: map[string]int{}, slot: make([]int, len(e.questions))}
	if e.opts.Reduce == Mean {
		s.slots = 1
	}
	for q := range s.slot {
		if q >= e.targets || e.opts.Reduce != Mean {
			s.slot[q] = s.slots
			s.slots++
		}
	}
	for i, m := range ms {
		s.byTensor[m.Name] = i
		s.sums = append(s.sums, make([]float32, s.slots*m.Rows))
	}
	return s
}

// visit adds what one layer says of some questions.
func (s *siteScores) visit(l *engine.Slopes) error {
	for k, p := range l.Projections {
		i, ok := s.byTensor[p.Tensor]
		if !ok {
			continue
		}
		rows := s.matrices[i].Rows
		if got := len(p.Y) / len(l.Questions); got != rows {
			return fmt.Errorf("search: %s has %d rows, not %d", p.Tensor, got, rows)
		}
		gate, up := l.Hidden != nil && k == 0, l.Hidden != nil && k == 1
		slope, output := p.DY, p.Y
		if gate {
			slope = l.DHidden
		} else if up { // negates the hidden unit
			slope, output = l.DHidden, l.Hidden
		}
		for t, q := range l.Questions {
			sum := s.sums[i][s.slot[q]*rows:][:rows]
			d, y := slope[t*rows:][:rows], output[t*rows:][:rows]
			if gate { // silu(−g) − silu(g) = −g
				u := l.Projections[1].Y[t*rows:][:rows]
				for r := range sum {
					sum[r] -= float32(float32(d[r]*y[r]) * u[r])
				}
				continue
			}
			for r := range sum {
				sum[r] -= 2 * float32(d[r]*y[r])
			}
		}
	}
	return nil
}

// best returns the n rows with the highest predicted fitness, given the values of
// all questions as they are; of equal ones, the first.
func (s *siteScores) best(values []float64, n int) []Forecast {
	e := s.e
	predicted := make([]float64, len(values))
	var top []Forecast
	worst := math.Inf(-1)
	for i, m := range s.matrices {
		for r := range m.Rows {
			for q, v := range values {
				change := float64(s.sums[i][s.slot[q]*m.Rows+r])
				if q < e.targets && e.opts.Reduce == Mean {
					change /= float64(e.targets)
				}
				predicted[q] = v + change
			}
			f := e.opts.Fitness(*e.base, e.split(predicted))
			if math.IsNaN(f) || f <= worst && len(top) >= n {
				continue
			}
			top = append(top, Forecast{bankai.Flip{Tensor: m.Name, Row: uint32(r), N: bankai.ToEnd}, f})
			if len(top) >= 2*n {
				top = cut(top, n)
				worst = top[n-1].Fitness
			}
		}
	}
	return cut(top, n)
}

// cut keeps the n highest, the highest first.
func cut(top []Forecast, n int) []Forecast {
	slices.SortStableFunc(top, func(a, b Forecast) int { return cmp.Compare(b.Fitness, a.Fitness) })
	return top[:min(n, len(top))]
}

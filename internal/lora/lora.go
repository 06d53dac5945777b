// Package lora trains a low-rank adapter on a frozen 1-bit model: what patches are
// to be compared with. It climbs the same fitness, on the same probes, by the same
// backward pass as the search.
package lora

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"bankai/engine"
	"bankai/score"
	"bankai/search"
)

// Config says how to train.
type Config struct {
	Kind  Kind    // of the factors
	Steps int     // gradients, each over all probes
	Rate  float64 // of Adam: about how far a parameter moves in a step; 0 means DefaultRate or DefaultSignRate
	Beta1 float64 // of Adam, 0 meaning 0.9
	Beta2 float64 // of Adam, 0 meaning 0.999
	Seed  uint64  // of A at the start

	Progress func(Point) // called at every point of the trajectory; may be nil

	// Visit is called after every step, with the adapter as it then is, the steps
	// taken and the forward-pass equivalents they took; may be nil. It may put
	// another adapter on the workbench, and must then put this one back.
	Visit func(steps int, cost float64) error
}

// DefaultRate is the best of 0.003, 0.01, 0.03 and 0.1 on the demo model.
const DefaultRate = 0.01

// DefaultSignRate is that of the latents of signs: the best of six settings that were
// tried with one seed on the demo model, of 0.03, 0.1 and 0.3. Others may be better.
const DefaultSignRate = 0.03

func (k Kind) defaultRate() float64 {
	if k == Sign {
		return DefaultSignRate
	}
	return DefaultRate
}

func (c Config) orDefaults() Config {
	c.Rate, c.Beta1, c.Beta2 = cmp.Or(c.Rate, c.Kind.defaultRate()), cmp.Or(c.Beta1, 0.9), cmp.Or(c.Beta2, 0.999)
	return c
}

func (c Config) check() error {
	switch {
	case c.Steps < 1:
		return fmt.Errorf("lora: steps %d: must be at least 1", c.Steps)
	case !(c.Rate > 0) || math.IsInf(c.Rate, 1):
		return fmt.Errorf("lora: rate %v: must be a finite number above 0", c.Rate)
	case !(c.Beta1 > 0 && c.Beta1 < 1), !(c.Beta2 > 0 && c.Beta2 < 1):
		return fmt.Errorf("lora: betas %v and %v: must be between 0 and 1", c.Beta1, c.Beta2)
	}
	return nil
}

// Point is a state of a training: before a step, or at the end.
type Point struct {
	Step    int     `json:"step"`    // steps taken
	Cost    float64 `json:"cost"`    // forward-pass equivalents spent
	Fitness float64 `json:"fitness"` // nats
	Seconds float64 `json:"seconds"` // since the training began
}

// Result is what a training came to.
type Result struct {
	Trajectory []Point      // one for every step, from where it was taken, and the end
	Start      search.Score // of the model without the adapter, whose fitness is 0
	Final      search.Score // of the model with it
	Cost       float64      // forward-pass equivalents, counted as the search counts them
	Seconds    float64
}

// Train begins with a random A and a B that is 0, and takes Config.Steps steps of Adam up
// the fitness that ev stands for: always that many, with no look at other probes. A
// gradient costs three passes over ev's probes, and so does not measure the fitness
// apart, but at the end, for one.
//
// The adapter is one of the evaluator's workbench, which must have none on. During the
// training it has a, and none afterwards: see [engine.Workbench.Adapt]. After an error, which may be that of the
// context, a holds what the training came to. The same arguments give the same bits.
func Train(ctx context.Context, ev *score.Evaluator, a *engine.Adapter, c Config) (_ *Result, err error) {
	c = c.orDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	w, r, began := ev.Workbench(), new(Result), time.Now()
	if r.Start, err = ev.Baseline(ctx); err != nil {
		return nil, err
	}
	climb := c.start(a)
	if err := w.Adapt(a); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Adapt(nil)) }()
	for step := range c.Steps {
		gradient := a.Zeros()
		score, err := ev.Ascend(ctx, func(s *engine.LayerGradient, weight []float32) error {
			a.AddGradient(s, weight, gradient)
			return nil
		})
		if err != nil {
			return nil, err
		}
		if err := r.add(step, score, began, c); err != nil {
			return nil, err
		}
		climb.step(gradient)
		if c.Visit != nil {
			if err := c.Visit(step+1, r.Cost); err != nil {
				return nil, err
			}
		}
	}
	if r.Final, err = ev.Measure(ctx); err != nil {
		return nil, err
	}
	return r, r.add(c.Steps, r.Final, began, c)
}

// add takes a point in, as it was at the start of a step that costs what score says.
func (r *Result) add(step int, score search.Score, began time.Time, c Config) error {
	if math.IsNaN(score.Fitness) || math.IsInf(score.Fitness, 0) {
		return fmt.Errorf("lora: after %d steps the fitness is %v: choose a lower rate than %v", step, score.Fitness, c.Rate)
	}
	r.Cost += score.Cost
	r.Seconds = time.Since(began).Seconds()
	p := Point{step, r.Cost, score.Fitness, r.Seconds}
	r.Trajectory = append(r.Trajectory, p)
	if c.Progress != nil {
		c.Progress(p)
	}
	return nil
}

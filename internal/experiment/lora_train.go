package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bankai/engine"
	"bankai/internal/lora"
	"bankai/internal/report"
	"bankai/measure"
	"bankai/score"
)

// training is one of an adapter, from a random start.
type training struct {
	LoRAOptions
	kind lora.Kind
	rank int
	rate float64
	seed uint64
	name string // without the work it takes
}

// run trains the adapter once, and measures it at every stop: what comes after a stop
// does not change what came before, so one training serves all costs.
func (t training) run(ctx context.Context, r *Run, ev *score.Evaluator) (pieces []loraPiece, err error) {
	w := ev.Workbench()
	a, err := w.NewAdapter(t.rank, t.Tensors)
	if err != nil {
		return nil, err
	}
	base, err := ev.Baseline(ctx)
	if err != nil {
		return nil, err
	}
	stops, err := t.stops(base.Cost)
	if err != nil {
		return nil, err
	}
	steps := stops[len(stops)-1]
	var now lora.Point
	_, err = lora.Train(ctx, ev, a, lora.Config{
		Kind: t.kind, Steps: steps, Rate: t.rate, Seed: t.seed,
		Progress: func(p lora.Point) {
			now = p
			r.tell(fmt.Sprintf("%s, seed %d: step %d of %d, fitness %+.3f", t.name, t.seed, p.Step, steps, p.Fitness))
		},
		Visit: func(step int, cost float64) error {
			at := slices.Index(stops, step)
			if at < 0 {
				return nil
			}
			v := Adaptation{
				Name: t.name, Series: t.name, Rank: t.rank, Seed: t.seed, Steps: step,
				Params: t.kind.Params(a), Bytes: t.kind.Bytes(a), Cost: cost + base.Cost, Seconds: now.Seconds,
			}
			if len(stops) > 1 {
				v.Name += fmt.Sprintf(", %v passes", t.Costs[at])
			}
			p, err := t.shipped(ctx, w, a, v)
			pieces = append(pieces, p)
			return err
		},
	})
	return pieces, err
}

// stops are the steps after which the adapter is measured. A step costs three passes
// over all questions, and the end, as in a search, one to see what came out.
func (t training) stops(pass float64) (steps []int, err error) {
	if len(t.Costs) == 0 {
		return []int{t.Steps}, nil
	}
	for _, cost := range t.Costs {
		n := int((cost/pass - 1) / 3)
		if n < 1 {
			return nil, fmt.Errorf("%v forward-pass equivalents: a step and its measurement take %.1f: give more", cost, 4*pass)
		}
		if len(steps) > 0 && n == steps[len(steps)-1] {
			return nil, fmt.Errorf("%v forward-pass equivalents allow %d steps, as many as the cost before: give costs that are %.1f or more apart", cost, n, 3*pass)
		}
		steps = append(steps, n)
	}
	return steps, nil
}

// shipped measures the adapter as a file would hold it, on the workbench that trains
// it, which has a on again afterwards.
func (t training) shipped(ctx context.Context, w *engine.Workbench, a *engine.Adapter, v Adaptation) (p loraPiece, err error) {
	half, err := w.NewAdapter(t.rank, t.Tensors)
	if err != nil {
		return p, err
	}
	half.Scale = a.Scale
	for i, f := range a.Factors() {
		copy(half.Factors()[i].A, f.A)
		copy(half.Factors()[i].B, f.B)
	}
	if half.Half(); !finite(half) {
		return p, errors.New("it grew beyond what a float16 holds: give a lower rate")
	}
	if err := w.Adapt(half); err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, w.Adapt(a)) }()
	return t.measure(ctx, w.Model, nil, v)
}

// finite reports whether all parameters are numbers.
func finite(a *engine.Adapter) bool {
	for _, f := range a.Factors() {
		for _, v := range slices.Concat(f.A, f.B) {
			if v-v != 0 { // of an infinity or NaN it is NaN
				return false
			}
		}
	}
	return true
}

func (o LoRAOptions) patched(ctx context.Context, m *engine.Model, i int) (loraPiece, error) {
	p := o.Patches[i]
	overlay, err := m.Overlay(p.Patch)
	if err != nil {
		return loraPiece{}, err
	}
	bits, _ := p.Patch.Bits()
	size, err := p.Patch.ContentSize()
	if err != nil {
		return loraPiece{}, err
	}
	series := p.Name
	if len(o.PatchCosts) > 0 { // of patches called x-60 and x-120, what they have in common
		series = strings.TrimRight(strings.TrimRight(series, "0123456789"), "-")
	}
	return o.measure(ctx, m, overlay, Adaptation{Name: p.Name, Series: cmp.Or(series, p.Name), Params: int(bits), Bytes: size, Origin: p.Patch.Meta().Description})
}

// measure asks the model as it is now, through an overlay.
func (o LoRAOptions) measure(ctx context.Context, m *engine.Model, overlay *engine.Overlay, v Adaptation) (p loraPiece, err error) {
	p.Result = v
	if p.Seen, err = measure.Right(ctx, m, overlay, o.Search); err != nil {
		return p, err
	}
	if p.HeldOut, err = measure.Right(ctx, m, overlay, o.HeldOut); err != nil {
		return p, err
	}
	for _, set := range o.Also {
		right, err := measure.Right(ctx, m, overlay, set.Set)
		if err != nil {
			return p, err
		}
		p.Also = append(p.Also, right)
	}
	if o.Problems != nil {
		if p.Problems, err = o.Problems.Right(ctx, m, overlay); err != nil {
			return p, err
		}
	}
	for _, t := range o.Windows {
		known, err := t.logProbs(ctx, m, overlay)
		if err != nil {
			return p, err
		}
		p.Windows = append(p.Windows, known)
	}
	perplexity, err := measure.Perplexity(ctx, m, overlay, o.Text)
	p.Perplexity = report.NullFloat(perplexity)
	return p, err
}

// logProbs are ln p of the text's tokens, those of a window at a time.
func (o TextOptions) logProbs(ctx context.Context, m *engine.Model, overlay *engine.Overlay) (all []float64, err error) {
	starts, err := o.starts()
	if err != nil {
		return nil, err
	}
	for _, s := range starts {
		q := o.question(s)
		q.Overlay = overlay
		answers, err := m.ScoreTokens(ctx, []engine.Question{q})
		if err != nil {
			return nil, err
		}
		known, _ := logProbs(answers[0])
		all = append(all, known...)
	}
	return all, nil
}

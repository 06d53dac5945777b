package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bankai/engine"
	"bankai/internal/report"
	"bankai/internal/stats"
)

// Timing is what something costs while the model runs, against the model as it
// is, taken in turns. Times are of this machine and do not repeat to the bit.
type Timing struct {
	Name       string          `json:"name"`
	Prompt     report.Estimate `json:"prompt"`     // time for a prompt token, times that of the model as it is
	Generation report.Estimate `json:"generation"` // the same for a generated token
	Switch     float64         `json:"switch_us"`  // to switch it on, microseconds, median; 0 where there is nothing to do
	Memory     int64           `json:"memory"`     // bytes beside the weights while it is on
}

const (
	timedPrompt = 64 // tokens
	timedTokens = 32 // generated, one after another
)

// variant is a way to run the model.
type variant struct {
	name   string
	on     func() (*engine.Overlay, error) // what sequences are to run under, if anything; nil: nothing to do
	off    func() error                    // nil: nothing to do
	memory int64
}

// timingKey says what the timings are of.
func (o LoRAOptions) timingKey() string {
	key := fmt.Sprintf("timing, %d rounds, ranks %v of %d tensors", o.Rounds, o.Ranks, len(o.Tensors))
	if len(o.Patches) > 0 {
		key += fmt.Sprintf(", %s (%.12s)", o.Patches[0].Name, o.Patches[0].Patch.ContentDigest())
	}
	return key
}

// time takes all ways in turns, so that what else the machine does falls on all
// alike.
func (o LoRAOptions) time(ctx context.Context, m *engine.Model) ([]Timing, error) {
	w := m.Workbench()
	all, err := o.variants(w)
	if err != nil {
		return nil, err
	}
	prompts, tokens, switches := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	for round := range o.Rounds + 1 {
		for i, c := range all {
			p, g, s, err := c.run(ctx, w.Model)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 { // the first one warms up
				prompts[i], tokens[i], switches[i] = append(prompts[i], p), append(tokens[i], g), append(switches[i], s)
			}
		}
	}
	out := make([]Timing, len(all))
	for i, c := range all {
		slices.Sort(switches[i])
		out[i] = Timing{Name: c.name, Prompt: ratios(prompts[i], prompts[0]), Generation: ratios(tokens[i], tokens[0]), Memory: c.memory}
		if c.on != nil {
			out[i].Switch = stats.Quantile(switches[i], 0.5)
		}
	}
	return out, nil
}

// ratios is the mean, with its interval, of the ratio of times to base in each round.
func ratios(times, base []float64) report.Estimate {
	out := make([]float64, len(times))
	for i := range times {
		out[i] = times[i] / base[i]
	}
	return report.MeanOf(out)
}

func (o LoRAOptions) variants(w *engine.Workbench) ([]variant, error) {
	all := []variant{{name: "as it is"}}
	for _, p := range o.Patches[:min(1, len(o.Patches))] {
		size, err := p.Patch.ContentSize()
		if err != nil {
			return nil, err
		}
		apply := func() error { return w.Apply(p.Patch) }
		all = append(all,
			variant{name: p.Name + ", in place", on: func() (*engine.Overlay, error) { return nil, apply() }, off: apply},
			variant{name: p.Name + ", as an overlay", on: func() (*engine.Overlay, error) { return w.Overlay(p.Patch) }, memory: size})
	}
	for _, rank := range o.Ranks {
		a, err := w.NewAdapter(rank, o.Tensors)
		if err != nil {
			return nil, err
		}
		all = append(all, variant{
			name: fmt.Sprintf("LoRA of rank %d", rank), memory: 4 * int64(a.Params()),
			on: func() (*engine.Overlay, error) { return nil, w.Adapt(a) }, off: func() error { return w.Adapt(nil) },
		})
	}
	return all, nil
}

// run measures the time of a prompt token and of a generated one, in seconds, and the
// time of switching the variant on, in microseconds.
func (c variant) run(ctx context.Context, m *engine.Model) (prompt, token, on float64, err error) {
	var overlay *engine.Overlay
	if c.on != nil {
		began := time.Now()
		if overlay, err = c.on(); err != nil {
			return 0, 0, 0, err
		}
		on = time.Since(began).Seconds() * 1e6
	}
	if c.off != nil {
		defer func() { err = errors.Join(err, c.off()) }()
	}
	b := m.NewBatch(0)
	s := b.NewSeq(overlay)
	defer s.Release()
	ids := make([]int32, timedPrompt)
	for i := range ids {
		ids[i] = int32(i % m.Config().Vocab)
	}
	began := time.Now()
	if _, err := b.Step(ctx, []engine.Input{{Seq: s, Tokens: ids, Logits: 1}}); err != nil {
		return 0, 0, 0, err
	}
	prompt = time.Since(began).Seconds() / timedPrompt
	began = time.Now()
	for i := range timedTokens {
		if _, err := b.Step(ctx, []engine.Input{{Seq: s, Tokens: ids[i : i+1], Logits: 1}}); err != nil {
			return 0, 0, 0, err
		}
	}
	return prompt, time.Since(began).Seconds() / timedTokens, on, nil
}

// Package speed measures how fast a model runs on this machine: prompts, generation,
// generation behind a long context, applying a patch, and the steps of a search.
package speed

import (
	"context"
	"slices"
	"time"

	"bankai"
	"bankai/engine"
)

// Plan is what to measure of prompts and generation.
type Plan struct {
	Prompt int // tokens
	Tokens int // to generate
	Repeat int // how often; the median counts
}

// Runs measures reading a prompt (pp) and generating after it (tg), in tokens a second:
// the medians of several runs. After each it calls progress with how many are done.
func (p Plan) Runs(ctx context.Context, m *engine.Model, progress func(done int)) (pp, tg float64, err error) {
	var pps, tgs []float64
	for i := range p.Repeat {
		prompt, generation, err := p.once(ctx, m)
		if err != nil {
			return 0, 0, err
		}
		pps, tgs = append(pps, prompt), append(tgs, generation)
		progress(i + 1)
	}
	return median(pps), median(tgs), nil
}

// once times a prompt and then single tokens after it, in tokens a second.
func (p Plan) once(ctx context.Context, m *engine.Model) (pp, tg float64, err error) {
	b := m.NewBatch(0)
	s := b.NewSeq(nil)
	ids := make([]int32, p.Prompt)
	for i := range ids {
		ids[i] = int32(37 * i % m.Config().Vocab)
	}
	began := time.Now()
	if _, err := b.Step(ctx, []engine.Input{{Seq: s, Tokens: ids, Logits: 1}}); err != nil {
		return 0, 0, err
	}
	pp = float64(p.Prompt) / time.Since(began).Seconds()
	tg, err = p.generation(ctx, b, s)
	return pp, tg, err
}

// generation times single tokens after those of s, in tokens a second.
func (p Plan) generation(ctx context.Context, b *engine.Batch, s *engine.Seq) (float64, error) {
	began := time.Now()
	for range p.Tokens {
		if _, err := b.Step(ctx, []engine.Input{{Seq: s, Tokens: []int32{0}, Logits: 1}}); err != nil {
			return 0, err
		}
	}
	return float64(p.Tokens) / time.Since(began).Seconds(), nil
}

// Context is generation behind a context that was filled with random keys and values.
type Context struct {
	Tokens int     `json:"tokens"`
	TG     float64 `json:"tg"`       // generated tokens a second
	KV     int64   `json:"kv_bytes"` // of the context's key-value cache
}

// Behind measures generation behind n tokens that were never computed: the median of
// several runs, all from the same place, after one that is not counted because it makes
// the tables of the positions.
func (p Plan) Behind(ctx context.Context, m *engine.Model, n int) (Context, error) {
	b := m.NewBatch(0)
	s := b.NewSeq(nil)
	s.FillRandom(n)
	c := Context{Tokens: n, KV: b.Memory().Used}
	var speeds []float64
	for range 1 + p.Repeat {
		f := s.Fork()
		tg, err := p.generation(ctx, b, f)
		if err != nil {
			return c, err
		}
		f.Release()
		speeds = append(speeds, tg)
	}
	c.TG = median(speeds[1:])
	return c, nil
}

// AppliedRows is the size of the patch that Apply times.
const AppliedRows = 100

// Apply times applying a patch of [AppliedRows] gate rows, in microseconds, on a
// workbench that has copied their matrices: the median of 20 times.
func Apply(m *engine.Model) (float64, error) {
	c := m.Config()
	var flips []bankai.Flip
	for i := range AppliedRows {
		name, err := bankai.TensorName(i%c.Layers, "gate_proj")
		if err != nil {
			return 0, err
		}
		flips = append(flips, bankai.Flip{Tensor: name, Row: uint32(i * 7919 % c.FFN), N: bankai.ToEnd})
	}
	p := bankai.New(bankai.Digest{}, bankai.Meta{}, flips...)
	w := m.Workbench()
	if err := w.Apply(p); err != nil {
		return 0, err
	}
	var times []float64
	for range 20 {
		began := time.Now()
		if err := w.Apply(p); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/1e3)
	}
	return median(times), nil
}

// Limits is what the machine allows a model.
type Limits struct {
	PP        *float64 `json:"pp"` // prompt tokens a second; null if unknown
	TG        float64  `json:"tg"` // generated tokens a second
	GMACs     *float64 `json:"gmac_per_s"`
	Bandwidth float64  `json:"gb_per_s"`
}

// LimitsOf measures the machine.
func LimitsOf(m *engine.Model) Limits {
	l := m.Limits()
	out := Limits{TG: l.Generation(), Bandwidth: l.Bandwidth / 1e9}
	if l.MACs > 0 {
		pp, gmacs := l.Prompt(), l.MACs/1e9
		out.PP, out.GMACs = &pp, &gmacs
	}
	return out
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

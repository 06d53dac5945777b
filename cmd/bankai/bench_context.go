package main

import (
	"context"
	"fmt"

	"bankai/engine"
	"bankai/internal/text"
)

// benchContext is generation behind a context that was filled with random keys and
// values.
type benchContext struct {
	Tokens int     `json:"tokens"`
	TG     float64 `json:"tg"`       // generated tokens a second
	KV     int64   `json:"kv_bytes"` // of the context's key-value cache
}

func (a *app) benchContexts(ctx context.Context, m *engine.Model, plan benchPlan) (all []benchContext, err error) {
	if len(plan.contexts) == 0 {
		return nil, nil
	}
	progress := a.meter("bench, contexts", int64(len(plan.contexts)))
	defer progress.stop()
	for i, n := range plan.contexts {
		c, err := benchBehind(ctx, m, int(n), plan.tokens, plan.repeat)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		progress.set(int64(i+1), "")
	}
	return all, nil
}

// benchBehind measures generation behind n tokens: the median of several runs, all
// from the same place, after one that is not counted because it makes the tables of
// the positions.
func benchBehind(ctx context.Context, m *engine.Model, n, tokens, repeat int) (benchContext, error) {
	b := m.NewBatch(0)
	s := b.NewSeq(nil)
	s.FillRandom(n)
	c := benchContext{Tokens: n, KV: b.Memory().Used}
	var speeds []float64
	for range 1 + repeat {
		f := s.Fork()
		tg, err := benchGeneration(ctx, b, f, tokens)
		if err != nil {
			return c, err
		}
		f.Release()
		speeds = append(speeds, tg)
	}
	c.TG = median(speeds[1:])
	return c, nil
}

func (c benchContext) fact() fact {
	return fact{
		fmt.Sprintf("behind %d tokens", c.Tokens),
		fmt.Sprintf("%s tokens/s, key-value cache of %s (random, not computed)", text.ThreeDigits(c.TG), text.Size(c.KV)),
	}
}

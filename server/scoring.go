package server

import (
	"context"
	"slices"

	"bankai/engine"
)

// scorePrompt finds the log-probabilities of a prompt's tokens, each given those before
// it, as engine.Model.Score does. One prompt is scored at a time.
func (l *loaded) scorePrompt(ctx context.Context, j *job, prompt []int32, to *textLogProbs) error {
	offset := 0
	l.addTextLogProbs(to, &offset, prompt[0], nil, nil)
	if len(prompt) == 1 {
		return nil
	}
	l.scoring.Lock()
	defer l.scoring.Unlock()
	b := l.model.NewBatch(0)
	seq := b.NewSeq(j.set.overlay)
	defer seq.Release()
	in := []engine.Input{{Seq: seq, Tokens: prompt[:len(prompt)-1], Logits: len(prompt) - 1}}
	next := 1
	return b.Each(ctx, in, func(_, _ int, logits []float32) {
		lse, id := l.model.LogSumExp(logits), prompt[next]
		p := float64(logits[id]) - lse
		var top []engine.LogProb
		for _, t := range likeliest(logits, j.top) {
			top = append(top, engine.LogProb{ID: t, LogProb: float64(logits[t]) - lse})
		}
		l.addTextLogProbs(to, &offset, id, &p, top)
		next++
	})
}

// likeliest are the n tokens of the largest logits, the largest first.
func likeliest(logits []float32, n int) (top []int32) {
	for id, logit := range logits {
		at := len(top)
		for at > 0 && logit > logits[top[at-1]] {
			at--
		}
		if at < n {
			top = slices.Insert(top, at, int32(id))[:min(len(top)+1, n)]
		}
	}
	return top
}

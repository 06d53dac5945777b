package measure

import (
	"context"
	"fmt"
	"strings"

	"bankai/engine"
	"bankai/internal/bpe"
	"bankai/internal/parts"
	"bankai/probe"
)

// Model is what answering a probe set takes; *engine.Model is one.
type Model interface {
	Scorer
	Tokenizer() *bpe.Tokenizer
	Generate(ctx context.Context, reqs []engine.Request, emit func(i int, id int32)) ([]engine.Result, error)
}

// Measurement is how a model, patched or not, does on a probe set: a value for
// each probe, in order.
type Measurement struct {
	Texts      []string  // the greedy answer, up to and without probe.Stop
	Right      []bool    // whether probe.Probe.Match accepts it
	SeqLogprob []float64 // in nats
}

// measured is how many probes a machine answers at once, between two calls of
// progress. Results do not depend on it.
const measured = 32

// atOnce is how many probes are worth asking a model at once.
func atOnce(m Scorer) int { return measured * max(1, m.Width()) }

// inParts asks a model about n probes, as many at once as are worth it, and takes what comes
// in order.
func inParts[T any](ctx context.Context, m Scorer, n int, ask func(ctx context.Context, lo, hi int) (T, error), take func(lo, hi int, got T) error) error {
	return parts.Do(ctx, n, func() bool { return m.Width() > 1 }, func(lo int) int { return lo + atOnce(m) }, ask, take)
}

// Measure lets the model answer every probe greedily, through the overlay o (nil
// is the base), and scores right against wrong answers. An answer may take
// probe.MaxTokens tokens, or as many as the longest right spelling and its
// terminator need where that is more. After every few probes progress, unless
// nil, is told how many are done.
func Measure(ctx context.Context, m Model, o *engine.Overlay, set probe.Set, progress func(done int)) (*Measurement, error) {
	out := &Measurement{}
	err := inParts(ctx, m, len(set), func(ctx context.Context, lo, hi int) (*Measurement, error) {
		part := &Measurement{}
		if err := part.answer(ctx, m, o, set[lo:hi]); err != nil {
			return nil, fmt.Errorf("answering probes %d to %d: %w", lo+1, hi, err)
		}
		if err := part.score(ctx, m, o, set[lo:hi]); err != nil {
			return nil, fmt.Errorf("scoring probes %d to %d: %w", lo+1, hi, err)
		}
		return part, nil
	}, func(_, hi int, part *Measurement) error {
		out.Texts = append(out.Texts, part.Texts...)
		out.Right = append(out.Right, part.Right...)
		out.SeqLogprob = append(out.SeqLogprob, part.SeqLogprob...)
		if progress != nil {
			progress(hi)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Right tells which probes of a set the model answers right, as Measure does.
func Right(ctx context.Context, m Model, o *engine.Overlay, set probe.Set) ([]bool, error) {
	var right []bool
	err := inParts(ctx, m, len(set), func(ctx context.Context, lo, hi int) ([]bool, error) {
		part := &Measurement{}
		err := part.answer(ctx, m, o, set[lo:hi])
		return part.Right, err
	}, func(_, _ int, part []bool) error {
		right = append(right, part...)
		return nil
	})
	return right, err
}

// answered ends a request at the token that has [probe.Stop].
var answered = engine.Until{Line: engine.AnyLine}

// answer appends the generated texts and their marks.
func (out *Measurement) answer(ctx context.Context, m Model, o *engine.Overlay, set probe.Set) error {
	tok := m.Tokenizer()
	reqs := make([]engine.Request, len(set))
	for i, p := range set {
		reqs[i] = engine.Request{
			Prompt: tok.Encode(p.Prompt), Overlay: o, Max: budget(tok, p),
			Until: answered,
		}
	}
	results, err := m.Generate(ctx, reqs, nil)
	if err != nil {
		return err
	}
	for i, r := range results {
		text, _, _ := strings.Cut(tok.Decode(r.IDs), probe.Stop)
		out.Texts = append(out.Texts, text)
		out.Right = append(out.Right, set[i].Match(text))
	}
	return nil
}

// budget is how many tokens an answer may take. The published limit alone would
// mark long right answers wrong, and one that ends exactly at it right whatever
// followed.
func budget(e probe.Encoder, p probe.Probe) int {
	n := probe.MaxTokens
	prompt := len(e.Encode(p.Prompt))
	for _, s := range p.Spellings() {
		n = max(n, len(e.Encode(p.Prompt+s+probe.Stop))-prompt)
	}
	return n
}

// score appends the teacher-forced metric.
func (out *Measurement) score(ctx context.Context, m Model, o *engine.Overlay, set probe.Set) error {
	questions := make([]engine.Question, len(set))
	for i, p := range set {
		t, err := p.Tokens(m.Tokenizer())
		if err != nil {
			return err
		}
		questions[i] = engine.Question{Prompt: t.Prompt, Answers: probe.SeqLogprob.Answers(t), Overlay: o}
	}
	answers, err := m.Score(ctx, questions)
	if err != nil {
		return err
	}
	for _, a := range answers {
		out.SeqLogprob = append(out.SeqLogprob, probe.SeqLogprob.Value([]float64{a[0].LogProb, a[1].LogProb}))
	}
	return nil
}

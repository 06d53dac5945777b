package guard

import (
	"cmp"
	"context"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/internal/progress"
	"bankai/internal/stats"
)

// Report says what a patch changed of what it should leave as it is.
type Report struct {
	HeldOut Part          `json:"held_out"` // what no search saw
	Used    *Part         `json:"used"`     // what the search was held to; nil if that was not measured
	Digest  bankai.Digest `json:"digest"`   // of the guard's definition and what is held out
	Definition
}

// Part is a report about some items. The divergence is that of the unpatched model to
// the patched one, KL(base ‖ patched).
type Part struct {
	Items  int `json:"items"`
	Tokens int `json:"answer_tokens"` // that are predicted
	// KL is the mean over the items of the mean divergence of their tokens, in nats,
	// with its interval over the items.
	KL       float64         `json:"kl"`
	Interval *stats.Interval `json:"interval"`
	// Same counts the greedy answers that stayed as they were to the last token.
	Same       int                 `json:"unchanged"`
	Greedy     int                 `json:"greedy"` // such answers in all
	ByCategory map[string]Category `json:"by_category"`
	Changes    []Change            `json:"changes"` // the worst
}

// Category is a part of a part.
type Category struct {
	Items  int     `json:"items"`
	KL     float64 `json:"kl"` // mean over the items
	Same   int     `json:"unchanged"`
	Greedy int     `json:"greedy"`
}

// Change is a greedy answer that another one took the place of.
type Change struct {
	Category string  `json:"category"`
	Prompt   string  `json:"prompt"`
	Before   string  `json:"before"`
	After    string  `json:"after"`
	KL       float64 `json:"kl"` // mean of the tokens of the answer before, nats
}

// shown is how many changes a report has.
const shown = 5

// memory bounds, in bytes, what is kept at a time of what the unpatched model says: 4
// for each token and entry of the vocabulary.
const memory = 128 << 20

// Measure compares the model under an overlay with the unpatched one: on what is held
// out, and with alsoUsed on what a search was held to. It takes two passes over either.
// The watcher may be nil.
func (g *Guard) Measure(ctx context.Context, m *engine.Model, overlay *engine.Overlay, alsoUsed bool, to progress.Watcher) (*Report, error) {
	r := &Report{Definition: g.Definition, Digest: g.Digest()}
	part, err := measure(ctx, m, overlay, g.HeldOut, "guard, held out", to)
	if err != nil {
		return nil, err
	}
	r.HeldOut = *part
	if alsoUsed {
		r.Used, err = measure(ctx, m, overlay, g.Used, "guard, as searched", to)
	}
	return r, err
}

func measure(ctx context.Context, m *engine.Model, overlay *engine.Overlay, items []Item, what string, to progress.Watcher) (*Part, error) {
	answers, err := compare(ctx, m, overlay, items, what, to)
	if err != nil {
		return nil, err
	}
	p := &Part{Items: len(items), ByCategory: map[string]Category{}, Changes: []Change{}}
	means := make([]float64, len(items))
	var changed []int
	for i, it := range items {
		n := len(it.Answers[0])
		means[i] = answers[i].KL / float64(n)
		p.Tokens += n
		c := p.ByCategory[it.Category]
		c.Items++
		c.KL += means[i]
		if it.Greedy {
			c.Greedy++
			p.Greedy++
			if answers[i].Greedy {
				c.Same++
				p.Same++
			} else {
				changed = append(changed, i)
			}
		}
		p.ByCategory[it.Category] = c
	}
	for name, c := range p.ByCategory {
		c.KL /= float64(c.Items)
		p.ByCategory[name] = c
	}
	p.KL, p.Interval = stats.MeanInterval(means)
	slices.SortStableFunc(changed, func(a, b int) int { return cmp.Compare(means[b], means[a]) })
	return p, p.tell(ctx, m, overlay, items, changed[:min(shown, len(changed))], means)
}

// compare scores the answers of items under an overlay, with their divergence from the
// unpatched model, some items at a time.
func compare(ctx context.Context, m *engine.Model, overlay *engine.Overlay, items []Item, what string, to progress.Watcher) ([]engine.Answer, error) {
	out := make([]engine.Answer, 0, len(items))
	if overlay == nil { // the divergence from itself is 0, and all answers are the same
		for range items {
			out = append(out, engine.Answer{Greedy: true})
		}
		return out, nil
	}
	set := func(int64, string) {}
	if to != nil {
		meter := to.Meter(what, int64(tokens(items)))
		defer meter.Stop()
		set = meter.Set
	}
	most := max(1, memory/(4*m.Config().Vocab))
	for done := 0; len(out) < len(items); {
		n, size := len(out), 0
		for n < len(items) && (size == 0 || size+len(items[n].Answers[0]) <= most) {
			size += len(items[n].Answers[0])
			n++
		}
		questions := Questions(items[len(out):n])
		refs, err := m.References(ctx, questions, engine.ReferenceOptions{})
		if err != nil {
			return nil, err
		}
		for i := range questions {
			questions[i].Reference, questions[i].Overlay = refs[i], overlay
		}
		scores, err := m.Score(ctx, questions)
		if err != nil {
			return nil, err
		}
		done += tokens(items[len(out):n])
		for _, s := range scores {
			out = append(out, s[0])
		}
		set(int64(done), "")
	}
	return out, nil
}

// tell lets the patched model answer what changed most.
func (p *Part) tell(ctx context.Context, m *engine.Model, overlay *engine.Overlay, items []Item, changed []int, means []float64) error {
	var reqs []engine.Request
	for _, i := range changed {
		reqs = append(reqs, engine.Request{Prompt: items[i].Prompt, Overlay: overlay, Max: max(shortAnswer, len(items[i].Answers[0]))})
	}
	results, err := m.Generate(ctx, reqs, nil)
	if err != nil {
		return err
	}
	tok := m.Tokenizer()
	for k, i := range changed {
		ids := results[k].IDs
		p.Changes = append(p.Changes, Change{
			Category: items[i].Category, Prompt: tok.Decode(items[i].Prompt), Before: tok.Decode(items[i].Answers[0]),
			After: tok.Decode(ids[:min(len(ids), len(items[i].Answers[0]))]), KL: means[i],
		})
	}
	return nil
}

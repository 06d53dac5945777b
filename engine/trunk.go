package engine

import (
	"context"
	"fmt"
	"slices"
)

// Trunk holds the residual stream of some questions at some cuts, so that an
// overlay that only changes what is above a cut is scored from there, with the
// same bits as from the beginning.
type Trunk struct {
	model   *Model
	qs      []asked
	rows    int   // tokens of all questions
	cuts    []Cut // ascending, above 0
	streams map[Cut][]float32
	answers [][]Answer
	tried   *tried // what Try kept, nil if nothing
}

// Branch is a question to score again, under an overlay that changes nothing
// below the cut Above.
type Branch struct {
	Question int // index into the trunk's
	Overlay  *Overlay
	Above    Cut
}

// NewTrunk scores the questions on the model as it is, so their overlays must be
// nil, and keeps their streams at the cuts, each of [tokens, Hidden] floats.
func (m *Model) NewTrunk(ctx context.Context, qs []Question, cuts ...Cut) (*Trunk, error) {
	t, err := m.newTrunk(qs)
	if err != nil {
		return nil, err
	}
	for _, c := range cuts {
		if c > 0 && t.streams[c] == nil {
			t.streams[c] = make([]float32, t.rows*m.config.Hidden)
			t.cuts = append(t.cuts, c)
		}
	}
	slices.Sort(t.cuts)
	return t, t.from(ctx, 0)
}

// newTrunk is a trunk that knows its questions, but keeps no streams and has not
// scored anything.
func (m *Model) newTrunk(qs []Question) (*Trunk, error) {
	t := &Trunk{model: m, qs: make([]asked, len(qs)), streams: map[Cut][]float32{}}
	for i, q := range qs {
		if q.Overlay != nil {
			return nil, fmt.Errorf("question %d has an overlay: patch the model in place", i)
		}
		if err := q.check(m.config.Vocab); err != nil {
			return nil, fmt.Errorf("question %d: %w", i, err)
		}
		t.qs[i] = asked{q, t.rows}
		t.rows += q.Tokens()
	}
	return t, nil
}

// tried is a trunk's questions under an overlay.
type tried struct {
	streams map[Cut][]float32 // at the cuts above from
	from    Cut
	answers [][]Answer
}

// from computes everything above a cut anew.
func (t *Trunk) from(ctx context.Context, c Cut) (err error) {
	t.answers, err = t.run(ctx, t.qs, c, t.streams)
	return err
}

// run scores qs from a kept cut, and fills streams at the cuts above.
func (t *Trunk) run(ctx context.Context, qs []asked, c Cut, streams map[Cut][]float32) ([][]Answer, error) {
	keep := map[Cut][]float32{}
	for _, above := range t.cuts {
		if above > c {
			keep[above] = streams[above]
		}
	}
	return t.model.ask(ctx, job{source: t.source(c), sink: sink{keep: keep}}, qs)
}

// source is the questions' stream at a cut that is kept, or their tokens at 0.
func (t *Trunk) source(c Cut) source { return source{c, t.streams[c]} }

// Try scores all questions under an overlay that changes nothing below the cut
// above, with the bits of Score, and keeps their streams for Adopt: as much memory
// again as the trunk's.
func (t *Trunk) Try(ctx context.Context, o *Overlay, above Cut) ([][]Answer, error) {
	qs := slices.Clone(t.qs)
	for i := range qs {
		qs[i].Overlay = o
	}
	if t.tried == nil {
		t.tried = &tried{streams: map[Cut][]float32{}}
		for _, c := range t.cuts {
			t.tried.streams[c] = make([]float32, len(t.streams[c]))
		}
	}
	t.tried.from, t.tried.answers = t.Start(above), nil
	answers, err := t.run(ctx, qs, t.tried.from, t.tried.streams)
	t.tried.answers = answers
	return answers, err
}

// Adopt follows the model being patched in place by what the overlay of the last
// Try was of, like Move but at no cost. It reports whether it could: not before a
// Try, nor twice after one.
func (t *Trunk) Adopt() bool {
	if t.tried == nil || t.tried.answers == nil {
		return false
	}
	for _, c := range t.cuts {
		if c > t.tried.from {
			t.streams[c], t.tried.streams[c] = t.tried.streams[c], t.streams[c]
		}
	}
	t.answers, t.tried.answers = t.tried.answers, nil
	return true
}

// Start is the cut from which a branch above c is scored: the highest that was
// kept, or 0.
func (t *Trunk) Start(c Cut) Cut {
	i, _ := slices.BinarySearch(t.cuts, c+1)
	if i == 0 {
		return 0
	}
	return t.cuts[i-1]
}

// Answers are those of the trunk's questions.
func (t *Trunk) Answers() [][]Answer { return t.answers }

// Move follows a patch of the model in place, which changed nothing below c. After
// an error the trunk must not be used any more. No other method may run meanwhile.
func (t *Trunk) Move(ctx context.Context, c Cut) error {
	if t.tried != nil {
		t.tried.answers = nil
	}
	return t.from(ctx, t.Start(c))
}

// Score scores branches. Those that start at the same cut share passes.
func (t *Trunk) Score(ctx context.Context, branches []Branch) ([][]Answer, error) {
	type group struct {
		at []int // indices of branches
		qs []asked
	}
	groups := map[Cut]*group{}
	for i, br := range branches {
		c := t.Start(br.Above)
		if groups[c] == nil {
			groups[c] = new(group)
		}
		q := t.qs[br.Question]
		q.Overlay = br.Overlay
		groups[c].at, groups[c].qs = append(groups[c].at, i), append(groups[c].qs, q)
	}
	out := make([][]Answer, len(branches))
	for c, g := range groups {
		answers, err := t.model.ask(ctx, job{source: t.source(c)}, g.qs)
		if err != nil {
			return nil, err
		}
		for k, i := range g.at {
			out[i] = answers[k]
		}
	}
	return out, nil
}

// Work is the number of products of a weight and an activation that scoring q
// from a cut takes, those of the attention itself not counted.
func (m *Model) Work(q Question, from Cut) float64 {
	tokens, logits := int64(q.Tokens()), int64(q.logits())
	work := logits * weightsOf(m.head)
	for c := max(from, 1); c < m.lastCut(); c++ {
		in, out := tokens, tokens
		if c > m.mixing { // see pass.narrow
			in = logits
		}
		if c >= m.mixing {
			out = logits
		}
		work += m.above(c).work(in, out)
	}
	return float64(work)
}

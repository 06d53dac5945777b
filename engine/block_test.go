package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bankai"
)

// decay is a block with a recurrent state, the plainest there is: S ← S/2 + x, and
// then x ← x + S/4. Unlike keys and values, every token overwrites the state, so a
// fork needs a copy.
type decay struct {
	layer, state int
	below        Cut
}

// decayState is S in every layer: [layer][Hidden].
type decayState [][]float32

func newDecayState(layers, hidden int) decayState {
	d := make(decayState, layers)
	for i := range d {
		d[i] = make([]float32, hidden)
	}
	return d
}

func (decayState) reserve(_, _ int)         {}
func (decayState) advance(_, _ int)         {}
func (decayState) random(_ *Batch, _ *pass) {}
func (*decay) projections() []projection    { return nil }
func (*decay) mixes() bool                  { return true }
func (*decay) work(_, _ int64) int64        { return 0 }
func (*decay) taped() int                   { return 0 }
func (*decay) back(*gradient, *pass) error  { return errors.New("there is no way back") }
func (d *decay) of(s *Seq) []float32        { return s.states[d.state].(decayState)[d.layer] }

func (d decayState) fork(int) state {
	f := newDecayState(len(d), len(d[0]))
	for i, s := range d {
		copy(f[i], s)
	}
	return f
}

func (d decayState) release(_ int) {
	for _, s := range d {
		clear(s)
	}
}

func (d *decay) forward(b *Batch, p *pass) {
	width := b.model.config.Hidden
	for t, k := range p.tokens {
		span := p.spans[k.span]
		s, x := d.of(span.seq), b.x[t*width:][:width]
		for i := range s {
			s[i] = float32(s[i]*0.5) + x[i]
			x[i] += float32(s[i] * 0.25)
		}
		for _, f := range span.forks {
			if f.n == k.pos+1 { // this is the last token that they share
				copy(d.of(f), s)
			}
		}
	}
	if d.below == b.model.mixing && p.grad == nil {
		p.narrow(b.x, width)
	}
}

// withDecay is a model of three layers with a decay below every attention, or, if top,
// above every MLP.
func withDecay(t *testing.T, top bool) *Model {
	m := testModel(t, shapes["untied, head_dim 128"], Options{})
	err := m.lay(func(w *wiring) {
		layers, hidden := m.config.Layers, m.config.Hidden
		number := w.state(func(*Batch, bool) state { return newDecayState(layers, hidden) })
		for layer := range layers {
			add := func(here bool) {
				if here {
					w.add(&decay{layer, number, Cut(len(w.blocks) + 1)})
				}
			}
			add(!top)
			w.attention(layer)
			w.mlp(layer)
			add(top)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// An architecture may have blocks whose state is copied by a fork and not shared: all
// that holds of keys and values holds of it.
func TestBlockWithRecurrentState(t *testing.T) {
	for _, top := range []bool{false, true} {
		m := withDecay(t, top)
		vocab := m.config.Vocab
		ids := randomIDs(rand.New(rand.NewPCG(41, 1)), 150, vocab)
		whole := logitsOf(t, m, nil, ids)
		if slices.Equal(whole[149*vocab:], logitsOf(t, testModel(t, shapes["untied, head_dim 128"], Options{}), nil, ids)[149*vocab:]) {
			t.Fatal("the block does nothing")
		}
		b := m.NewBatch(40)
		s := b.NewSeq(nil)
		for _, step := range []int{1, 7, 64} {
			sameBits(t, fmt.Sprintf("steps of %d", step), feedAll(t, s, ids, step), whole)
			s.Release() // and then it is empty
		}
		feedAll(t, s, ids[:100], 100)
		f := s.Fork()
		sameBits(t, "after a fork", feedAll(t, s, ids[100:], 9), whole[100*vocab:])
		sameBits(t, "a fork", feedAll(t, f, ids[100:], 5), whole[100*vocab:])
	}
}

// Answers continue their prompt's state, whether they are in one pass with it or not,
// and from whatever cut their question is scored.
func TestScoreWithRecurrentState(t *testing.T) {
	ctx := context.Background()
	for _, top := range []bool{false, true} {
		m := withDecay(t, top)
		qs := randomQuestions(rand.New(rand.NewPCG(42, 1)), 20, m.config.Vocab)
		want, err := m.Score(ctx, qs)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := scoreInPasses(m, 13, qs); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("in passes of 13 tokens the scores differ (%v)", err)
		}
		for i, q := range qs {
			last := q.Answers[len(q.Answers)-1]
			ids := slices.Concat(q.Prompt, last[:len(last)-1])
			logits := logitsOf(t, m, nil, ids)
			var sum float64
			for n, id := range last {
				row := head(logits, len(q.Prompt)-1+n, m.config.Vocab)
				sum += m.judged(row, m.LogSumExp(row), id).LogProb
			}
			if got := want[i][len(q.Answers)-1].LogProb; got != sum {
				t.Errorf("question %d: an answer has %v, step by step %v", i, got, sum)
			}
		}
		tensor := "blk.2.ffn_gate.weight"
		o, err := m.Overlay(patchOf(m, bankai.Flip{Tensor: tensor, Row: 5, N: bankai.ToEnd}))
		if err != nil {
			t.Fatal(err)
		}
		patched := slices.Clone(qs)
		for i := range patched {
			patched[i].Overlay = o
		}
		if want, err = m.Score(ctx, patched); err != nil {
			t.Fatal(err)
		}
		for c := Cut(1); c <= m.CutBelow(tensor); c++ {
			got, err := newTrunk(t, m, qs, []Cut{c}).Try(ctx, o, c)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("from cut %d the scores differ (%v)", c, err)
			}
		}
	}
}

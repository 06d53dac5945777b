package measure

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"bankai/engine"
	"bankai/internal/bpe"
	"bankai/probe"
)

// Mined is what a model says to a prompt, right and wrong.
type Mined struct {
	Answer string // what it generates greedily
	Right  bool   // whether that is right
	Wrong  string // its likeliest wrong answer, empty if none was found
	Own    bool   // whether that is what it generates, and not what it would say instead
}

// minedAtOnce is how many probes are mined together. Results do not depend on it.
const minedAtOnce = 64

// Mine finds the model's own likeliest wrong answer to every prompt, under the
// overlay o (nil is the base). If the answer that it generates greedily is wrong,
// it is that. Otherwise it is the likeliest of the answers that part from the right
// one at some token: there another token is forced, the likeliest first, and the
// model completes the answer greedily. What probe.Probe.Match takes for right is
// no candidate, and one that an audit would call a weak distractor is taken only
// where there is no other. The Wrong of the set's probes is not looked at. After
// every few probes progress, unless nil, is told how many are done.
func Mine(ctx context.Context, m *engine.Model, o *engine.Overlay, set probe.Set, progress func(done int)) ([]Mined, error) {
	out := make([]Mined, len(set))
	for lo := 0; lo < len(set); lo += minedAtOnce {
		hi := min(lo+minedAtOnce, len(set))
		w := miner{ctx: ctx, model: m, tok: m.Tokenizer(), overlay: o, set: set[lo:hi], out: out[lo:hi]}
		if err := w.mine(); err != nil {
			return nil, fmt.Errorf("mining probes %d to %d: %w", lo+1, hi, err)
		}
		if progress != nil {
			progress(hi)
		}
	}
	return out, nil
}

// miner works on some probes together.
type miner struct {
	ctx     context.Context
	model   *engine.Model
	tok     *bpe.Tokenizer
	overlay *engine.Overlay
	set     probe.Set
	out     []Mined
}

// dig is the search for what the model would say instead of a right answer.
type dig struct {
	i        int // of the probe
	branches []branch
	seen     map[string]bool // texts of candidates
	best     candidate
}

// candidate is a wrong answer that might be the model's.
type candidate struct {
	text    string
	place   int     // among what the model would say instead, see competition; 0 is no candidate
	logprob float64 // of the answer and its terminator, nats
}

// better prefers what the audit calls no weak distractor, then what is likelier.
func (c candidate) better(d candidate) bool {
	if d.place == 0 || (c.place == 1) != (d.place == 1) {
		return d.place == 0 || c.place == 1
	}
	return cmp.Or(cmp.Compare(c.logprob, d.logprob), cmp.Compare(d.text, c.text)) > 0
}

// What one probe is mined with: branches completed in a round, and rounds.
const (
	branchesAtOnce = 4
	maxRounds      = 8
)

func (w *miner) mine() error {
	own := make([]start, len(w.set))
	for i, p := range w.set {
		own[i] = start{i, w.tok.Encode(p.Prompt), nil}
	}
	texts, err := w.complete(own)
	if err != nil {
		return err
	}
	var digs []*dig
	for i, p := range w.set {
		out := &w.out[i]
		out.Answer, out.Right = texts[i].judged, p.Match(texts[i].judged)
		if wrong := texts[i].answer(p); !out.Right && w.usable(p, wrong) {
			out.Wrong, out.Own = wrong, true
			continue
		}
		digs = append(digs, &dig{i: i, seen: map[string]bool{}})
	}
	if err := w.findBranches(digs); err != nil {
		return err
	}
	for range maxRounds {
		if digs, err = w.round(digs); err != nil || len(digs) == 0 {
			return err
		}
	}
	return nil
}

// round completes the next few branches of every dig, and returns those digs that
// may find something better still.
func (w *miner) round(digs []*dig) ([]*dig, error) {
	var starts []start
	var of []*dig
	for _, d := range digs {
		n := min(branchesAtOnce, len(d.branches))
		for _, b := range d.branches[:n] {
			starts, of = append(starts, start{d.i, b.prompt, b.ids}), append(of, d)
		}
		d.branches = d.branches[n:]
	}
	texts, err := w.complete(starts)
	if err != nil {
		return nil, err
	}
	var list []found
	for k, d := range of {
		text := texts[k].answer(w.set[d.i])
		if !d.seen[text] && w.usable(w.set[d.i], text) {
			list = append(list, found{d, text})
		}
		d.seen[text] = true
	}
	if err := w.judge(list); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(digs, func(d *dig) bool {
		w.out[d.i].Wrong = d.best.text
		return len(d.branches) == 0 || d.best.place == 1 && d.best.logprob >= d.branches[0].logprob
	}), nil
}

// usable reports whether text can be a probe's wrong answer.
func (w *miner) usable(p probe.Probe, text string) bool {
	if probe.Normalize(text) == "" || p.Match(text) || strings.ContainsRune(text, '\uFFFD') {
		return false
	}
	p.Wrong = text
	t, err := p.Tokens(w.tok)
	return err == nil && !slices.Equal(t.Correct, t.Wrong)
}

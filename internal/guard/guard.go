package guard

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"bankai"
	"bankai/chat"
	"bankai/engine"
	"bankai/internal/progress"
	"bankai/internal/rng"
	"bankai/score"
)

// Edition changes whenever equal options would give another guard: another list, other
// draws, another division.
const Edition = 1

// Bounds of what [Fitting] gives, in tokens.
const (
	leastTokens = 2_000
	mostTokens  = 16_000
)

// Options say what a guard is made of.
type Options struct {
	Seed uint64
	// Tokens is about how many a pass over the part for the search takes, those of its
	// prompts included. The part that is held out takes half as many.
	Tokens int
	// Avoid are prompts whose answers are to change: what resembles them is left out.
	Avoid []string
	To    progress.Watcher // is shown how far it is; may be nil
}

// Fitting is the usual number of tokens of a guard beside targets, given the tokens of a
// pass over these: their number, so that a guard costs no more, but from 2,000 to 16,000.
func Fitting(targets int) int { return min(max(targets, leastTokens), mostTokens) }

// Item is something that the model should go on saying.
type Item struct {
	Category        string // of the built-in list, or one of the own ones
	engine.Question        // with one answer
	// Greedy is set if the answer is what the unpatched model says by greedy decoding,
	// and not a draw.
	Greedy bool
}

// Categories of what the model itself said.
const (
	OwnText    = "own text"    // of a plain model: drawn from nothing, many lines together
	OwnLines   = "own lines"   // of a plain model: a line of that is gone on with
	OwnTurns   = "own turns"   // of a chat model: a drawn message of a user, answered greedily
	OwnAnswers = "own answers" // of a chat model: likewise, answered at temperature 1
)

// Definition is what a guard follows from, besides the model and its arithmetic. Of equal
// ones, every machine makes the same guard.
type Definition struct {
	Edition int           `json:"edition"` // of the list and the rules: see the constant
	Seed    uint64        `json:"seed"`
	Tokens  int           `json:"tokens"`
	Avoid   bankai.Digest `json:"avoid,omitzero"` // of the prompts that it stays away from
}

// Guard is what a patch should leave as it is.
type Guard struct {
	Definition
	Used    []Item // what a search is held to
	HeldOut []Item // what no search sees
	LeftOut int    // lines and prompts that resemble those to avoid
}

// Make makes the guard of a model. Equal options give the same tokens, with any number
// of threads.
//
// It generates about four times as many tokens as Options.Tokens, and more where most of
// what the model says is to be avoided.
func Make(ctx context.Context, m *engine.Model, o Options) (*Guard, error) {
	if o.Tokens < 1 {
		return nil, fmt.Errorf("guard: %d tokens: there must be at least 1", o.Tokens)
	}
	template, err := chat.TemplateOf(m)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	w := &maker{
		m: m, tok: m.Tokenizer(), template: template, avoid: newLikeness(o.Avoid), seeds: rng.New(o.Seed, "guard"),
		guard: &Guard{Definition: Definition{Edition, o.Seed, o.Tokens, DigestOf(o.Avoid)}}, to: o.To,
	}
	if err := w.make(ctx); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if len(w.guard.Used) == 0 {
		return nil, errors.New("guard: nothing is left of what the model says that does not resemble the targets: search without it, or give controls")
	}
	return w.guard, nil
}

// Greedy counts the items that are greedy answers; the others were drawn.
func Greedy(items []Item) (n int) {
	for _, it := range items {
		if it.Greedy {
			n++
		}
	}
	return n
}

// Questions are those of items, for a search.
func Questions(items []Item) []engine.Question {
	out := make([]engine.Question, len(items))
	for i, it := range items {
		out[i] = it.Question
	}
	return out
}

// DefaultWeight is what a nat of divergence on a guard counts against a nat of gain,
// unless a search is told otherwise.
const DefaultWeight = 0.4

// Temperature is that of the divergence: see [engine.ReferenceOptions]. What a model is
// sure of has hardly any divergence until it is lost; at this temperature it is seen
// before.
const Temperature = 4

// Keep is items as a search takes them.
func Keep(items []Item) []score.Item {
	out := make([]score.Item, len(items))
	for i, it := range items {
		out[i] = score.Item{Name: it.Category, Prompt: it.Prompt, Answers: it.Answers, Aim: score.Aim{Kind: score.Keep, Temperature: Temperature}}
	}
	return out
}

// Digest identifies what is held out, and the definition: whoever makes a guard with this
// digest measures the same.
func (g *Guard) Digest() bankai.Digest {
	h := sha256.New()
	fmt.Fprintf(h, "bankai guard %d %d %d %s\n", g.Edition, g.Seed, g.Tokens, g.Avoid)
	for _, it := range g.HeldOut {
		for _, ids := range [][]int32{it.Prompt, it.Answers[0]} {
			binary.Write(h, binary.LittleEndian, int64(len(ids))) // a hash does not fail
			binary.Write(h, binary.LittleEndian, ids)
		}
	}
	return bankai.Digest(h.Sum(nil))
}

// tokens is what a pass over items takes.
func tokens(items []Item) (n int) {
	for _, it := range items {
		n += it.Tokens()
	}
	return n
}

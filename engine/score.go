package engine

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// Question is a prompt with answers to be scored as its continuation.
type Question struct {
	Prompt  []int32   // at least one token
	Answers [][]int32 // at least one token each
	Overlay *Overlay  // nil: the model as it is

	// Reference is what Answer.KL compares with: that of the only answer, made
	// from the same prompt. nil: nothing.
	Reference *Reference
}

// Answer is the score of one continuation, teacher-forced.
type Answer struct {
	LogProb float64 // Σ ln p(token | all before it), nats
	Greedy  bool    // every token was the most likely one: greedy decoding emits it
	Rank    int     // how many tokens were likelier than its first one; 0 is the arg max

	// Margin is Σ min(MarginCap, d) + 0.02·d, where d is the logit of a token less
	// the largest other one: what greedy decoding depends on, which emits the
	// answer if every d > 0. Unlike LogProb it hardly gains from tokens that are
	// safe.
	Margin float64

	// KL is Σ Σ_v p·(ln p − ln q) over the answer's tokens, in nats, where p are the
	// probabilities of Question.Reference and q those of now; 0 without one. It is
	// exactly 0 where the logits are those of the reference. Rounding is below 1e-7 a
	// token and 1e-5 of the value, so a very small one may come out below 0.
	KL float64
}

// Score scores the answers of every question. A question's answers share the
// pass over its prompt. The result does not depend on how questions are batched.
func (m *Model) Score(ctx context.Context, qs []Question) ([][]Answer, error) {
	if m.elsewhere != nil {
		return m.scoreThrough(ctx, qs)
	}
	return m.scoreAll(ctx, job{}, qs)
}

// ScoreTokens is Score of questions with one answer each, token by token: the
// scores are [question][token of the answer], and their sums those of Score. The
// Rank is that of the first token only.
func (m *Model) ScoreTokens(ctx context.Context, qs []Question) ([][]Answer, error) {
	for i, q := range qs {
		if len(q.Answers) != 1 {
			return nil, fmt.Errorf("question %d: the tokens of %d answers: there must be one", i, len(q.Answers))
		}
	}
	return m.scoreAll(ctx, job{scoring: scoring{byToken: true}}, qs)
}

func (m *Model) scoreAll(ctx context.Context, j job, qs []Question) ([][]Answer, error) {
	asked := make([]asked, len(qs))
	for i, q := range qs {
		if err := q.check(m.config.Vocab); err != nil {
			return nil, fmt.Errorf("question %d: %w", i, err)
		}
		asked[i].Question = q
	}
	return m.ask(ctx, j, asked)
}

// check reports why q cannot be scored by a model with such a vocabulary, if it
// cannot.
func (q Question) check(vocab int) error {
	if len(q.Prompt) == 0 {
		return ErrEmptyPrompt
	}
	for i, a := range q.Answers {
		if len(a) == 0 {
			return fmt.Errorf("answer %d has no tokens", i)
		}
		for _, id := range a { // the last one is only looked up, not passed through the model
			if id < 0 || int(id) >= vocab {
				return fmt.Errorf("answer %d: %w", i, &TokenError{id, vocab})
			}
		}
	}
	return q.Reference.fits(q, vocab)
}

// Continuations asks for all of a text but its first token, in parts of at most so
// many tokens, each a continuation of its own first token. A part of one token asks
// nothing.
func Continuations(ids []int32, most int) []Question {
	var qs []Question
	for part := range slices.Chunk(ids, most) {
		if len(part) > 1 {
			qs = append(qs, Question{Prompt: part[:1], Answers: [][]int32{part[1:]}})
		}
	}
	return qs
}

// asked is a question on its way through a batch.
type asked struct {
	Question
	row int // of its first token in the job's streams
}

// Tokens is the number of tokens that pass through the model: the last one of an
// answer is predicted only.
func (q Question) Tokens() int {
	n := len(q.Prompt)
	for _, a := range q.Answers {
		n += len(a) - 1
	}
	return n
}

// logits is the number of rows of logits that q needs.
func (q Question) logits() int { return q.Tokens() - len(q.Prompt) + 1 }

// tree says which rows of tokens a question has: its prompt's, then those of the
// answers that continue it.
type tree struct {
	prompt  rowRange
	answers []rowRange // empty ones for answers of one token
}

type rowRange struct{ lo, hi int }

// rows are those of the prompt, then those of the answers.
func (t tree) rows() iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, part := range append([]rowRange{t.prompt}, t.answers...) {
			for r := part.lo; r < part.hi; r++ {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// rows lays out the tokens of q.
func (q asked) rows() tree {
	at := q.row + len(q.Prompt)
	t := tree{prompt: rowRange{q.row, at}}
	for _, a := range q.Answers {
		end := at + len(a) - 1
		t.answers = append(t.answers, rowRange{at, end})
		at = end
	}
	return t
}

// waves calls do for the questions [lo, hi), as many at a time as have no more
// than limit tokens together, but at least one.
func waves(n, limit int, question func(i int) Question, do func(lo, hi, tokens int) error) error {
	for lo := 0; lo < n; {
		hi, tokens := lo, 0
		for hi < n && (hi == lo || tokens+question(hi).Tokens() <= limit) {
			tokens += question(hi).Tokens()
			hi++
		}
		if err := do(lo, hi, tokens); err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

// score scores questions, as many in one pass as fit.
func (b *Batch) score(ctx context.Context, j job, qs []asked) ([][]Answer, error) {
	out := make([][]Answer, len(qs))
	err := waves(len(qs), b.max, func(i int) Question { return qs[i].Question }, func(lo, hi, tokens int) error {
		return b.scoreSome(ctx, j, qs[lo:hi], tokens, out[lo:hi])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// spans lays out a question: the prompt, then all answers as branches of it.
func (b *Batch) spans(q asked, once bool) []span {
	prompt := b.newSeq(q.Overlay, once)
	t := q.rows()
	all := []span{{seq: prompt, tokens: q.Prompt, want: len(q.Prompt) - 1, row: t.prompt.lo}}
	for i, a := range q.Answers {
		s := span{tokens: a[:len(a)-1], row: t.answers[i].lo}
		if len(s.tokens) > 0 {
			s.seq = prompt.branch(len(q.Prompt))
			all[0].forks = append(all[0].forks, s.seq)
		}
		all = append(all, s)
	}
	return all
}

// scoreSome scores questions together; tokens is how many they have.
func (b *Batch) scoreSome(ctx context.Context, j job, qs []asked, tokens int, out [][]Answer) error {
	var spans []span
	defer func() {
		for _, s := range spans {
			s.seq.Release()
		}
	}()
	once := tokens <= b.max // a pass holds all
	scores := judgement{job: j, m: b.model, qs: qs}
	for i, q := range qs {
		scores.expect(q)
		for k, s := range b.spans(q, once) {
			if s.seq != nil {
				s.tag = len(scores.of)
				spans, scores.of = append(spans, s), append(scores.of, continuation{i, k - 1})
			}
		}
	}
	settle := func() {
		for i := range qs {
			out[i] = scores.answers(i)
		}
	}
	if j.grad != nil {
		j.grad.settle = settle
	}
	if err := b.eachRow(ctx, j, spans, scores.row); err != nil {
		return err
	}
	settle()
	return nil
}

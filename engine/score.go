package engine

import (
	"context"

	"bankai/internal/kernel"
)

// Question is a prompt with answers to be scored as its continuation.
type Question struct {
	Prompt  []int32   // at least one token
	Answers [][]int32 // at least one token each
	Overlay *Overlay  // nil: the model as it is
}

// Answer is the score of one continuation, teacher-forced.
type Answer struct {
	LogProb float64 // Σ ln p(token | all before it), nats
	Greedy  bool    // every token was the most likely one: greedy decoding emits it
	Rank    int     // how many tokens were likelier than its first one; 0 is the arg max
}

// Score scores the answers of every question. A question's answers share the
// pass over its prompt. The result does not depend on how questions are batched.
func (m *Model) Score(ctx context.Context, qs []Question) ([][]Answer, error) {
	asked := make([]asked, len(qs))
	for i, q := range qs {
		asked[i].Question = q
	}
	return m.NewBatch(0).score(ctx, job{}, asked)
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

// continuation is where a row of logits belongs: to all answers of a question
// if it is the prompt's, or else to one of them.
type continuation struct{ question, answer int }

const allAnswers = -1

// spans lays out a question: the prompt, then all answers as branches of it.
func (b *Batch) spans(q asked, c *cache) []span {
	prompt := &Seq{batch: b, cache: c, overlay: q.Overlay}
	prompt.reserve(len(q.Prompt))
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

// scoreSome scores questions together, which have so many tokens.
func (b *Batch) scoreSome(ctx context.Context, j job, qs []asked, tokens int, out [][]Answer) error {
	var spans []span
	var of []continuation // by tag
	defer func() {
		for _, s := range spans {
			s.seq.Release()
		}
	}()
	c := &b.once
	if tokens > b.max { // more than a pass
		c = &b.cache
	}
	terms := make([][][]Answer, len(qs)) // [question][answer][token]
	for i, q := range qs {
		terms[i] = make([][]Answer, len(q.Answers))
		for k, a := range q.Answers {
			terms[i][k] = make([]Answer, len(a))
		}
		for k, s := range b.spans(q, c) {
			if s.seq != nil {
				s.tag = len(of)
				spans, of = append(spans, s), append(of, continuation{i, k - 1})
			}
		}
	}
	err := b.judge(ctx, j, spans, func(r logitRow, logits []float32, lse float64) {
		c := of[r.tag]
		answers, n := qs[c.question].Answers, 0
		if c.answer == allAnswers {
			for k, a := range answers {
				terms[c.question][k][0] = judged(logits, lse, a[0])
			}
		} else {
			n = r.index + 1
			terms[c.question][c.answer][n] = judged(logits, lse, answers[c.answer][n])
		}
		if j.grad != nil {
			j.grad.seed(c, n, logits, lse)
		}
	})
	if err != nil {
		return err
	}
	for i := range qs {
		out[i] = make([]Answer, len(terms[i]))
		for k, t := range terms[i] {
			out[i][k] = sumOf(t)
		}
	}
	return nil
}

// sumOf is the score of an answer, given those of its tokens.
func sumOf(terms []Answer) Answer {
	sum := terms[0]
	for _, t := range terms[1:] {
		sum.LogProb += t.LogProb
		sum.Greedy = sum.Greedy && t.Greedy
	}
	return sum
}

// judged is the score of one token under the logits it was chosen from.
func judged(logits []float32, lse float64, id int32) Answer {
	rank := rankOf(logits, id)
	return Answer{LogProb: float64(logits[id]) - lse, Greedy: rank == 0, Rank: rank}
}

// judge feeds spans and calls f once for each row of logits, with its
// log-sum-exp, from several goroutines.
func (b *Batch) judge(ctx context.Context, j job, spans []span, f func(r logitRow, logits []float32, lse float64)) error {
	m, vocab := b.model, b.model.config.Vocab
	j.emit = func(rows []logitRow, logits []float32) {
		b.team.run(len(rows), tokenGrain, func(_, lo, hi int) {
			for n, r := range rows[lo:hi] {
				row := logits[(lo+n)*vocab:][:vocab]
				f(r, row, m.LogSumExp(row))
			}
		})
	}
	return b.feed(ctx, j, spans)
}

// rankOf counts the tokens that greedy decoding prefers to id: a larger
// logit, or the same with a smaller id.
func rankOf(logits []float32, id int32) int {
	n, v := 0, logits[id]
	for i, l := range logits {
		if l > v || l == v && i < int(id) {
			n++
		}
	}
	return n
}

// LogSumExp is ln Σ e^logit in nats; ln p of a token is its logit less this. The
// sum is float32 within 1,024 logits and float64 across.
func (m *Model) LogSumExp(logits []float32) float64 {
	var part [1024]float32
	most := m.kernel.Max(logits)
	var sum float64
	for lo := 0; lo < len(logits); lo += len(part) {
		n := copy(part[:], logits[lo:])
		sum += float64(m.kernel.ExpSum(part[:n], most))
	}
	return float64(most) + kernel.Log(sum)
}

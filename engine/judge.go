package engine

import (
	"errors"
	"fmt"
	"math"

	"bankai/internal/kernel"
)

// MarginCap is the lead of a token, in logits, from which on its margin hardly
// rises any more.
const MarginCap = 2

// marginLeak is what is left of a margin's derivative there, so that a token out of
// reach is still told from one that is further out.
const marginLeak = 0.02

// margin is m(d) = min(MarginCap, d) + 0.02·d of a token whose logit is d above
// the largest other one.
func margin(d float64) float64 { return min(MarginCap, d) + float64(marginLeak*d) }

// marginDerivative is dm/dd, at the cap that of the right.
func marginDerivative(d float64) float64 {
	if d < MarginCap {
		return 1 + marginLeak
	}
	return marginLeak
}

// judgement collects the scores of the tokens of some questions.
type judgement struct {
	job
	m     *Model
	qs    []asked
	of    []continuation // by tag
	terms [][][]Answer   // [question][answer][token]
}

// continuation is where a row of logits belongs: to all answers of a question
// if it is the prompt's, or else to one of them.
type continuation struct{ question, answer int }

const allAnswers = -1

// row judges the tokens that one row of logits says something of. Calls for
// different rows may run at the same time. Afterwards the row holds ∂F/∂logits if
// a gradient is wanted.
func (j *judgement) row(r logitRow, logits []float32) {
	c, n := j.of[r.tag], 0
	q, terms := j.qs[c.question], j.terms[c.question]
	lse := j.m.LogSumExp(logits)
	if c.answer == allAnswers {
		for k, a := range q.Answers {
			terms[k][0] = j.m.judged(logits, lse, a[0])
			terms[k][0].Rank = j.m.rank(logits, a[0])
		}
	} else {
		n = r.index + 1
		terms[c.answer][n] = j.m.judged(logits, lse, q.Answers[c.answer][n])
	}
	if q.Reference != nil {
		if j.record {
			q.Reference.record(j.m, n, logits, lse)
		} else {
			terms[0][n].KL = q.Reference.divergence(j.m, n, logits, lse)
		}
	}
	if j.grad != nil {
		j.grad.seed(c, n, logits, lse)
	}
}

// expect makes room for the scores of the next question.
func (j *judgement) expect(q asked) {
	terms := make([][]Answer, len(q.Answers))
	for k, a := range q.Answers {
		terms[k] = make([]Answer, len(a))
	}
	j.terms = append(j.terms, terms)
}

// answers are the scores of the answers of question i, once all rows were judged;
// of the tokens of its only answer if they are wanted one by one.
func (j *judgement) answers(i int) []Answer {
	if j.byToken {
		return j.terms[i][0]
	}
	out := make([]Answer, len(j.terms[i]))
	for k, t := range j.terms[i] {
		out[k] = sumOf(t)
	}
	return out
}

// sumOf is the score of an answer, given those of its tokens.
func sumOf(terms []Answer) Answer {
	sum := terms[0]
	for _, t := range terms[1:] {
		sum.LogProb += t.LogProb
		sum.Margin += t.Margin
		sum.KL += t.KL
		sum.Greedy = sum.Greedy && t.Greedy
	}
	return sum
}

// judged is the score of one token under the logits it was chosen from, without
// its rank and its divergence.
func (m *Model) judged(logits []float32, lse float64, id int32) Answer {
	v := logits[id]
	before, after := m.others(logits, id)
	return Answer{
		LogProb: float64(v) - lse,
		Margin:  margin(float64(v) - float64(max(before, after))),
		Greedy:  v > before && v >= after,
	}
}

// others are the largest logits of the smaller ids than id and of the larger
// ones: greedy decoding prefers the smaller of two ids with the same logit.
func (m *Model) others(logits []float32, id int32) (before, after float32) {
	return m.kernel.Max(logits[:id]), m.kernel.Max(logits[id+1:])
}

// rival is the token that greedy decoding would choose if there were no id.
func (m *Model) rival(logits []float32, id int32) int32 {
	before, after := m.others(logits, id)
	at, most := int32(0), before
	if after > before {
		at, most = id+1, after
	}
	for int(at) < len(logits)-1 && logits[at] != most {
		at++
	}
	return at
}

// rank counts the tokens that greedy decoding prefers to id: a larger logit, or
// the same with a smaller id.
func (m *Model) rank(logits []float32, id int32) int {
	v := logits[id]
	same := math.Nextafter32(v, float32(math.Inf(-1))) // x ≥ v is x > same
	return m.countAbove(logits[:id], same) + m.countAbove(logits[id+1:], v)
}

// countAbove counts the logits above v. Blocks that have none, which are most if
// v is that of a likely token, are passed over.
func (m *Model) countAbove(logits []float32, v float32) int {
	n := 0
	for lo := 0; lo < len(logits); lo += logitBlock {
		block := logits[lo:min(lo+logitBlock, len(logits))]
		if m.kernel.Max(block) <= v {
			continue
		}
		for _, l := range block {
			above := 0
			if l > v {
				above = 1
			}
			n += above // no branch: of an unlikely token it would go either way
		}
	}
	return n
}

// logitBlock is how many logits are taken at a time.
const logitBlock = 1024

// LogSumExp is ln Σ e^logit in nats; ln p of a token is its logit less this. The
// sum is float32 within 1,024 logits and float64 across.
func (m *Model) LogSumExp(logits []float32) float64 {
	var part [logitBlock]float32
	most := m.kernel.Max(logits)
	var sum float64
	for lo := 0; lo < len(logits); lo += len(part) {
		n := copy(part[:], logits[lo:])
		sum += float64(m.kernel.ExpSum(part[:n], most))
	}
	return float64(most) + kernel.Log(sum)
}

// softmax replaces logits by probabilities. lse is rounded to float32, so all of
// them are off by one common factor, at most e^±1e-6 for |lse| < 32.
func softmax(k *kernel.Set, logits []float32, lse float64) { k.ExpSum(logits, float32(lse)) }

// Weighting is a function of a question's answers: F = Σ_k LogProbs[k]·LogProb of
// answer k + Σ_k Margins[k]·Margin of answer k + KL·KL of the only one, in nats.
type Weighting struct {
	LogProbs []float64 // one an answer; nil: none counts
	Margins  []float64 // likewise
	KL       float64   // other than 0 only for a question with a reference
}

// fits reports why w cannot be of q's answers, if it cannot.
func (w Weighting) fits(q Question) error {
	for _, weights := range [][]float64{w.LogProbs, w.Margins} {
		if weights != nil && len(weights) != len(q.Answers) {
			return fmt.Errorf("%d weights for %d answers", len(weights), len(q.Answers))
		}
	}
	if w.KL != 0 && q.Reference == nil {
		return errors.New("the divergence of a question without a reference")
	}
	return nil
}

// term is a part of ∂F/∂logits that concerns one token.
type term struct {
	id int32
	by float64
}

// seed replaces a row of logits by ∂F/∂logits. The row belongs to the token that
// an answer has at index, or all of them at 0. With p the probabilities, ∂ ln p(id)
// = e_id − p, ∂ margin = m'(d)·(e_id − e_rival), and ∂KL = p − p of the reference, see [Reference.pull].
func (g *gradient) seed(c continuation, index int, logits []float32, lse float64) {
	q := g.qs[c.question]
	first, end := 0, len(q.Answers)
	if c.answer != allAnswers {
		first, end = c.answer, c.answer+1
	}
	var terms []term
	var sum float64
	for k := first; k < end; k++ {
		id := q.Answers[k][index]
		if q.LogProbs != nil {
			terms = append(terms, term{id, q.LogProbs[k]})
			sum += q.LogProbs[k]
		}
		if q.Margins != nil {
			rival := g.m.rival(logits, id)
			by := q.Margins[k] * marginDerivative(float64(logits[id])-float64(logits[rival]))
			terms = append(terms, term{id, by}, term{rival, -by})
		}
	}
	var ratio float32
	if q.KL != 0 {
		ratio = q.Reference.ratio(g.m, index, logits, lse)
	}
	softmax(g.m.kernel, logits, lse)
	if scale := float32(q.KL - sum); q.KL != 0 {
		q.Reference.pull(index, logits, scale, float32(q.KL), ratio)
	} else {
		for i, p := range logits {
			logits[i] = float32(scale * p)
		}
	}
	for _, t := range terms {
		logits[t.id] += float32(t.by)
	}
}

package engine

import (
	"errors"
	"fmt"
)

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
// = e_id − p, ∂ margin = m'(d)·(e_id − e_rival), and ∂KL = p − p of the reference.
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
			by := q.Margins[k] * marginSlope(float64(logits[id])-float64(logits[rival]))
			terms = append(terms, term{id, by}, term{rival, -by})
		}
	}
	softmax(g.m.kernel, logits, lse)
	for i, p := range logits {
		logits[i] = float32(float32(q.KL-sum) * p)
	}
	if q.KL != 0 {
		for i, p := range q.Reference.row(index) {
			logits[i] -= float32(float32(q.KL) * p)
		}
	}
	for _, t := range terms {
		logits[t.id] += float32(t.by)
	}
}

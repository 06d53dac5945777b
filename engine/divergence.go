package engine

import (
	"context"
	"fmt"

	"bankai/internal/kernel"
)

// Reference is what a model said at every token of an answer: the probabilities
// of all tokens that could have been there. It takes 4 bytes a token of the
// answer and of the vocabulary, so 607 kB a token with Bonsai's of 151,669.
type Reference struct {
	p    []float32 // [tokens, vocab]
	plnp []float64 // Σ_v p ln p of every token, nats
}

// References are what the model says at the answers of questions, which have one
// each, under their overlays. What it says of one does not depend on the others,
// nor on references that the questions have already.
func (m *Model) References(ctx context.Context, qs []Question) ([]*Reference, error) {
	_, refs, err := m.record(ctx, qs, job{scoring: scoring{record: true}})
	return refs, err
}

// ScoreReferences is ScoreTokens and References by one pass.
func (m *Model) ScoreReferences(ctx context.Context, qs []Question) ([][]Answer, []*Reference, error) {
	return m.record(ctx, qs, job{scoring: scoring{record: true, byToken: true}})
}

func (m *Model) record(ctx context.Context, qs []Question, j job) ([][]Answer, []*Reference, error) {
	out := make([]*Reference, len(qs))
	all := make([]asked, len(qs))
	for i, q := range qs {
		if len(q.Answers) != 1 {
			return nil, nil, fmt.Errorf("question %d: a reference of %d answers: there must be one", i, len(q.Answers))
		}
		q.Reference = nil
		if err := q.check(m.config.Vocab); err != nil {
			return nil, nil, fmt.Errorf("question %d: %w", i, err)
		}
		tokens := len(q.Answers[0])
		out[i] = &Reference{make([]float32, tokens*m.config.Vocab), make([]float64, tokens)}
		q.Reference = out[i]
		all[i].Question = q
	}
	answers, err := m.NewBatch(0).score(ctx, j, all)
	if err != nil {
		return nil, nil, err
	}
	return answers, out, nil
}

// fits reports why r cannot be the reference of q on a model with such a
// vocabulary, if it cannot.
func (r *Reference) fits(q Question, vocab int) error {
	switch {
	case r == nil:
		return nil
	case len(q.Answers) != 1:
		return fmt.Errorf("a reference for %d answers: there must be one", len(q.Answers))
	case len(r.plnp) != len(q.Answers[0]):
		return fmt.Errorf("a reference of %d tokens for an answer of %d", len(r.plnp), len(q.Answers[0]))
	case len(r.p) != len(r.plnp)*vocab:
		return fmt.Errorf("a reference over %d tokens for a vocabulary of %d", len(r.p)/len(r.plnp), vocab)
	}
	return nil
}

// row is the probabilities at one token of the answer.
func (r *Reference) row(n int) []float32 {
	vocab := len(r.p) / len(r.plnp)
	return r.p[n*vocab:][:vocab]
}

// record keeps what the logits at token n of the answer say.
func (r *Reference) record(k *kernel.Set, n int, logits []float32, lse float64) {
	p := r.row(n)
	copy(p, logits)
	softmax(k, p, lse)
	r.plnp[n] = expected(p, logits, lse)
}

// divergence is KL(reference ‖ logits) at token n of the answer, in nats.
func (r *Reference) divergence(n int, logits []float32, lse float64) float64 {
	return r.plnp[n] - expected(r.row(n), logits, lse)
}

// expected is Σ_v p·(logit − lse), the log-probability that p expects. The sum is
// kept in four partial ones (v%4), added pairwise at the end.
func expected(p, logits []float32, lse float64) float64 {
	var sum [4]float64
	for len(p) >= len(sum) {
		sum[0] += float64(float64(p[0]) * (float64(logits[0]) - lse))
		sum[1] += float64(float64(p[1]) * (float64(logits[1]) - lse))
		sum[2] += float64(float64(p[2]) * (float64(logits[2]) - lse))
		sum[3] += float64(float64(p[3]) * (float64(logits[3]) - lse))
		p, logits = p[4:], logits[4:]
	}
	for i, p := range p {
		sum[i] += float64(float64(p) * (float64(logits[i]) - lse))
	}
	return (sum[0] + sum[1]) + (sum[2] + sum[3])
}

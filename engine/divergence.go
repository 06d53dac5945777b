package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"bankai/internal/kernel"
)

// Reference is what a model said at every token of an answer: the probabilities
// of all tokens that could have been there, or of the likeliest of them and of the rest
// together.
type Reference struct {
	vocab int
	temp  float32   // by which logits are divided first; 1: by nothing
	p     []float32 // [tokens, vocab], or [tokens, top]
	ids   []int32   // whose p those are, ascending: [tokens, top]; nil: all tokens'
	rest  []float64 // the probability of all others, of every token; nil if there are none
	plnp  []float64 // Σ p ln p of every token, nats, the rest being one of the p
}

// ReferenceOptions say what a reference keeps. The zero value: all of it.
type ReferenceOptions struct {
	// Top is how many tokens are told apart, the likeliest ones, of equal ones those of
	// the smaller ids; all others are taken for one. The divergence is then that of these
	// coarser distributions: never more than the full one (by the data-processing
	// inequality), and still exactly 0 where the logits are those of the reference. 0, or
	// the whole vocabulary, means all.
	Top int
	// Temperature T divides the logits of both sides, and the divergence is T² times that
	// of what comes of it, as in distillation (Hinton et al., 2015). Above 1 it sees that
	// the lead of a token shrinks of which the model was sure, long before its
	// probability does. 0 means 1. Only the divergence is softened: not what is gained.
	Temperature float64
}

func (o ReferenceOptions) check() error {
	if t := o.Temperature; t != 0 && !(t > 0 && t <= maxTemperature) {
		return fmt.Errorf("references of temperature %v: must be above 0, at most %v", t, maxTemperature)
	}
	return nil
}

// maxTemperature bounds what logits are divided by: beyond, all tokens are alike.
const maxTemperature = 1000

// newReference has room for an answer of some tokens.
func newReference(tokens, vocab int, o ReferenceOptions) *Reference {
	r := &Reference{vocab: vocab, temp: float32(cmp.Or(o.Temperature, 1)), plnp: make([]float64, tokens)}
	if o.Top <= 0 || o.Top >= vocab {
		r.p = make([]float32, tokens*vocab)
		return r
	}
	r.p, r.ids, r.rest = make([]float32, tokens*o.Top), make([]int32, tokens*o.Top), make([]float64, tokens)
	return r
}

// ReferenceBytes is what a reference takes for each token of an answer: 4 bytes for
// each of the vocabulary, so 607 kB with Bonsai's of 151,669; or 8 for each of the top,
// and 16, so 2 kB for 256.
func (m *Model) ReferenceBytes(top int) int {
	r := newReference(1, m.config.Vocab, ReferenceOptions{Top: top})
	return 4*len(r.p) + 4*len(r.ids) + 8*len(r.rest) + 8*len(r.plnp)
}

// References are what the model says at the answers of questions, which have one
// each, under their overlays. What it says of one does not depend on the others,
// nor on references that the questions have already.
func (m *Model) References(ctx context.Context, qs []Question, o ReferenceOptions) ([]*Reference, error) {
	_, refs, err := m.record(ctx, qs, job{scoring: scoring{record: true}}, o)
	return refs, err
}

// ScoreReferences is ScoreTokens and References, of all there is, by one pass.
func (m *Model) ScoreReferences(ctx context.Context, qs []Question) ([][]Answer, []*Reference, error) {
	return m.record(ctx, qs, job{scoring: scoring{record: true, byToken: true}}, ReferenceOptions{})
}

func (m *Model) record(ctx context.Context, qs []Question, j job, o ReferenceOptions) ([][]Answer, []*Reference, error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
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
		out[i] = newReference(len(q.Answers[0]), m.config.Vocab, o)
		q.Reference = out[i]
		all[i].Question = q
	}
	answers, err := m.ask(ctx, j, all)
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
	case r.vocab != vocab:
		return fmt.Errorf("a reference over %d tokens for a vocabulary of %d", r.vocab, vocab)
	}
	return nil
}

// row is the probabilities at one token of the answer, and whose they are: nil for all
// tokens'.
func (r *Reference) row(n int) (p []float32, ids []int32) {
	width := len(r.p) / len(r.plnp)
	if r.ids != nil {
		ids = r.ids[n*width:][:width]
	}
	return r.p[n*width:][:width], ids
}

// soften divides logits by the temperature; to a copy, unless that is 1.
func (r *Reference) soften(m *Model, logits []float32, lse float64) ([]float32, float64) {
	if r.temp == 1 {
		return logits, lse
	}
	soft := make([]float32, len(logits))
	for i, v := range logits {
		soft[i] = v / r.temp
	}
	return soft, m.LogSumExp(soft)
}

// record keeps what the logits at token n of the answer say.
func (r *Reference) record(m *Model, n int, logits []float32, lse float64) {
	logits, lse = r.soften(m, logits, lse)
	p, ids := r.row(n)
	if ids == nil {
		copy(p, logits)
		softmax(m.kernel, p, lse)
	} else {
		m.likeliest(ids, logits)
		gather(p, ids, logits)
		softmax(m.kernel, p, lse)
		r.rest[n] = kernel.Exp64(m.lseOfOthers(ids, logits) - lse)
	}
	r.plnp[n] = r.expected(m, n, logits, lse)
}

// divergence is T²·KL(reference ‖ logits) at token n of the answer, in nats.
func (r *Reference) divergence(m *Model, n int, logits []float32, lse float64) float64 {
	logits, lse = r.soften(m, logits, lse)
	return float64(float64(r.temp) * float64(r.temp) * (r.plnp[n] - r.expected(m, n, logits, lse)))
}

// expected is the log-probability that the reference expects at token n.
func (r *Reference) expected(m *Model, n int, logits []float32, lse float64) float64 {
	p, ids := r.row(n)
	if ids == nil {
		return expected(p, logits, lse)
	}
	sum := float64(r.rest[n] * (m.lseOfOthers(ids, logits) - lse))
	for i, id := range ids {
		sum += float64(float64(p[i]) * (float64(logits[id]) - lse))
	}
	return sum
}

// pull replaces probabilities by scale·them − by·those of the reference at token n, the
// rest of which is spread as the probabilities are: ratio is its size over theirs, of
// no matter if all tokens are told apart. With by = scale that is by·∂KL/∂logits.
func (r *Reference) pull(n int, probs []float32, scale, by, ratio float32) {
	p, ids := r.row(n)
	if ids == nil {
		for i, now := range probs {
			probs[i] = float32(scale*now) - float32(by*p[i])
		}
		return
	}
	now := make([]float32, len(ids))
	gather(now, ids, probs)
	for i, v := range probs {
		probs[i] = float32(scale*v) - float32(by*float32(ratio*v))
	}
	for i, id := range ids {
		probs[id] = float32(scale*now[i]) - float32(by*p[i])
	}
}

// softPull is by·∂divergence/∂logits at token n, of a temperature T other than 1: by·T
// times what the probabilities at that temperature differ by.
func (r *Reference) softPull(m *Model, n int, logits []float32, by float64) []float32 {
	soft, lse := r.soften(m, logits, 0)
	ratio := r.ratio(m, n, soft, lse)
	softmax(m.kernel, soft, lse)
	scale := float32(by) * r.temp
	r.pull(n, soft, scale, scale, ratio)
	return soft
}

// ratio is the probability of the rest at token n over what the logits give those
// tokens, 1 if there is no rest.
func (r *Reference) ratio(m *Model, n int, logits []float32, lse float64) float32 {
	_, ids := r.row(n)
	if ids == nil {
		return 1
	}
	return float32(r.rest[n] / kernel.Exp64(m.lseOfOthers(ids, logits)-lse))
}

// likeliest sets ids to the tokens of the largest logits, of equal ones those of the
// smaller ids, in ascending order.
func (m *Model) likeliest(ids []int32, logits []float32) {
	order := ranking{kernel: m.kernel}
	order.reset(logits)
	for i := range ids {
		if r, ok := order.at(i); ok {
			ids[i] = r.id()
		} else { // no more finite logits: one that is there already, or any
			ids[i] = ids[max(0, i-1)]
		}
	}
	slices.Sort(ids)
}

// gather sets to[i] to values[ids[i]].
func gather(to []float32, ids []int32, values []float32) {
	for i, id := range ids {
		to[i] = values[id]
	}
}

// lseOfOthers is LogSumExp of the logits of all tokens but some. The logits are as
// before afterwards.
func (m *Model) lseOfOthers(ids []int32, logits []float32) float64 {
	kept := make([]float32, len(ids))
	gather(kept, ids, logits)
	for _, id := range ids {
		logits[id] = float32(math.Inf(-1))
	}
	lse := m.LogSumExp(logits)
	for i, id := range ids {
		logits[id] = kept[i]
	}
	return lse
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

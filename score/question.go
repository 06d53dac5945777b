package score

import (
	"context"
	"slices"

	"bankai/engine"
	"bankai/internal/kernel"
)

// question is an item as the engine takes it.
type question struct {
	engine.Question
	aim    Aim
	weight float64
	passes [][]int32       // the answers by which work is counted
	before []engine.Answer // under the unpatched model, once it was asked
	was    *float64        // the value then, where others measure
}

// newQuestion is of an item that was checked.
func newQuestion(i Item) question {
	q := question{Question: engine.Question{Prompt: i.Prompt, Answers: i.Answers}, aim: i.Aim, weight: i.weight(), passes: i.passes}
	if q.passes == nil {
		q.passes = i.Answers
	}
	return q
}

// value is that of the item, given its answers, in nats: see [Kind].
func (q *question) value(answers []engine.Answer) float64 {
	switch q.aim.Kind {
	case Answer:
		return answers[0].LogProb / float64(len(q.Answers[0]))
	case Preference:
		return logSigmoid(q.lead(answers)) + float64(q.aim.Lambda*logSigmoid(q.rise(answers)))
	case Label:
		d := answers[0].LogProb - answers[rival(answers)].LogProb
		return min(engine.MarginCap, d) + float64(capLeak*d) + float64(q.aim.Lambda*logSigmoid(q.rise(answers)))
	case Keep:
		return answers[0].KL
	}
	values := make([]float64, len(answers))
	for i, a := range answers {
		values[i] = a.LogProb
		if q.aim.Metric.OnMargin() {
			values[i] = a.Margin
		}
	}
	return q.aim.Metric.Value(values)
}

// change is ln p of answer k less that under the unpatched model.
func (q *question) change(answers []engine.Answer, k int) float64 {
	return answers[k].LogProb - q.before[k].LogProb
}

// lead is β·(Δchosen − Δrejected) of a preference.
func (q *question) lead(answers []engine.Answer) float64 {
	return float64(q.aim.Beta * (q.change(answers, 0) - q.change(answers, 1)))
}

// rise is β·Δ of the first answer.
func (q *question) rise(answers []engine.Answer) float64 {
	return float64(q.aim.Beta * q.change(answers, 0))
}

// logSigmoid is ln σ(x).
func logSigmoid(x float64) float64 { return -kernel.Softplus(-x) }

// sigmoid is σ(x).
func sigmoid(x float64) float64 { return 1 / (1 + kernel.Exp64(-x)) }

// rival is the likeliest answer but the first; of several, the first.
func rival(answers []engine.Answer) int {
	best := 1
	for k := 2; k < len(answers); k++ {
		if answers[k].LogProb > answers[best].LogProb {
			best = k
		}
	}
	return best
}

// curved reports whether the derivative depends on the answers.
func (q *question) curved() bool { return q.aim.Kind == Preference || q.aim.Kind == Label }

// weighting is the derivative of weight·value by the answers, where they are as given;
// those that are not curved need none.
func (q *question) weighting(answers []engine.Answer) engine.Weighting {
	switch q.aim.Kind {
	case Answer:
		return engine.Weighting{LogProbs: []float64{q.weight / float64(len(q.Answers[0]))}}
	case Preference:
		push := float64(q.aim.Beta * sigmoid(-q.lead(answers)))
		return engine.Weighting{LogProbs: q.weighted(push+q.lift(answers), -push)}
	case Label:
		slopes, other := make([]float64, len(answers)), rival(answers)
		push := capLeak
		if answers[0].LogProb-answers[other].LogProb < engine.MarginCap {
			push++
		}
		slopes[0], slopes[other] = push+q.lift(answers), -push
		return engine.Weighting{LogProbs: q.weighted(slopes...)}
	case Keep:
		return engine.Weighting{KL: q.weight}
	}
	weights := q.weighted(slices.Clone(q.aim.Metric.Weights())...)
	if q.aim.Metric.OnMargin() {
		return engine.Weighting{Margins: weights}
	}
	return engine.Weighting{LogProbs: weights}
}

// weighted multiplies slopes by the weight.
func (q *question) weighted(slopes ...float64) []float64 {
	for i := range slopes {
		slopes[i] *= q.weight
	}
	return slopes
}

// lift is the derivative of λ·ln σ(β·Δ) of the first answer.
func (q *question) lift(answers []engine.Answer) float64 {
	return float64(q.aim.Lambda * q.aim.Beta * sigmoid(-q.rise(answers)))
}

// What the unpatched model says of a token of what is kept is held whole, if the
// vocabulary is small: 4 bytes an entry. Of a larger one the likeliest tokens are told
// apart, and the others taken for one, 2 kB a token. That makes the divergence
// smaller, never larger: see [engine.ReferenceOptions].
const (
	wholeVocab = 8192
	likeliest  = 256
)

// toldApart is how many tokens references of a model tell apart; 0 means all.
func toldApart(m *engine.Model) int {
	if m.Config().Vocab <= wholeVocab {
		return 0
	}
	return likeliest
}

// KeptTokens is how many tokens of what is kept fit in TextMemory.
func KeptTokens(m *engine.Model) int { return TextMemory / m.ReferenceBytes(toldApart(m)) }

// HeldLines returns the first lines of a text, those of which a model's
// predictions fit in TextMemory: of a longer text, a search holds on to these
// only. There is one at least.
func HeldLines(m *engine.Model, text []string) []string {
	most, tokens := KeptTokens(m), 0
	for n := range text {
		for _, i := range OfText(m.Tokenizer(), text[n:n+1]) {
			tokens += len(i.Answers[0])
		}
		if tokens > most && n > 0 {
			return text[:n]
		}
	}
	return text
}

// refer keeps what the unpatched model says of what is to be kept, at the temperature of
// each.
func (e *Evaluator) refer(ctx context.Context) error {
	of := map[float64][]int{}
	for i, q := range e.questions {
		if q.aim.Kind == Keep && q.Reference == nil {
			of[q.aim.Temperature] = append(of[q.aim.Temperature], i)
		}
	}
	for temperature, indices := range of { // in any order: of one, references do not depend on others
		var missing []question
		for _, i := range indices {
			missing = append(missing, e.questions[i])
		}
		refs, err := e.model.References(ctx, asked(missing), engine.ReferenceOptions{Top: toldApart(e.model.Model), Temperature: temperature})
		if err != nil {
			return err
		}
		for k, i := range indices {
			e.questions[i].Reference = refs[k]
		}
	}
	return nil
}

// asked are questions as the engine takes them.
func asked(questions []question) []engine.Question {
	qs := make([]engine.Question, len(questions))
	for i, q := range questions {
		qs[i] = q.Question
	}
	return qs
}

// gradient is the derivatives of the fitness by weight·value of all questions, where
// the values are as given.
func (e *Evaluator) gradient(values []float64) []float64 {
	out := e.fitness.gradient(*e.base, e.split(values))
	for i := range out {
		out[i] /= e.questions[i].weight
	}
	for range e.questions[len(out):] {
		out = append(out, -e.opts.Divergence/e.tokens)
	}
	return out
}

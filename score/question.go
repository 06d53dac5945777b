package score

import (
	"context"

	"bankai/engine"
	"bankai/probe"
)

// question is a probe as token ids, or a line of the text.
type question struct {
	metric probe.Metric // of a probe
	engine.Question
	text bool
}

// value is the metric of a probe, in nats, or the divergence of a line: the sum
// over its tokens, in nats.
func (q question) value(answers []engine.Answer) float64 {
	if q.text {
		return answers[0].KL
	}
	values := make([]float64, len(answers))
	for i, a := range answers {
		values[i] = a.LogProb
		if q.metric.OnMargin() {
			values[i] = a.Margin
		}
	}
	return q.metric.Value(values)
}

// weighting is the value as a function of the answers.
func (q question) weighting() engine.Weighting {
	switch {
	case q.text:
		return engine.Weighting{KL: 1}
	case q.metric.OnMargin():
		return engine.Weighting{Margins: q.metric.Weights()}
	}
	return engine.Weighting{LogProbs: q.metric.Weights()}
}

// linePart bounds the tokens of a line that are scored together.
const linePart = 256

// addText makes questions of the lines of the text that are held on to, and
// returns those lines.
func (e *Evaluator) addText() []string {
	if e.opts.Divergence == 0 {
		return nil
	}
	lines := HeldLines(e.model.Model, e.opts.Text)
	for _, line := range lines {
		for _, q := range continuations(e.model.Model, line) {
			e.questions = append(e.questions, question{Question: q, text: true})
			e.tokens += len(q.Answers[0])
		}
	}
	return lines
}

// HeldLines returns the first lines of a text, those of which a model's
// predictions fit in TextMemory: of a longer text, a search holds on to these
// only. There is one at least.
func HeldLines(m *engine.Model, text []string) []string {
	most, tokens := TextMemory/(4*m.Config().Vocab), 0
	for n, line := range text {
		for _, q := range continuations(m, line) {
			tokens += len(q.Answers[0])
		}
		if tokens > most && n > 0 {
			return text[:n]
		}
	}
	return text
}

// continuations asks for all tokens of a line but its first.
func continuations(m *engine.Model, line string) []engine.Question {
	return engine.Continuations(m.Tokenizer().Encode(line+"\n"), linePart)
}

// refer keeps what the unpatched model says of the text.
func (e *Evaluator) refer(ctx context.Context) error {
	var qs []engine.Question
	var of []int
	for i, q := range e.questions {
		if q.text && q.Reference == nil {
			qs, of = append(qs, q.Question), append(of, i)
		}
	}
	if len(qs) == 0 {
		return nil
	}
	refs, err := e.model.References(ctx, qs)
	if err != nil {
		return err
	}
	for i, r := range refs {
		e.questions[of[i]].Reference = r
		if e.whole != nil {
			e.whole.questions[e.of[of[i]]].Reference = r
		}
	}
	return nil
}

// gradient is the derivatives of the fitness by the values of all questions, where
// those are as given.
func (e *Evaluator) gradient(values []float64) []float64 {
	out := e.opts.gradient(*e.base, e.split(values))
	for range e.questions[len(out):] {
		out = append(out, -e.opts.Divergence/float64(e.tokens))
	}
	return out
}

package probe

import (
	"fmt"
	"strings"
)

// Metric is a number that says how strongly a model holds the right answer.
// All are in nats, and larger is better.
type Metric uint8

const (
	// AnswerLogprob is Σ log p of the right answer's tokens and its terminator.
	// It is the metric to search with: it rises only when the right answer does.
	AnswerLogprob Metric = iota

	// AnswerMargin is Σ margin of the right answer's tokens and its terminator: how
	// far the logit of each is above the largest other one, hardly counting what is
	// above a cap. It rises with what decides whether greedy decoding emits them,
	// and spends nothing on making a safe token safer.
	AnswerMargin

	// SeqLogprob is Σ log p of the right answer's tokens minus that of the
	// wrong one's, teacher-forced. A search can raise it by pushing the wrong
	// answer down and the right one with it.
	SeqLogprob

	// TokenGap is the logit of the right answer's last token minus that of the
	// wrong one's, both straight after the prompt. It reproduces the oldest
	// experiments and is unsound wherever an answer has several tokens.
	TokenGap
)

var metricNames = [...]string{"answer_logprob", "answer_margin", "seq_logprob", "token_gap"}

// String returns the name used on the command line, such as "seq_logprob".
func (m Metric) String() string {
	if int(m) < len(metricNames) {
		return metricNames[m]
	}
	return fmt.Sprintf("metric(%d)", uint8(m))
}

// ParseMetric is the inverse of String.
func ParseMetric(s string) (Metric, error) {
	for i, n := range metricNames {
		if s == n {
			return Metric(i), nil
		}
	}
	return 0, fmt.Errorf("unknown metric %q: use %s", s, strings.Join(metricNames[:], ", "))
}

// OnMargin reports whether Value is of the margins of Answers; if not, it is of
// their log-probabilities.
func (m Metric) OnMargin() bool { return m == AnswerMargin }

// Answers returns the continuations of t.Prompt whose scores Value needs, in the
// order it needs them.
func (m Metric) Answers(t Tokens) [][]int32 {
	switch m {
	case TokenGap:
		return [][]int32{t.Correct[len(t.Correct)-1:], t.Wrong[len(t.Wrong)-1:]}
	case SeqLogprob:
		return [][]int32{t.Correct, t.Wrong}
	default:
		return [][]int32{t.CorrectEnded}
	}
}

// Value is the metric, given the score of each of Answers in nats: its margin if
// OnMargin, or else its log-probability. The log-probabilities of two tokens at one
// position differ by as much as their logits do, so TokenGap needs no logits.
func (m Metric) Value(scores []float64) float64 {
	var sum float64
	for i, w := range m.Weights() {
		sum += float64(w * scores[i])
	}
	return sum
}

// Weights are the factors of the scores of Answers in Value.
func (m Metric) Weights() []float64 {
	if m.contrasts() {
		return []float64{1, -1}
	}
	return []float64{1}
}

// contrasts reports whether m looks at the wrong answer too.
func (m Metric) contrasts() bool { return m == SeqLogprob || m == TokenGap }

// Control is the metric whose loss on control probes a search that climbs m is
// charged for. Under a metric of the right answer alone that is SeqLogprob: a
// control has to keep its answer ahead of the wrong one, not to keep its
// probability.
func (m Metric) Control() Metric {
	if m.contrasts() {
		return m
	}
	return SeqLogprob
}

package probe

import (
	"fmt"
	"testing"
)

func TestMetricNames(t *testing.T) {
	for _, m := range []Metric{AnswerLogprob, AnswerMargin, SeqLogprob, TokenGap} {
		if got, err := ParseMetric(m.String()); err != nil || got != m {
			t.Errorf("ParseMetric(%q) = %v, %v", m, got, err)
		}
	}
	if _, err := ParseMetric("logprob"); err == nil {
		t.Error("ParseMetric accepts a name that is none")
	}
}

// Each metric on one probe whose answers have two tokens.
func TestMetrics(t *testing.T) {
	tokens := Tokens{
		Prompt:  []int32{1},
		Correct: []int32{10, 11}, CorrectEnded: []int32{10, 11, 0},
		Wrong: []int32{20, 21}, WrongEnded: []int32{20, 21, 0},
	}
	logprob := map[string]float64{ // of each continuation, in nats
		"[11]": -5, "[21]": -7, "[10 11]": -1, "[20 21]": -4, "[10 11 0]": -1.5,
	}
	margin := map[string]float64{"[10 11 0]": 4.25}
	for _, c := range []struct {
		m       Metric
		want    float64
		control Metric
	}{
		{TokenGap, 2, TokenGap},
		{SeqLogprob, 3, SeqLogprob},
		{AnswerLogprob, -1.5, SeqLogprob},
		{AnswerMargin, 4.25, SeqLogprob},
	} {
		scored := logprob
		if c.m.OnMargin() {
			scored = margin
		}
		var scores []float64
		for _, a := range c.m.Answers(tokens) {
			scores = append(scores, scored[fmt.Sprint(a)])
		}
		if got := c.m.Value(scores); got != c.want {
			t.Errorf("%v = %v, want %v", c.m, got, c.want)
		}
		if got := c.m.Control(); got != c.control {
			t.Errorf("%v charges controls by %v, want %v", c.m, got, c.control)
		}
	}
}

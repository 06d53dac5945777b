package measure

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/judge"
)

// three are questions with answers of 1, 2 and 4 tokens.
func three() []Scored {
	return []Scored{
		{Name: "a", Answers: [][]int32{{1}}, Texts: []string{"a"}},
		{Name: "b", Answers: [][]int32{{1, 2}}, Texts: []string{"b"}},
		{Name: "c", Answers: [][]int32{{1, 2, 3, 4}}, Texts: []string{"c"}},
	}
}

// A long answer counts as much as a short one in the mean, and as many times as it has
// tokens in the perplexity.
func TestCompareLikelihood(t *testing.T) {
	l := CompareLikelihood(three(), LogProbs{{-1}, {-4}, {-4}}, LogProbs{{-0.5}, {-2}, {-6}})
	want := []Shift{{"a", BeforeAfter{-1, -0.5}}, {"b", BeforeAfter{-2, -1}}, {"c", BeforeAfter{-1, -1.5}}}
	if !reflect.DeepEqual(l.PerAnswer, want) {
		t.Errorf("%v", l.PerAnswer)
	}
	if l.PerToken != (BeforeAfter{-4.0 / 3, -1}) || l.Examples != 3 || l.Tokens != 7 || l.Better != 2 || l.Worse != 1 {
		t.Errorf("%+v", l)
	}
	if math.Abs(l.Perplexity.Before-math.Exp(9.0/7)) > 1e-12 || math.Abs(l.Perplexity.After-math.Exp(8.5/7)) > 1e-12 {
		t.Errorf("perplexity %v", l.Perplexity)
	}
	// The changes are 0.5, 1 and −0.5: ranks 1.5, 3 and −1.5. Of the 8 choices of signs 6
	// have a sum at least as far from 0; of the 8 of three coins all are as uneven as 2:1.
	if l.SignP != 1 || l.RankP != 0.75 || math.Abs(l.Gain-1.0/3) > 1e-15 || l.Interval.Low > 0 || l.Interval.High < 1 {
		t.Errorf("%+v, %v", l, *l.Interval)
	}
	same := CompareLikelihood(three(), LogProbs{{-1}, {-4}, {-4}}, LogProbs{{-1}, {-4}, {-4}})
	if same.Gain != 0 || same.SignP != 1 || same.RankP != 1 || same.Better+same.Worse != 0 {
		t.Errorf("of nothing: %+v", same)
	}
}

// The whole answers are compared, and a tie is no preference.
func TestComparePreferences(t *testing.T) {
	qs := []Scored{
		{Name: "fixed", Answers: [][]int32{{1}, {2}}, Texts: []string{"good", "bad"}},
		{Name: "broke", Answers: [][]int32{{1}, {2}}, Texts: []string{"good", "bad"}},
		{Name: "tie", Answers: [][]int32{{1}, {2}}, Texts: []string{"good", "bad"}},
	}
	r := ComparePreferences(qs, LogProbs{{-2, -1}, {-1, -2}, {-1, -1}}, LogProbs{{-1, -2}, {-2, -1}, {-1, -1}})
	if r.Before != 1 || r.After != 1 || strings.Join(r.Fixed, "")+strings.Join(r.Broke, "") != "fixedbroke" || r.StayedWrong != 1 || r.PValue != 1 {
		t.Errorf("%+v", r)
	}
	if got := r.Outputs[0].ReasonAfter; got != "chosen +1.00 nats against rejected" {
		t.Errorf("%q", got)
	}
}

// Labels are compared whole, whatever their lengths; a tie goes against the wanted one,
// wherever it stands in the list.
func TestCompareLabels(t *testing.T) {
	long, short := []int32{1, 2}, []int32{3}
	qs := []Scored{
		{Name: "1", Answers: [][]int32{long, short}, Texts: []string{"very good", "bad"}},
		{Name: "2", Answers: [][]int32{short, long}, Texts: []string{"bad", "very good"}},
		{Name: "3", Answers: [][]int32{short, long}, Texts: []string{"bad", "very good"}},
	}
	r, c := CompareLabels([]string{"very good", "bad"}, qs, LogProbs{{-3, -3}, {-3, -2}, {-1, -2}}, LogProbs{{-5, -6}, {-1, -3}, {-3, -2}})
	if r.Before != 1 || r.After != 2 || r.StayedWrong != 0 || len(r.Fixed) != 2 || len(r.Broke) != 1 {
		t.Errorf("%+v", r)
	}
	if !reflect.DeepEqual(c.Before, [][]int{{0, 1}, {1, 1}}) || !reflect.DeepEqual(c.After, [][]int{{1, 0}, {1, 1}}) {
		t.Errorf("%+v", c)
	}
}

// Questions come out in order, whatever their number, and those of the model itself are
// what Score says.
func TestLogProbsOf(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	var qs []Scored
	var questions []engine.Question
	for i := range int32(measured + 3) {
		q := engine.Question{Prompt: []int32{i + 1, 2}, Answers: [][]int32{{3, i}, {4}}}
		questions = append(questions, q)
		qs = append(qs, Scored{Prompt: q.Prompt, Answers: q.Answers})
	}
	var told []int
	got, err := LogProbsOf(context.Background(), m, nil, qs, func(n int) { told = append(told, n) })
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Score(context.Background(), questions)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i][0] != want[i][0].LogProb || got[i][1] != want[i][1].LogProb {
			t.Errorf("question %d: %v, want %v", i, got[i], want[i])
		}
	}
	if !reflect.DeepEqual(told, []int{measured, measured + 3}) {
		t.Errorf("told %v", told)
	}
}

func TestRoom(t *testing.T) {
	if got := Room([]Asked{{WantedTokens: 3}, {WantedTokens: 21}}); got != 21+10+16 {
		t.Errorf("%d", got)
	}
}

// An answer on a line ends with the first line that has something on it; another at its
// end token alone. One that had no room is marked.
func TestAnswers(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	ask := func(line bool, most int) Given {
		q := Asked{Name: "x", Prompt: m.Tokenizer().Encode("Bees make"), Line: line}
		var out []Given
		if err := Answers(context.Background(), m, nil, []Asked{q}, most, func(g []Given) error {
			out = append(out, g...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	if g := ask(true, 20); g != (Given{" honey", false}) {
		t.Errorf("%+v", g)
	}
	if g := ask(false, 20); !strings.HasPrefix(g.Text, " honey\n") || !g.Cut {
		t.Errorf("%+v", g)
	}
	if g := ask(true, 1); !g.Cut {
		t.Errorf("%+v", g)
	}
	for text, want := range map[string]string{"a\nb": "a", "\n\n a\nb": "\n\n a", "a": "a", "\n": "\n", "": ""} {
		if got := firstLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What is compared are verdicts; calls are shown as they are written.
func TestCompareJudged(t *testing.T) {
	asked := []Asked{{
		Name: "q", Shown: "add", Wanted: judge.Wanted{Calls: []judge.Call{{Name: "add", Arguments: []byte(`{"x":1}`)}}},
		Read: func(s string) judge.Answer {
			return judge.Answer{Calls: []judge.Call{{Name: s, Arguments: []byte(`{}`)}}}
		},
	}}
	r := CompareJudged(asked,
		Judged{[]Given{{Text: "sub"}}, []judge.Verdict{{Right: false, Reason: "no"}}},
		Judged{[]Given{{Text: "add"}}, []judge.Verdict{{Right: true, Reason: "yes"}}})
	want := Output{
		Name: "q", Prompt: "add", Correct: `add({"x":1})`, Before: "sub({})", After: "add({})", RightAfter: true,
		ReasonBefore: "no", ReasonAfter: "yes",
	}
	if r.Outputs[0] != want || len(r.Fixed) != 1 || r.PValue != 1 {
		t.Errorf("%+v", r)
	}
}

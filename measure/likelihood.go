package measure

import (
	"context"
	"fmt"

	"bankai/engine"
	"bankai/internal/kernel"
	"bankai/internal/stats"
)

// Scored is a prompt with answers whose likelihood is asked for. The first is the one
// that is wanted.
type Scored struct {
	Name, Category string
	Shown          string // the prompt, for people
	Prompt         []int32
	Answers        [][]int32
	Texts          []string // the answers, for people
}

// LogProbs are the log-probabilities of the answers of every question, in nats:
// [question][answer].
type LogProbs [][]float64

// LogProbsOf scores questions, teacher-forced. After every few questions progress, unless
// nil, is told how many are done.
func LogProbsOf(ctx context.Context, m Scorer, o *engine.Overlay, qs []Scored, progress func(done int)) (LogProbs, error) {
	out := make(LogProbs, 0, len(qs))
	err := inParts(ctx, m, len(qs), func(ctx context.Context, lo, hi int) ([][]engine.Answer, error) {
		questions := make([]engine.Question, hi-lo)
		for i, q := range qs[lo:hi] {
			questions[i] = engine.Question{Prompt: q.Prompt, Answers: q.Answers, Overlay: o}
		}
		answers, err := m.Score(ctx, questions)
		if err != nil {
			return nil, fmt.Errorf("scoring %s to %s: %w", qs[lo].Name, qs[hi-1].Name, err)
		}
		return answers, nil
	}, func(_, hi int, answers [][]engine.Answer) error {
		for _, as := range answers {
			values := make([]float64, len(as))
			for i, a := range as {
				values[i] = a.LogProb
			}
			out = append(out, values)
		}
		if progress != nil {
			progress(hi)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Likelihood is how likely wanted answers are, before and after a patch.
type Likelihood struct {
	Examples int `json:"examples"`
	Tokens   int `json:"tokens"` // of all answers, their ends included
	// PerToken is the mean over the answers of their mean log-probability per token, in
	// nats: a short answer counts as much as a long one.
	PerToken BeforeAfter `json:"per_token"`
	// Perplexity is exp of minus the mean log-probability of all tokens: a long answer
	// counts more.
	Perplexity BeforeAfter     `json:"perplexity"`
	Gain       float64         `json:"gain"`      // of PerToken, nats
	Interval   *stats.Interval `json:"interval"`  // of Gain, 95 %, by Student's t over the examples
	Better     int             `json:"better"`    // answers that are likelier with the patch
	Worse      int             `json:"worse"`     // answers that are less likely with it
	SignP      float64         `json:"sign_p"`    // of Better and Worse: exact sign test, two-sided
	RankP      float64         `json:"rank_p"`    // Wilcoxon's signed-rank test of the changes, two-sided
	PerAnswer  []Shift         `json:"by_answer"` // of every example, in order
}

// Shift is an example's mean log-probability per token of its wanted answer, in nats.
type Shift struct {
	Name string `json:"name"`
	BeforeAfter
}

// CompareLikelihood compares the likelihood of the first answers of questions.
func CompareLikelihood(qs []Scored, before, after LogProbs) *Likelihood {
	l := &Likelihood{Examples: len(qs), PerAnswer: []Shift{}}
	var sum BeforeAfter
	var was, is, gains []float64
	for i, q := range qs {
		n := float64(len(q.Answers[0]))
		s := Shift{q.Name, BeforeAfter{before[i][0] / n, after[i][0] / n}}
		l.PerAnswer = append(l.PerAnswer, s)
		l.Tokens += len(q.Answers[0])
		sum.Before += before[i][0]
		sum.After += after[i][0]
		was, is, gains = append(was, s.Before), append(is, s.After), append(gains, s.After-s.Before)
		switch {
		case s.After > s.Before:
			l.Better++
		case s.After < s.Before:
			l.Worse++
		}
	}
	l.PerToken = BeforeAfter{stats.Mean(was), stats.Mean(is)}
	if n := float64(l.Tokens); n > 0 {
		l.Perplexity = BeforeAfter{kernel.Exp64(-sum.Before / n), kernel.Exp64(-sum.After / n)}
	}
	l.Gain, l.Interval = stats.MeanInterval(gains)
	l.SignP = stats.McNemar(l.Better, l.Worse)
	_, l.RankP = stats.Wilcoxon(gains)
	return l
}

// ComparePreferences counts for how many questions the first answer, the chosen one, is
// likelier than the second, the rejected one: by the log-probability of the whole answer,
// as preferences are trained, so that the shorter one is favoured.
func ComparePreferences(qs []Scored, before, after LogProbs) *Result {
	r := newResult()
	name := map[bool]string{true: "chosen", false: "rejected"}
	for i, q := range qs {
		was, is := before[i][0] > before[i][1], after[i][0] > after[i][1]
		r.add(Output{
			Name: q.Name, Category: q.Category, Prompt: q.Shown, Correct: q.Texts[0],
			Before: name[was], After: name[is], RightBefore: was, RightAfter: is,
			ReasonBefore: marginText(before[i]), ReasonAfter: marginText(after[i]),
		})
	}
	return r.finish()
}

func marginText(p []float64) string {
	return fmt.Sprintf("chosen %+.2f nats against rejected", p[0]-p[1])
}

// Confusion counts how often a label was likeliest where another was wanted:
// [wanted][likeliest], in the order of Labels.
type Confusion struct {
	Labels []string `json:"names"`
	Before [][]int  `json:"before"`
	After  [][]int  `json:"after"`
}

// CompareLabels counts for how many questions the wanted label, the first answer, is
// likelier than every other, each with what ends it. Answers that end exclude one another,
// whatever their lengths, so the whole log-probabilities say which one is given, as a
// search sees it; a mean over tokens would favour labels whose later tokens follow from
// their first. Ties go against the wanted one.
func CompareLabels(labels []string, qs []Scored, before, after LogProbs) (*Result, *Confusion) {
	r, c := newResult(), &Confusion{Labels: labels, Before: square(len(labels)), After: square(len(labels))}
	at := map[string]int{}
	for i, l := range labels {
		at[l] = i
	}
	for i, q := range qs {
		was, is := likeliest(before[i]), likeliest(after[i])
		c.Before[at[q.Texts[0]]][at[q.Texts[was]]]++
		c.After[at[q.Texts[0]]][at[q.Texts[is]]]++
		r.add(Output{
			Name: q.Name, Category: q.Category, Prompt: q.Shown, Correct: q.Texts[0],
			Before: q.Texts[was], After: q.Texts[is], RightBefore: was == 0, RightAfter: is == 0,
		})
	}
	return r.finish(), c
}

func square(n int) [][]int {
	rows := make([][]int, n)
	for i := range rows {
		rows[i] = make([]int, n)
	}
	return rows
}

// likeliest is the answer of the highest log-probability; of equal ones the last, so that
// the wanted one, which is the first, does not win a tie.
func likeliest(logprobs []float64) (best int) {
	for i := range logprobs {
		if logprobs[i] >= logprobs[best] {
			best = i
		}
	}
	return best
}

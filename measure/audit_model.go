package measure

import (
	"context"
	"fmt"
	"slices"

	"bankai/engine"
	"bankai/probe"
)

// auditRanks asks the model where the answers of each probe part: is the wrong
// one what it would say if not the right one? A distractor that the model never
// says anyway cannot show whether a patch helps.
func auditRanks(ctx context.Context, set probe.Set, tokens []probe.Tokens, s Scorer) (Findings, error) {
	var questions []engine.Question // two a probe: where the answers part, and the whole answer
	for _, t := range tokens {
		prompt, right, wrong := parting(t)
		questions = append(questions,
			engine.Question{Prompt: prompt, Answers: [][]int32{right, wrong}},
			engine.Question{Prompt: t.Prompt, Answers: [][]int32{t.CorrectEnded}},
		)
	}
	answers, err := s.Score(ctx, questions)
	if err != nil {
		return nil, fmt.Errorf("ranking the answers: %w", err)
	}
	var found Findings
	var ranks []int
	known := 0
	for i, p := range set {
		if answers[2*i+1][0].Greedy {
			known++
		}
		if slices.Equal(tokens[i].Correct, tokens[i].Wrong) {
			continue
		}
		rank := competition(answers[2*i][0].Rank, answers[2*i][1].Rank)
		ranks = append(ranks, rank)
		if rank > 1 {
			found = append(found, of(p, WeakDistractor, Warning, fmt.Sprintf("%q is only number %d of what the model would say instead of %q", p.Wrong, rank, p.Correct)))
		}
	}
	detail := fmt.Sprintf("the model gives %d of %d right answers as written", known, len(set))
	if len(ranks) > 0 {
		slices.Sort(ranks)
		detail += fmt.Sprintf("; its own mistake would be the wrong answer in %d of %d (median place %d)", len(ranks)-len(found), len(ranks), ranks[len(ranks)/2])
	}
	return append(found, Finding{Kind: Overview, Severity: Info, Detail: detail}), nil
}

// parting moves the tokens that both answers begin with to the prompt. What is
// left of each begins with the token that tells them apart; the terminator
// counts as one, so that an answer which is a part of the other has it too. It
// returns equal answers whole.
func parting(t probe.Tokens) (prompt, right, wrong []int32) {
	n := 0
	for n < len(t.CorrectEnded) && n < len(t.WrongEnded) && t.CorrectEnded[n] == t.WrongEnded[n] {
		n++
	}
	if n == len(t.CorrectEnded) || n == len(t.WrongEnded) {
		return t.Prompt, t.Correct, t.Wrong
	}
	return slices.Concat(t.Prompt, t.CorrectEnded[:n]), t.CorrectEnded[n:], t.WrongEnded[n:]
}

// competition is the place, 1-based, of the wrong token among all but the right
// one, given the ranks of both among all (0 is the most probable).
func competition(right, wrong int) int {
	if right < wrong {
		return wrong
	}
	return wrong + 1
}

package engine

import "math"

// penalties are what a Sampling changes of the logits themselves, because of the tokens
// that the sequence has, or because a request wants or bans some.
type penalties struct {
	counts map[int32]int // of the tokens generated
	recent []int32       // the last tokens, the prompt's among them, the oldest first
	within map[int32]int // how often a token is in recent
	logits []float32     // changed
}

// defaultRepeatLast is llama.cpp's.
const defaultRepeatLast = 64

// repeats says whether there is a repeat penalty.
func (s *Sampling) repeats() bool { return s.RepeatPenalty != 0 && s.RepeatPenalty != 1 }

// counts says whether it matters how often a token was generated.
func (s *Sampling) counts() bool { return s.PresencePenalty != 0 || s.FrequencyPenalty != 0 }

// penalises says whether logits are changed at all.
func (s *Sampling) penalises() bool { return s.repeats() || s.counts() || len(s.Bias) > 0 }

// Prompt tells what stands before the first token: a repeat penalty counts it.
func (s *Sampler) Prompt(ids []int32) {
	if s.repeats() {
		for _, id := range ids[max(0, len(ids)-s.repeatLast()):] {
			s.had.remember(id, s.repeatLast())
		}
	}
}

func (s *Sampling) repeatLast() int {
	if s.RepeatLast == 0 {
		return defaultRepeatLast
	}
	return s.RepeatLast
}

// chose counts a token that was generated.
func (s *Sampler) chose(id int32) {
	if s.counts() {
		if s.had.counts == nil {
			s.had.counts = map[int32]int{}
		}
		s.had.counts[id]++
	}
	if s.repeats() {
		s.had.remember(id, s.repeatLast())
	}
}

// remember adds a token to the recent ones, and forgets the oldest of more than most.
func (p *penalties) remember(id int32, most int) {
	if p.within == nil {
		p.within = map[int32]int{}
	}
	if len(p.recent) == most {
		oldest := p.recent[0]
		if p.within[oldest]--; p.within[oldest] == 0 {
			delete(p.within, oldest)
		}
		copy(p.recent, p.recent[1:])
		p.recent = p.recent[:most-1]
	}
	p.recent = append(p.recent, id)
	p.within[id]++
}

// penalised is a copy of logits with the penalties, then the bias. A token's logit
// depends on nothing but its own counts, so the order of a map does not matter.
func (s *Sampler) penalised(logits []float32) []float32 {
	s.had.logits = append(s.had.logits[:0], logits...)
	out := s.had.logits
	for id := range s.had.within {
		if l := float64(out[id]); l > 0 {
			out[id] = float32(l / s.RepeatPenalty)
		} else {
			out[id] = float32(l * s.RepeatPenalty)
		}
	}
	for id, n := range s.had.counts {
		out[id] = float32(float64(out[id]) - float64(float64(n)*s.FrequencyPenalty) - s.PresencePenalty)
	}
	for id, b := range s.Bias {
		out[id] += b
	}
	return out
}

// checkPenalties refuses values outside their ranges.
func (s *Sampling) checkPenalties() error {
	const two, hundred = "between -2 and 2", "between -100 and 100"
	switch {
	case !(math.Abs(s.PresencePenalty) <= 2):
		return &SamplingError{"presence penalty", s.PresencePenalty, two}
	case !(math.Abs(s.FrequencyPenalty) <= 2):
		return &SamplingError{"frequency penalty", s.FrequencyPenalty, two}
	case !(s.RepeatPenalty >= 0) || math.IsInf(s.RepeatPenalty, 1):
		return &SamplingError{"repeat penalty", s.RepeatPenalty, "0 (none) or a finite number above"}
	case s.RepeatLast < 0:
		return &SamplingError{"repeat last", s.RepeatLast, "0 (64 tokens) or more"}
	}
	for _, b := range s.Bias {
		if !(math.Abs(float64(b)) <= 100) {
			return &SamplingError{"bias", float64(b), hundred}
		}
	}
	return nil
}

// checkBias refuses a bias of tokens that the model does not know: of the smallest ID,
// if there are several.
func (m *Model) checkBias(bias map[int32]float32) error {
	var wrong *TokenError
	for id := range bias {
		if (id < 0 || int(id) >= m.config.Vocab) && (wrong == nil || id < wrong.ID) {
			wrong = &TokenError{id, m.config.Vocab}
		}
	}
	if wrong != nil {
		return wrong
	}
	return nil
}

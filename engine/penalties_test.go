package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bankai/internal/testmodel"
)

// penalisedPlainly makes the logits of penalties and bias as one writes it down, from
// all tokens that there are.
func penalisedPlainly(s Sampling, logits []float32, prompt, generated []int32) []float32 {
	out := slices.Clone(logits)
	last := s.RepeatLast
	if last == 0 {
		last = 64
	}
	all := slices.Concat(prompt, generated)
	all = all[max(0, len(all)-last):]
	for i := range out {
		id := int32(i)
		l := float64(out[i])
		if s.RepeatPenalty != 0 && slices.Contains(all, id) {
			if l > 0 {
				l /= s.RepeatPenalty
			} else {
				l *= s.RepeatPenalty
			}
			l = float64(float32(l))
		}
		n := 0
		for _, g := range generated {
			if g == id {
				n++
			}
		}
		if n > 0 {
			l = float64(float32(l - float64(n)*s.FrequencyPenalty - s.PresencePenalty))
		}
		out[i] = float32(l) + s.Bias[id]
	}
	return out
}

// A sampler with penalties chooses what one without them does of the logits that they
// make; it leaves those that it is given alone.
func TestPenalties(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	for _, s := range []Sampling{
		{PresencePenalty: 1.5},
		{FrequencyPenalty: 0.3},
		{FrequencyPenalty: -0.5, PresencePenalty: -1},
		{RepeatPenalty: 1.3},
		{RepeatPenalty: 0.8, RepeatLast: 5},
		{RepeatPenalty: 1.2, RepeatLast: 1},
		{RepeatPenalty: 1},
		{Bias: map[int32]float32{3: 2, 5: -100}},
		{Bias: map[int32]float32{7: 1.5}, RepeatPenalty: 1.1, PresencePenalty: 0.5, FrequencyPenalty: 0.25},
	} {
		for _, temperature := range []float64{0, 1} {
			s.Temperature, s.Seed = temperature, 7
			prompt := randomIDs(rng, 70, 40)
			plain := Sampling{Temperature: temperature, Seed: 7}.Sampler()
			sampler := s.Sampler()
			sampler.Prompt(prompt)
			var generated []int32
			for range 150 {
				logits := randomLogits(rng, 40, 1.5)
				given := slices.Clone(logits)
				want := plain.Next(penalisedPlainly(s, logits, prompt, generated))
				if got := sampler.Next(logits); got != want {
					t.Fatalf("%+v: token %d is %d, want %d", s, len(generated), got, want)
				}
				if !slices.Equal(logits, given) {
					t.Fatalf("%+v changes the logits that it is given", s)
				}
				generated = append(generated, want)
			}
		}
	}
}

// A bias bans tokens, or leaves no other.
func TestBiasDecides(t *testing.T) {
	logits := []float32{9, 8, 7, -5}
	if got := (Sampling{Bias: map[int32]float32{0: -100}}).Sampler().Next(logits); got != 1 {
		t.Errorf("with token 0 banned: %d", got)
	}
	s := Sampling{Temperature: 2, Bias: map[int32]float32{3: 100}}.Sampler()
	for range 50 {
		if got := s.Next(logits); got != 3 {
			t.Errorf("with token 3 alone wanted: %d", got)
		}
	}
}

// What an event tells are the model's log-probabilities, not those of the penalties.
func TestLogProbsAreTheModels(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{})
	defer l.Close()
	prompt := []int32{5, 6, 7}
	var events []Event
	r := submit(t, l, Request{
		Prompt: prompt, Max: 20, LogProbs: true, TopLogProbs: 2,
		Sampling: Sampling{RepeatPenalty: 3, PresencePenalty: 2, Bias: map[int32]float32{9: 50, 8: 49}},
		Emit:     func(e Event) { events = append(events, e) },
	}).Result()
	if len(r.IDs) < 2 || r.IDs[0] != 9 {
		t.Fatalf("the bias makes %v", r.IDs)
	}
	logits := logitsOf(t, m, nil, slices.Concat(prompt, r.IDs))
	vocab := m.Config().Vocab
	for n, id := range r.IDs {
		row := logits[(len(prompt)-1+n)*vocab:][:vocab]
		lse := m.LogSumExp(row)
		if got, want := events[n].LogProb, float64(row[id])-lse; got != want {
			t.Errorf("token %d: %v, want %v", n, got, want)
		}
		best := argMax(row)
		if top := events[n].Top; len(top) != 2 || top[0].ID != best || top[0].LogProb != float64(row[best])-lse || math.IsInf(top[1].LogProb, 0) {
			t.Errorf("the likeliest at token %d are %v, want %d first", n, top, best)
		}
	}
}

// Prompts count for a repeat penalty in a loop, too: of all tokens but one, what is above
// 0 falls to it.
func TestRepeatPenaltyKnowsThePrompt(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	vocab := m.Config().Vocab
	for z := range int32(vocab) {
		prompt := make([]int32, 0, vocab)
		for id := range int32(vocab) {
			if id != z {
				prompt = append(prompt, id)
			}
		}
		all := logitsOf(t, m, nil, prompt)
		last := all[len(all)-vocab:]
		if last[z] < 0.1 || argMax(last) == z {
			continue
		}
		r, err := m.Generate(context.Background(), []Request{{Prompt: prompt, Max: 1, Sampling: Sampling{RepeatPenalty: 1e6, RepeatLast: 1000}}}, nil)
		if err != nil || len(r[0].IDs) != 1 || r[0].IDs[0] != z {
			t.Errorf("%v, %v; want token %d", r, err, z)
		}
		return
	}
	t.Fatal("no token is above 0 without being the likeliest: take another seed")
}

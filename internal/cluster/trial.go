package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"

	"bankai"
	"bankai/engine"
)

// trialTokens is the length of the trial's prompt, and of what is generated behind it.
const trialTokens = 16

// Trial is the digest of what a fixed computation gives on a model: the scores of two
// answers, 16 generated tokens, and a gradient by all projections. Machines whose trials
// differ do not compute the same bits. It takes the time of some 100 tokens.
func Trial(ctx context.Context, m *engine.Model) (bankai.Digest, error) {
	h := sha256.New()
	q := trialQuestion(m)
	answers, err := m.Score(ctx, []engine.Question{q})
	if err != nil {
		return bankai.Digest{}, fmt.Errorf("the trial: %w", err)
	}
	hashAnswers(h, answers[0])
	said, err := m.Generate(ctx, []engine.Request{{Prompt: q.Prompt, Max: trialTokens}}, nil)
	if err != nil {
		return bankai.Digest{}, fmt.Errorf("the trial: %w", err)
	}
	hashOf(h, said[0].IDs)
	weighted := engine.WeightedQuestion{Question: q, Weighting: engine.Weighting{LogProbs: []float64{1, -0.5}, Margins: []float64{0.25, 1}}}
	answers, err = m.Gradient(ctx, []engine.WeightedQuestion{weighted}, func(g *engine.LayerGradient) error {
		hashOf(h, int64(g.Layer))
		for _, p := range g.Projections {
			fmt.Fprintln(h, p.Tensor)
			hashOf(h, p.Y)
			hashOf(h, p.DY)
		}
		hashOf(h, g.DHidden)
		return nil
	})
	if err != nil {
		return bankai.Digest{}, fmt.Errorf("the trial: %w", err)
	}
	hashAnswers(h, answers[0])
	return bankai.Digest(h.Sum(nil)), nil
}

// trialQuestion is the same for all models of as many tokens: its tokens are spread over
// the vocabulary.
func trialQuestion(m *engine.Model) engine.Question {
	vocab := uint32(m.Config().Vocab)
	token := func(i int) int32 { return int32(uint32(i) * 2654435761 % vocab) }
	var q engine.Question
	for i := range trialTokens {
		q.Prompt = append(q.Prompt, token(i))
	}
	q.Answers = [][]int32{{token(trialTokens), token(trialTokens + 1)}, {token(trialTokens + 2)}}
	return q
}

func hashAnswers(h hash.Hash, answers []engine.Answer) {
	for _, a := range answers {
		greedy := uint64(0)
		if a.Greedy {
			greedy = 1
		}
		hashOf(h, []uint64{math.Float64bits(a.LogProb), greedy, uint64(a.Rank), math.Float64bits(a.Margin), math.Float64bits(a.KL)})
	}
}

// hashOf takes numbers of a fixed size in.
func hashOf(h hash.Hash, numbers any) {
	if err := binary.Write(h, binary.LittleEndian, numbers); err != nil {
		panic(err)
	}
}

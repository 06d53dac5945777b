package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bankai/internal/testmodel"
)

// split gives the questions of a trunk, and what is asked of each.
func split(qs []WeightedQuestion) (questions []Question, ws []Weighting) {
	for _, q := range qs {
		questions, ws = append(questions, q.Question), append(ws, q.Weighting)
	}
	return questions, ws
}

// cutSets are cuts that make segments of many kinds: of one sublayer each, of an
// MLP and the attention above it, and none above the last attention.
func cutSets(m *Model) [][]Cut {
	last := m.lastCut()
	var all []Cut
	for c := Cut(1); c <= last; c++ {
		all = append(all, c)
	}
	return [][]Cut{nil, all, {2}, {last - 2, last}, {2, 4, last - 1}}
}

// Derivatives have the same bits and rows the same order, whatever the segments
// and the waves, down to any cut.
func TestSegmentsAndWaves(t *testing.T) {
	ctx := context.Background()
	for name, shape := range someShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			m := testModel(t, shape, Options{Precision: precision})
			qs := weightedQuestions(rand.New(rand.NewPCG(11, 11)), 4, shape.Vocab)
			questions, ws := split(qs)
			whole, answers := gradientOf(t, m, qs)
			for i, cuts := range cutSets(m) {
				trunk := newTrunk(t, m, questions, cuts)
				for lowest := Cut(i % 3); lowest <= m.lastCut(); lowest += 3 {
					for _, tokens := range []int{1, 40} {
						what := fmt.Sprintf("%s %v, cuts %v, down to %d, waves of %d", name, precision, cuts, lowest, tokens)
						got := gradients{}
						scored, err := trunk.gradient(ctx, ws, lowest, tokens, nil, got.visit)
						if err != nil {
							t.Fatal(err)
						}
						want := maps.Clone(whole)
						maps.DeleteFunc(want, func(tensor string, _ *Projection) bool { return cutOf(m, tensor) < lowest })
						if have, all := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(have, all) {
							t.Fatalf("%s: gradients of %v, want %v", what, have, all)
						}
						sameGradients(t, what, got, want)
						if len(want) > 0 && !reflect.DeepEqual(scored, answers) {
							t.Errorf("%s: other answers", what)
						}
					}
				}
			}
		}
	}
}

// Nor do they depend on the segments where old keys and values are read as int8.
func TestSegmentsOfALongPrompt(t *testing.T) {
	for _, shape := range []testmodel.Shape{shapes["tied, head_dim 64"], testmodel.TinyHybrid} {
		m := testModel(t, shape, Options{})
		rng := rand.New(rand.NewPCG(19, 19))
		qs := []WeightedQuestion{{
			Question{Prompt: randomIDs(rng, 170, shape.Vocab), Answers: [][]int32{randomIDs(rng, 20, shape.Vocab), randomIDs(rng, 3, shape.Vocab)}},
			Weighting{LogProbs: []float64{1, -1}},
		}}
		questions, ws := split(qs)
		want, _ := gradientOf(t, m, qs)
		got := gradients{}
		if err := newTrunk(t, m, questions, []Cut{2, 3}).Gradient(context.Background(), ws, 0, nil, got.visit); err != nil {
			t.Fatal(err)
		}
		sameGradients(t, "170 tokens and an answer", got, want)
	}
}

// cutOf is the cut below a tensor or a layer's hidden units.
func cutOf(m *Model, what string) Cut {
	var layer int
	if n, _ := fmt.Sscanf(what, "hidden %d", &layer); n == 1 {
		return Cut(2*layer + 2)
	}
	return m.CutBelow(what)
}

// All waves of a segment come before the segments below; in a wave, every MLP and
// attention comes once, from the top; and only the last wave is called that.
func TestOrderOfGradients(t *testing.T) {
	m := testModel(t, testmodel.Shape{Layers: 4, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 320}, Options{})
	questions, ws := split(weightedQuestions(rand.New(rand.NewPCG(12, 12)), 7, 320))
	trunk := newTrunk(t, m, questions, []Cut{3, 6, 8, 9})
	type visit struct {
		at    Cut
		first int // question
		last  bool
	}
	var waves []int
	for i := range questions {
		waves = append(waves, i) // a question each
	}
	var want, got []visit
	for _, s := range []segment{{6, 9}, {3, 6}, {1, 3}} {
		for _, q := range waves {
			for c := s.to - 1; c >= max(s.from, 2); c-- {
				want = append(want, visit{c, q, q == len(questions)-1})
			}
		}
	}
	_, err := trunk.gradient(context.Background(), ws, 2, 1, nil, func(s *LayerGradient) error {
		if s.Questions[0] != s.Questions[len(s.Questions)-1] || len(s.Questions) != questions[s.Questions[0]].Tokens() {
			t.Errorf("a wave of questions %v", s.Questions)
		}
		got = append(got, visit{cutOf(m, s.Projections[0].Tensor), s.Questions[0], s.Last})
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("visits %v, want %v (%v)", got, want, err)
	}
}

func TestTrunkGradientRefuses(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	trunk := newTrunk(t, m, []Question{{Prompt: []int32{1, 2}, Answers: [][]int32{{3}, {4}}}}, []Cut{2})
	two, stop := Weighting{LogProbs: []float64{1, 1}}, errors.New("stop")
	visits := 0
	visit := func(*LayerGradient) error { visits++; return stop }
	for what, ws := range map[string][]Weighting{
		"no weights":      nil,
		"too many":        {two, two},
		"too few answers": {{LogProbs: []float64{1}}},
	} {
		if err := trunk.Gradient(context.Background(), ws, 0, nil, visit); err == nil || visits > 0 {
			t.Errorf("%s: %v after %d visits", what, err, visits)
		}
	}
	if err := trunk.Gradient(context.Background(), []Weighting{two}, 0, nil, visit); !errors.Is(err, stop) || visits != 1 {
		t.Errorf("visit's error: %v after %d visits", err, visits)
	}
}

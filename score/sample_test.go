package score_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/stats"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// sampled measures 24 targets in blocks of 6, 8 controls and 4 lines of text.
func sampled(t testing.TB, m *engine.Model, block int) *score.Evaluator {
	t.Helper()
	o := score.Objective{Metric: probe.AnswerLogprob, Penalty: 2, Divergence: 1}
	e, err := score.NewProbeEvaluator(m, enginetest.DemoSet(t, "search_few")[:24], enginetest.DemoSet(t, "control")[:8], score.Options{
		Objective: o, Text: demoText(t, 4), Samples: score.Samples{Block: block, Seed: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func flipRow(row uint32) search.Move {
	return search.Move{Flips: []bankai.Flip{{Tensor: "blk.2.ffn_gate.weight", Row: row, N: bankai.ToEnd}}}
}

// A sample of a whole epoch is scored and predicted as all examples are, to the bit;
// only what the examples add is told besides.
func TestASampleOfEverything(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	e, plain := sampled(t, m, 6), sampled(t, m, 0)
	if e.Epoch() != 4 {
		t.Fatalf("an epoch of %d blocks", e.Epoch())
	}
	ctx, start := context.Background(), bankai.New(m.Digest(), bankai.Meta{})
	cur, err := start.Xor(bankai.New(m.Digest(), bankai.Meta{}, flipRow(7).Flips...))
	if err != nil {
		t.Fatal(err)
	}
	epoch := search.Sample{First: 4, N: 4}
	for _, on := range []*bankai.Patch{start, cur} {
		moves := []search.Move{{}, flipRow(5), flipRow(9)}
		want, err := plain.Score(ctx, on, moves)
		if err != nil {
			t.Fatal(err)
		}
		for i := range moves {
			moves[i].Sample = epoch
		}
		got, err := e.Score(ctx, on, moves)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if worth := sumOf(got[i].Worth); worth < got[i].Fitness-1e-9 || worth > got[i].Fitness+1e-9 {
				t.Errorf("the examples add up to %v, the fitness is %v", worth, got[i].Fitness)
			}
			if got[i].Worth = nil; !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("move %d: %v, of all examples %v", i, got[i], want[i])
			}
		}
	}
	w := search.Want{Matrices: rowsOf(m), Best: [search.Granularities]int{50, 50}, Flips: flipRow(5).Flips}
	want, _, err := plain.Predict(ctx, cur, w)
	if err != nil {
		t.Fatal(err)
	}
	w.Sample = epoch
	got, _, err := e.Predict(ctx, cur, w)
	if err != nil {
		t.Fatal(err)
	}
	if got.Now = 0; !reflect.DeepEqual(got, want) {
		t.Error("predictions differ from those on all examples")
	}
}

func sumOf(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

func rowsOf(m *engine.Model) []search.Matrix {
	t, _ := m.Weights().Tensor("blk.2.ffn_gate.weight")
	return []search.Matrix{score.MatrixOf(t)}
}

// The score of a move on a sample depends on nothing else: not on the other moves of a
// call, nor on what was measured before, nor on what of it is remembered.
func TestScoresOnSamplesArePure(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	ctx := context.Background()
	cur := bankai.New(m.Digest(), bankai.Meta{}, flipRow(7).Flips...)
	var moves []search.Move
	for _, s := range []search.Sample{{First: 0, N: 1}, {First: 5, N: 2}, {}, {First: 1, N: 3}, {First: 0, N: 1}} {
		for _, move := range []search.Move{{}, flipRow(3)} {
			move.Sample = s
			moves = append(moves, move)
		}
	}
	e := sampled(t, m, 6)
	together, err := e.Score(ctx, cur, moves)
	if err != nil {
		t.Fatal(err)
	}
	for i, move := range slices.Backward(moves) {
		if i == 2 {
			e.Release()
		}
		alone, err := e.Score(ctx, cur, []search.Move{move})
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := sampled(t, m, 6).Score(ctx, cur, []search.Move{move})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(alone[0], together[i]) || !reflect.DeepEqual(fresh[0], together[i]) {
			t.Errorf("move %d on %v: together %v, alone %v, by another evaluator %v", i, move.Sample, together[i].Fitness, alone[0].Fitness, fresh[0].Fitness)
		}
	}
}

// Every block has its share of the targets, and of what is held on to.
func TestBlocksHaveTheirShare(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	e := sampled(t, m, 6)
	start := bankai.New(m.Digest(), bankai.Meta{})
	for first := range 8 {
		s, err := e.Score(context.Background(), start, []search.Move{{Sample: search.Sample{First: first, N: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(s[0].Targets) != 6 || len(s[0].Controls) != 8 || len(s[0].Worth) != 6+8+4 {
			t.Errorf("block %d: %d targets, %d controls, %d examples", first, len(s[0].Targets), len(s[0].Controls), len(s[0].Worth))
		}
		if s[0].Fitness != 0 {
			t.Errorf("block %d: the unpatched model has fitness %v", first, s[0].Fitness)
		}
	}
}

// On a sample, too, predictions rank flips as the truth does.
func TestForecastOnASampleRanksAsTheTruth(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	e := sampled(t, m, 6)
	ctx, cur := context.Background(), bankai.New(m.Digest(), bankai.Meta{})
	on := search.Sample{First: 1, N: 2}
	w := search.Want{Sample: on}
	var moves []search.Move
	for row := range uint32(40) {
		move := flipRow(row * 20)
		move.Sample = on
		moves, w.Flips = append(moves, move), append(w.Flips, move.Flips...)
	}
	f, _, err := e.Predict(ctx, cur, w)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := e.Score(ctx, cur, moves)
	if err != nil {
		t.Fatal(err)
	}
	var predicted, truth []float64
	for i, s := range scores {
		if f.Flips[i].Flip != w.Flips[i] {
			t.Fatalf("prediction %d is of %v", i, f.Flips[i].Flip)
		}
		predicted, truth = append(predicted, f.Flips[i].Fitness), append(truth, s.Fitness)
	}
	if rho := stats.Spearman(predicted, truth); rho < 0.8 {
		t.Errorf("rank correlation %.2f", rho)
	}
}

func TestSamplesNeedBlocks(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	e := evaluatorOf(t, m, 0)
	for _, c := range []struct {
		sample search.Sample
		want   string
	}{
		{search.Sample{First: 1, N: 1}, "made for all examples together"},
		{search.Sample{First: -1, N: 1}, "must be at least 1 from 0 up"},
	} {
		_, err := e.Score(context.Background(), bankai.New(m.Digest(), bankai.Meta{}), []search.Move{{Sample: c.sample}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want …%s…", c.sample, err, c.want)
		}
	}
}

func evaluatorOf(t testing.TB, m *engine.Model, block int) *score.Evaluator {
	t.Helper()
	set := probe.Set{{Prompt: "a", Correct: "b", Wrong: "c"}}
	e, err := score.NewProbeEvaluator(m, set, nil, score.Options{Samples: score.Samples{Block: block}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

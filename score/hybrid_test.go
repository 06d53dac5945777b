package score_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/kernel"
	"bankai/internal/stats"
	"bankai/internal/testmodel"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// hybrid is a model of three layers with a delta-net and one with attention.
func hybrid(t testing.TB, o engine.Options) *engine.Model {
	t.Helper()
	return enginetest.Load(t, testmodel.Bytes(testmodel.TinyHybrid, 1), o)
}

// climbing is a fitness of answers alone.
func climbing(m *engine.Model, t testing.TB) *score.Evaluator {
	return evaluator(t, m, score.Options{Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: score.DefaultPenalty, Slack: score.DefaultSlack}})
}

// matricesOf are some projections of those of the layers (none: all) that have them.
func matricesOf(t testing.TB, m *engine.Model, names string, layers ...int) []search.Matrix {
	t.Helper()
	ms, err := score.Matrices(m.Weights(), layers, strings.Fields(names))
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

// One backward pass orders flips of a hybrid's projections much as they truly do, in the
// upper layers: weights are random, and another delta-net above makes anything of a flip.
func TestPredictionsOfAHybrid(t *testing.T) {
	m := hybrid(t, engine.Options{Precision: engine.Exact})
	e := climbing(m, t)
	base := bankai.New(m.Digest(), bankai.Meta{})
	for _, c := range []struct {
		names string
		size  search.Granularity
		least float64
	}{
		{"qkv", search.Row, 0.7},
		{"z", search.Row, 0.9},
		{"alpha beta", search.Bit, 0.9},
		{"out", search.Group, 0.9},
		{"q k v o", search.Row, 0.9},
		{"z", search.Bit, 0.9},
	} {
		ms := matricesOf(t, m, c.names, 2, 3)
		rng := rand.New(rand.NewPCG(1, 1))
		var moves []search.Move
		for range 60 {
			moves = append(moves, search.Move{Flips: []bankai.Flip{piece(rng, ms[rng.IntN(len(ms))], c.size)}})
		}
		predicted := predictFlips(t, e, base, flipsOf(moves)...)
		var got, want []float64
		for i, s := range scores(t, e, base, moves...) {
			got, want = append(got, predicted[moves[i].Flips[0]]), append(want, s.Fitness)
		}
		rho := stats.Spearman(got, want)
		t.Logf("%ss of %s: Spearman's ρ %.3f", c.size, c.names, rho)
		if !(rho >= c.least) {
			t.Errorf("%ss of %s: Spearman's ρ of predicted and true fitness is %.3f, want at least %v", c.size, c.names, rho, c.least)
		}
	}
}

// A candidate costs what is above the lowest of its flips: as counted by hand of one probe,
// of whose tokens all pass every layer but the last.
func TestCostOfAHybrid(t *testing.T) {
	m := hybrid(t, engine.Options{})
	set := probe.Set{targets[2]}
	e, err := score.NewProbeEvaluator(m, set, nil, score.Options{Objective: score.Objective{Metric: probe.SeqLogprob}})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := set[0].Tokens(m.Tokenizer())
	if err != nil {
		t.Fatal(err)
	}
	answers := probe.SeqLogprob.Answers(ids)
	tokens := len(ids.Prompt)
	logits := 1
	for _, a := range answers {
		tokens += len(a) - 1
		logits += len(a) - 1
	}
	const hidden, ffn, inner, channels, heads, vocab = 128, 256, 4 * 64, 8 * 64, 4, 320
	delta := tokens * hidden * (channels + 2*heads + 2*inner)
	mlp := func(n int) int { return n * 3 * hidden * ffn }
	last := tokens*hidden*2*64 + logits*hidden*(2*2*64+2*64) + mlp(logits) + logits*hidden*vocab
	full := 3*(delta+mlp(tokens)) + last
	for tensor, work := range map[string]int{
		"blk.0.attn_qkv.weight":  full,
		"blk.2.ssm_alpha.weight": delta + mlp(tokens) + last,
		"blk.2.ffn_up.weight":    mlp(tokens) + last,
		"blk.3.attn_q.weight":    last,
	} {
		move := search.Move{Flips: []bankai.Flip{{Tensor: tensor, Row: 1, N: bankai.ToEnd}}}
		s := scores(t, e, bankai.New(m.Digest(), bankai.Meta{}), move)[0]
		if want := float64(work) / float64(full); math.Abs(s.Cost-want) > 1e-12 {
			t.Errorf("a row of %s costs %v passes, want %v", tensor, s.Cost, want)
		}
	}
}

// A guided search of all of a hybrid's projections, by all granularities, finds what helps,
// and the same on any number of threads and any kernels.
func TestGuidedSearchOfAHybrid(t *testing.T) {
	find := func(o engine.Options) *search.Result {
		m := hybrid(t, o)
		ms := matricesOf(t, m, strings.Join(score.ProjectionsOf(m.Weights(), nil), " "))
		st, err := search.NewGuided(ms, 1, search.Row, search.Group, search.Bit)
		if err != nil {
			t.Fatal(err)
		}
		r, err := search.Run(context.Background(), climbing(m, t), st, bankai.New(m.Digest(), bankai.Meta{}), search.Config{Steps: 60, Prune: true})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := find(engine.Options{Threads: 2})
	parts := map[string]int{}
	for _, f := range want.Patch.Flips() {
		parts[strings.Split(f.Tensor, ".")[2][:4]]++
	}
	if want.Fitness < 1 || parts["ssm_"] == 0 || parts["attn"] == 0 {
		t.Errorf("fitness %v after %d candidates, flips of %v", want.Fitness, want.Steps, parts)
	}
	for _, k := range kernel.Available() {
		if k != kernel.Generic { // which takes long
			same(t, "on one thread, with "+k.Name, find(engine.Options{Kernel: k.Name, Threads: 1}), want)
		}
	}
}

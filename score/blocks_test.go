package score_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// crew measures on several evaluators, each made of what the coordinator's task says as
// JSON, and in random order.
type crew struct {
	all []*score.Evaluator
	rnd *rand.Rand
}

func newCrew(t testing.TB, e *score.Evaluator, seed uint64, models ...*engine.Model) *crew {
	t.Helper()
	data, err := json.Marshal(e.Task())
	if err != nil {
		t.Fatal(err)
	}
	c := &crew{rnd: rand.New(rand.NewPCG(seed, 1))}
	for _, m := range models {
		var task score.Task
		if err := json.Unmarshal(data, &task); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(task, e.Task()) {
			t.Fatalf("the task came back as %+v", task)
		}
		own, err := task.Evaluator(m, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		c.all = append(c.all, own)
	}
	return c
}

func (c *crew) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part) ([][][]float64, error) {
	out := make([][][]float64, len(parts))
	for _, k := range c.rnd.Perm(len(parts)) {
		var err error
		p := parts[k]
		if out[k], err = c.all[c.rnd.IntN(len(c.all))].Values(ctx, cur, p.Block, moves, p.Questions); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *crew) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, _ map[score.Subject]int, parts []score.Part, got func(k int, said score.Effects) error) error {
	said := make([][]score.Effects, len(parts))
	data, err := json.Marshal(w)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	for k, p := range parts {
		err := c.all[c.rnd.IntN(len(c.all))].Effects(ctx, cur, p.Block, w, func(e score.Effects) error {
			said[k] = append(said[k], e)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for left := len(parts); left > 0; {
		k := c.rnd.IntN(len(parts))
		if len(said[k]) == 0 {
			continue
		}
		if err := got(k, said[k][0]); err != nil {
			return err
		}
		if said[k] = said[k][1:]; len(said[k]) == 0 {
			left--
		}
	}
	return nil
}

// Whoever measures which blocks, in whatever order, scores and predictions are those of
// one machine to the bit: for every part of the fitness, of all examples and of samples.
func TestDivided(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	probes, controls := enginetest.DemoSet(t, "search_few")[:20], enginetest.DemoSet(t, "control")[:12]
	plain := score.Objective{Metric: probe.AnswerLogprob, Penalty: 2}
	with := func(change func(o *score.Objective)) score.Objective {
		o := plain
		change(&o)
		return o
	}
	for name, o := range map[string]score.Options{
		"the mean":  {Objective: with(func(o *score.Objective) { o.Slack = 0.1 })},
		"the least": {Objective: with(func(o *score.Objective) { o.Reduce = score.Min })},
		"screening": {Objective: plain, Screen: 2},
		"all parts": {Objective: with(func(o *score.Objective) {
			o.Cap, o.Harm, o.Tie, o.Divergence = 1, 0.5, 0.5, 3
			o.Sets = []score.Share{{Probes: 7, Weight: 1, Floor: -1}, {Probes: 13, Weight: 2, Floor: -1}}
		}), Text: demoText(t, 4)},
		"samples": {Objective: with(func(o *score.Objective) { o.Divergence = 1 }), Text: demoText(t, 4), Samples: score.Samples{Block: 5, Seed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alone, err := score.NewProbeEvaluator(m, probes, controls, o)
			if err != nil {
				t.Fatal(err)
			}
			divided, err := score.NewProbeEvaluator(m, probes, controls, o)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := divided.Blocks(search.Sample{}); n < 2 || err != nil {
				t.Fatalf("%d blocks, %v", n, err)
			}
			divided.Divide(newCrew(t, divided, 7, m, m, m))
			var samples []search.Sample
			if samples = append(samples, search.Sample{}); o.Samples.Block > 0 {
				samples = append(samples, search.Sample{First: 1, N: 2}, search.Sample{First: 5, N: 3})
			}
			cur := bankai.New(m.Digest(), bankai.Meta{})
			for step := range 3 {
				s := samples[step%len(samples)]
				alike(t, alone, divided, cur, s)
				if cur, err = cur.Xor(bankai.New(m.Digest(), bankai.Meta{}, flipRow(uint32(3*step)).Flips...)); err != nil {
					t.Fatal(err)
				}
			}
			divided.Divide(nil)
			alike(t, alone, divided, cur, samples[len(samples)-1])
		})
	}
}

// alike holds two evaluators to the same scores and predictions on a patch.
func alike(t *testing.T, alone, divided *score.Evaluator, cur *bankai.Patch, s search.Sample) {
	t.Helper()
	ctx := context.Background()
	for _, moves := range [][]search.Move{{flipRow(5)}, {{}, flipRow(5), flipRow(9)}} {
		for i := range moves {
			moves[i].Sample = s
		}
		want, err := alone.Score(ctx, cur, moves)
		if err != nil {
			t.Fatal(err)
		}
		got, err := divided.Score(ctx, cur, moves)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) { // NaN-safe, and %v keeps every bit
			t.Errorf("%d moves on %v scored %v, alone %v", len(moves), s, got, want)
		}
	}
	m := alone.Workbench().Model
	for _, best := range [][search.Granularities]int{{20, 20}, {5, 5, 5}} {
		w := search.Want{Matrices: rowsOf(m), Best: best, Held: true, Flips: flipRow(5).Flips, Sample: s}
		want, cost, err := alone.Predict(ctx, cur, w)
		if err != nil {
			t.Fatal(err)
		}
		got, paid, err := divided.Predict(ctx, cur, w)
		if err != nil {
			t.Fatal(err)
		}
		if paid != cost || !reflect.DeepEqual(got, want) {
			t.Errorf("predictions of %v on %v differ from those alone, or cost %v, not %v", best, s, paid, cost)
		}
	}
}

// Effects are not said of bits, and a block that there is not is refused.
func TestBlocksThatAreNot(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	e := sampled(t, m, 6)
	ctx, cur := context.Background(), bankai.New(m.Digest(), bankai.Meta{})
	for _, c := range []struct {
		block     score.Block
		questions []int
		want      string
	}{
		{score.Block{Index: 99}, nil, "score: block 99 of all: there are "},
		{score.Block{Index: -1}, nil, "score: block -1 of all: there are "},
		{score.Block{Sample: search.Sample{First: -1, N: 1}}, nil, "score: sample of 1 blocks from -1"},
		{score.Block{}, []int{1 << 20}, "score: question 1048576 of block 0 of all: there are "},
	} {
		if _, err := e.Values(ctx, cur, c.block, []search.Move{{}}, c.questions); err == nil || len(err.Error()) < len(c.want) || err.Error()[:len(c.want)] != c.want {
			t.Errorf("%v: %v, want %s…", c.block, err, c.want)
		}
	}
	w := search.Want{Matrices: rowsOf(m), Best: [search.Granularities]int{search.Bit: 3}}
	if err := e.Effects(ctx, cur, score.Block{}, w, nil); err == nil {
		t.Error("effects of bits were said")
	}
}

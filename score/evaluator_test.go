package score_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/probe"
	"bankai/score"
	"bankai/search"

	"pgregory.net/rapid"
)

var targets = probe.Set{
	{Name: "sum", Prompt: "1+1 =", Correct: " 2", Wrong: " 3"},
	{Name: "sky", Prompt: "the sky is", Correct: " blue", Wrong: " a fish"},
	{Name: "rain", Prompt: "in the end it will", Correct: " rain", Wrong: " sing"},
	{Name: "long", Prompt: "an apple a day keeps", Correct: " the doctor away", Wrong: " the door open"},
}

var controls = probe.Set{
	{Name: "one", Prompt: "after one comes", Correct: " two", Wrong: " ten"},
	{Name: "dog", Prompt: "a dog can", Correct: " bark", Wrong: " fly high"},
}

// tiny is a model with random weights: what it says is nonsense, but it computes
// as a real one does.
func tiny(t testing.TB) *engine.Model {
	t.Helper()
	return enginetest.Tiny(t, engine.Options{Threads: 1})
}

func published(metric probe.Metric) score.Options {
	return score.Options{
		Objective: score.Objective{Metric: metric, Penalty: score.DefaultPenalty},
		Screen:    score.DefaultScreen,
	}
}

func evaluator(t testing.TB, m *engine.Model, o score.Options) *score.Evaluator {
	t.Helper()
	e, err := score.NewProbeEvaluator(m, targets, controls, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func scores(t testing.TB, e search.Evaluator, cur *bankai.Patch, moves ...search.Move) []search.Score {
	t.Helper()
	s, err := e.Score(context.Background(), cur, moves)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// row is a move of whole rows of a gate matrix.
func row(rows ...uint32) search.Move {
	var m search.Move
	for _, r := range rows {
		m.Flips = append(m.Flips, bankai.Flip{Tensor: "blk.1.ffn_gate.weight", Row: r, N: bankai.ToEnd})
	}
	return m
}

// The values of a move are those of the metric on a model that was patched in
// place, one probe at a time, and the fitness is the objective of them.
func TestEvaluatorAgreesWithAPatchedModel(t *testing.T) {
	for _, metric := range []probe.Metric{probe.AnswerLogprob, probe.AnswerMargin, probe.SeqLogprob, probe.TokenGap} {
		m, plain := tiny(t), tiny(t).Workbench()
		o := published(metric)
		o.Screen = 0
		cur := bankai.New(m.Digest(), bankai.Meta{}, row(1, 2).Flips...)
		got := scores(t, evaluator(t, m, o), cur, row(2, 3))[0]

		value := func(p probe.Probe, metric probe.Metric) float64 {
			ids, err := p.Tokens(plain.Tokenizer())
			if err != nil {
				t.Fatal(err)
			}
			answers, err := plain.Score(context.Background(), []engine.Question{{Prompt: ids.Prompt, Answers: metric.Answers(ids)}})
			if err != nil {
				t.Fatal(err)
			}
			if metric == probe.AnswerMargin {
				return answers[0][0].Margin
			}
			var logprobs []float64
			for _, a := range answers[0] {
				logprobs = append(logprobs, a.LogProb)
			}
			return metric.Value(logprobs)
		}
		all := func() (v score.Values) {
			for _, p := range targets {
				v.Targets = append(v.Targets, value(p, metric))
			}
			for _, p := range controls {
				v.Controls = append(v.Controls, value(p, metric.Control()))
			}
			return v
		}
		base := all()
		if err := plain.Apply(bankai.New(m.Digest(), bankai.Meta{}, row(1, 3).Flips...)); err != nil {
			t.Fatal(err)
		}
		patched := all()
		if !slices.Equal(got.Targets, patched.Targets) || !slices.Equal(got.Controls, patched.Controls) {
			t.Errorf("%v: got %v %v\nwant %v", metric, got.Targets, got.Controls, patched)
		}
		if want := o.Fitness(base, patched); got.Fitness != want || want == 0 {
			t.Errorf("%v: fitness %v, want %v", metric, got.Fitness, want)
		}
	}
}

func TestBaseline(t *testing.T) {
	m := tiny(t)
	e := evaluator(t, m, published(probe.AnswerLogprob))
	base, err := e.Baseline(context.Background())
	if err != nil || base.Fitness != 0 || len(base.Targets) != 4 || len(base.Controls) != 2 {
		t.Errorf("base %v, error %v", base, err)
	}
	cur := bankai.New(m.Digest(), bankai.Meta{}, row(9).Flips...)
	for name, s := range map[string]search.Score{
		"no flips":     scores(t, e, bankai.New(m.Digest(), bankai.Meta{}), search.Move{})[0],
		"flipped back": scores(t, evaluator(t, m, score.Options{Objective: published(probe.AnswerLogprob).Objective}), cur, row(9))[0],
	} {
		if !reflect.DeepEqual(withoutCost(s), withoutCost(base)) {
			t.Errorf("%s: %v, want the base %v", name, s, base)
		}
	}
}

// withoutCost is a score as measured in whatever way.
func withoutCost(s search.Score) search.Score {
	s.Cost = 0
	return s
}

// A score has the same bits whatever else is scored with it or was before, in
// however many threads.
func TestEvaluatorIsPure(t *testing.T) {
	one := tiny(t)
	two := enginetest.Tiny(t, engine.Options{Threads: 2})
	alone, together := evaluator(t, one, published(probe.SeqLogprob)), evaluator(t, two, published(probe.SeqLogprob))
	rapid.Check(t, func(rt *rapid.T) {
		gen := rapid.SliceOfN(rapid.Uint32Range(0, 255), 0, 4)
		cur := bankai.New(one.Digest(), bankai.Meta{}, row(gen.Draw(rt, "current")...).Flips...)
		var moves []search.Move
		for range rapid.IntRange(1, 5).Draw(rt, "moves") {
			moves = append(moves, row(gen.Draw(rt, "rows")...))
		}
		got := scores(t, together, cur, moves...)
		for i, m := range moves {
			if want := scores(t, alone, cur, m)[0]; !reflect.DeepEqual(got[i], want) {
				rt.Fatalf("%v on %v: %v in a batch, %v alone", m, cur.Flips(), got[i], want)
			}
		}
	})
}

// Screening gives a move up exactly if neither of the two worst targets gains,
// saves the rest of the work, and leaves the other scores as they are.
func TestScreening(t *testing.T) {
	m := tiny(t)
	o := published(probe.SeqLogprob)
	screened := evaluator(t, m, o)
	o.Screen = 0
	full := evaluator(t, m, o)
	base, err := full.Baseline(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	worst := []int{0, 1, 2, 3}
	slices.SortFunc(worst, func(a, b int) int { return cmp.Compare(base.Targets[a], base.Targets[b]) })
	cur := bankai.New(m.Digest(), bankai.Meta{})
	count, cost, all := map[bool]int{}, map[bool]float64{}, scores(t, full, cur, row(0))[0].Cost
	for r := range uint32(40) {
		fast, slow := scores(t, screened, cur, row(r))[0], scores(t, full, cur, row(r))[0]
		gains := slow.Targets[worst[0]] > base.Targets[worst[0]] || slow.Targets[worst[1]] > base.Targets[worst[1]]
		count[gains]++
		want := slow
		want.Cost = fast.Cost
		if cost[gains] == 0 {
			cost[gains] = fast.Cost
		}
		if !gains {
			want = search.Score{Fitness: math.Inf(-1), Screened: true, Cost: fast.Cost}
		}
		if !reflect.DeepEqual(fast, want) {
			t.Errorf("row %d: %+v, want %+v", r, fast, want)
		}
	}
	if count[true] == 0 || count[false] == 0 {
		t.Errorf("the test needs moves of both kinds: %v", count)
	}
	if math.Abs(cost[true]-cost[false]-all) > 1e-12 || cost[false] >= all/2 {
		t.Errorf("screening costs %v, and the rest %v, of %v", cost[false], cost[true], all)
	}
	if s := scores(t, screened, bankai.New(m.Digest(), bankai.Meta{}, row(0, 1, 2).Flips...), search.Move{})[0]; s.Screened {
		t.Error("the current patch itself was screened")
	}
}

// The unit is a pass over both answers of all probes, from the beginning. The
// metrics differ in what they need of it; a move takes the share of what lies
// above it; screening takes that of its probes.
func TestCost(t *testing.T) {
	m := tiny(t)
	work := func(set probe.Set, metric probe.Metric, from engine.Cut) (n float64) {
		for _, p := range set {
			ids, err := p.Tokens(m.Tokenizer())
			if err != nil {
				t.Fatal(err)
			}
			n += m.Work(engine.Question{Prompt: ids.Prompt, Answers: metric.Answers(ids)}, from)
		}
		return n
	}
	unit := work(targets, probe.SeqLogprob, 0) + work(controls, probe.SeqLogprob, 0)
	lastMLP := m.CutBelow("blk.1.ffn_gate.weight")
	for _, metric := range []probe.Metric{probe.SeqLogprob, probe.AnswerLogprob, probe.TokenGap} {
		o := published(metric)
		o.Screen = 0
		e := evaluator(t, m, o)
		base, err := e.Baseline(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		want := (work(targets, metric, 0) + work(controls, metric.Control(), 0)) / unit
		if base.Cost != want || metric == probe.SeqLogprob && want != 1 {
			t.Errorf("%v: a pass costs %v, want %v", metric, base.Cost, want)
		}
		s := scores(t, e, bankai.New(m.Digest(), bankai.Meta{}), row(3))[0]
		want = (work(targets, metric, lastMLP) + work(controls, metric.Control(), lastMLP)) / unit
		if s.Cost != want || want > 0.3*base.Cost {
			t.Errorf("%v: a row of the last MLP costs %v, want %v of a pass of %v", metric, s.Cost, want, base.Cost)
		}
	}
}

// Where streams are kept is a matter of time and memory: neither scores nor what
// they are said to cost depend on it.
func TestKeptStreamsDoNotChangeScores(t *testing.T) {
	m := tiny(t)
	cur := bankai.New(m.Digest(), bankai.Meta{}, append(row(1, 2).Flips, bankai.Flip{Tensor: "blk.0.attn_q.weight", Row: 3, N: bankai.ToEnd})...)
	moves := []search.Move{
		{},
		row(7), row(1),
		{Flips: []bankai.Flip{{Tensor: "token_embd.weight", Row: 40, N: bankai.ToEnd}}},
		{Flips: []bankai.Flip{{Tensor: "blk.0.ffn_down.weight", Row: 5, Col: 3, N: 1}, {Tensor: "blk.1.attn_v.weight", Row: 9, N: 128}}},
		{Flips: []bankai.Flip{{Tensor: "blk.1.attn_output.weight", Row: 5, N: bankai.ToEnd}}},
	}
	o := published(probe.SeqLogprob)
	o.Memory = 1
	want := scores(t, evaluator(t, m, o), cur, moves...)
	for name, change := range map[string]func(*score.Options){
		"everywhere":      func(o *score.Options) { o.Memory = 0 },
		"little memory":   func(o *score.Options) { o.Memory = 400_000 },
		"below one layer": func(o *score.Options) { o.Memory, o.Tensors = 0, []string{"blk.1.ffn_gate.weight"} },
	} {
		o := o
		change(&o)
		got := scores(t, evaluator(t, m, o), cur, moves...)
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("streams kept %s: move %d scores %v, from the beginning %v", name, i, got[i], want[i])
			}
		}
	}
}

func TestEvaluatorRefuses(t *testing.T) {
	m := tiny(t)
	ok := published(probe.SeqLogprob)
	bad := func(change func(*score.Options)) score.Options {
		o := ok
		change(&o)
		return o
	}
	for _, c := range []struct {
		name    string
		targets probe.Set
		o       score.Options
		want    string
	}{
		{"no targets", nil, ok, "there are no target probes"},
		{"a probe that cannot be scored", probe.Set{{Name: "void", Prompt: "a", Correct: "", Wrong: " b"}}, ok, `"void"`},
		{"a penalty below 0", targets, bad(func(o *score.Options) { o.Penalty = -1 }), "penalty -1: must be a finite number, 0 or more"},
		{"a penalty that is no number", targets, bad(func(o *score.Options) { o.Penalty = math.NaN() }), "penalty NaN"},
		{"an unknown fitness", targets, bad(func(o *score.Options) { o.Reduce = 9 }), "unknown fitness reduce(9)"},
		{"an unknown metric", targets, bad(func(o *score.Options) { o.Metric = 9 }), `unknown metric "metric(9)"`},
		{"less than no memory", targets, bad(func(o *score.Options) { o.Memory = -1 }), "memory of -1 bytes"},
		{"screening on less than nothing", targets, bad(func(o *score.Options) { o.Screen = -1 }), "screening on -1 targets"},
	} {
		if _, err := score.NewProbeEvaluator(m, c.targets, controls, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want …%s…", c.name, err, c.want)
		}
	}
	if _, err := score.NewProbeEvaluator(m, targets, nil, ok); err != nil {
		t.Errorf("no controls: %v", err)
	}

	e := evaluator(t, m, ok)
	_, err := e.Score(context.Background(), bankai.New(m.Digest(), bankai.Meta{}), []search.Move{row(5000)})
	var outside *bankai.RangeError
	if !errors.As(err, &outside) {
		t.Errorf("a row that is not there: %v", err)
	}
	if _, err = e.Score(context.Background(), bankai.New(bankai.Digest{1}, bankai.Meta{}), []search.Move{row(5)}); !errors.Is(err, bankai.ErrBaseMismatch) {
		t.Errorf("a patch for another model: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = e.Score(ended, bankai.New(m.Digest(), bankai.Meta{}), []search.Move{row(5)}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

// All that decides a score is told to the journal; a probe's name does not.
func TestFactsTellEvaluatorsApart(t *testing.T) {
	m := tiny(t)
	ok := published(probe.SeqLogprob)
	seen := map[string]string{}
	add := func(name string, targets, controls probe.Set, change func(*score.Options)) {
		o := ok
		change(&o)
		e, err := score.NewProbeEvaluator(m, targets, controls, o)
		if err != nil {
			t.Fatal(err)
		}
		facts := fmt.Sprint(e.Facts())
		if other, ok := seen[facts]; ok {
			t.Errorf("%s and %s have the same facts", name, other)
		}
		seen[facts] = name
	}
	same := func(*score.Options) {}
	add("the first", targets, controls, same)
	add("another target", targets[1:], controls, same)
	add("another control", targets, controls[1:], same)
	add("another order", probe.Set{targets[1], targets[0], targets[2], targets[3]}, controls, same)
	add("another metric", targets, controls, func(o *score.Options) { o.Metric = probe.TokenGap })
	add("another fitness", targets, controls, func(o *score.Options) { o.Reduce = score.Min })
	add("another penalty", targets, controls, func(o *score.Options) { o.Penalty = 3 })
	add("no screening", targets, controls, func(o *score.Options) { o.Screen = 0 })

	named := slices.Clone(targets)
	named[0].Name, named[0].Category = "renamed", "moved"
	e, err := score.NewProbeEvaluator(m, named, controls, ok)
	if err != nil || seen[fmt.Sprint(e.Facts())] != "the first" {
		t.Errorf("names of probes matter: %v, %v", e.Facts(), err)
	}
}

// The whole search on a real engine: it finds something, says the truth about
// it, and resumes to the same.
func TestSearchOnAModel(t *testing.T) {
	m := tiny(t)
	path := filepath.Join(t.TempDir(), "out.journal")
	find := func(steps int, resume bool) *search.Result {
		ms, err := score.Matrices(m.Weights(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		st, err := search.NewGreedy(ms, search.Row, 1)
		if err != nil {
			t.Fatal(err)
		}
		e, cur := evaluator(t, m, published(probe.AnswerLogprob)), bankai.New(m.Digest(), bankai.Meta{})
		j, err := search.OpenJournal(path, search.Identity(cur, e, st), resume)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		r, err := search.Run(context.Background(), e, st, cur, search.Config{Steps: steps, Batch: 2, Journal: j})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole := find(30, false)
	if whole.Accepted == 0 || whole.Screened == 0 || whole.Fitness <= 0 {
		t.Fatalf("%d accepted, %d screened, fitness %v", whole.Accepted, whole.Screened, whole.Fitness)
	}
	if s := scores(t, evaluator(t, m, published(probe.AnswerLogprob)), whole.Patch, search.Move{})[0]; !reflect.DeepEqual(withoutCost(s), withoutCost(whole.Final)) {
		t.Errorf("the patch scores %v, the run said %v", s, whole.Final)
	}
	find(10, false)
	same(t, "resumed", find(30, true), whole)
}

// timeless leaves the times out, which differ from run to run.
func timeless(points []search.Point) []search.Point {
	points = slices.Clone(points)
	for i := range points {
		points[i].Seconds = 0
	}
	return points
}

// same checks that two runs found the same, whatever time they took.
func same(t *testing.T, what string, got, want *search.Result) {
	t.Helper()
	a, b := *got, *want
	if !reflect.DeepEqual(a.Patch.Flips(), b.Patch.Flips()) || a.Patch.ContentDigest() != b.Patch.ContentDigest() {
		t.Errorf("%s: patch %v, want %v", what, a.Patch.Flips(), b.Patch.Flips())
	}
	a.Patch, b.Patch, a.Seconds, b.Seconds = nil, nil, 0, 0
	a.Trajectory, b.Trajectory, a.Checkpoints, b.Checkpoints = timeless(a.Trajectory), timeless(b.Trajectory), nil, nil
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, a, b)
	}
}

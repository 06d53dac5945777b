package score_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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

// aimed are items of a kind made of probes, with weights of 1 and 2 in turn. The labels
// are the answers of a probe and of the next.
func aimed(t testing.TB, m *engine.Model, set probe.Set, kind score.Kind) []score.Item {
	t.Helper()
	items := pairs(t, m, set, score.NewAim(kind))
	for i := range items {
		items[i].Weight = float64(1 + i%2)
		switch kind {
		case score.Answer, score.Keep:
			items[i].Answers = items[i].Answers[:1]
		case score.Label:
			items[i].Answers = append(items[i].Answers, items[(i+1)%len(items)].Answers[0])
		}
	}
	return items
}

// newEvaluator is one without controls.
func newEvaluator(t testing.TB, m *engine.Model, targets []score.Item, o score.Options) *score.Evaluator {
	t.Helper()
	e, err := score.NewEvaluator(m, targets, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// For every kind of item, one backward pass orders rows and groups as they truly change
// the fitness, at the unpatched model and at a patched one.
func TestPredictionOfItemsRanksAsTheTruth(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Precision: engine.Exact})
	base := bankai.New(m.Digest(), bankai.Meta{})
	patched := bankai.New(m.Digest(), bankai.Meta{},
		bankai.Flip{Tensor: "blk.1.ffn_gate.weight", Row: 5, N: bankai.ToEnd}, bankai.Flip{Tensor: "blk.3.ffn_up.weight", Row: 9, N: bankai.ToEnd})
	set := enginetest.DemoSet(t, "search_few")
	for _, c := range []struct {
		kind  score.Kind
		size  search.Granularity
		proj  string
		cur   *bankai.Patch
		least float64
	}{
		{score.Answer, search.Row, "gate", base, 0.95},
		{score.Answer, search.Group, "o", patched, 0.95},
		{score.Preference, search.Row, "gate", base, 0.9},
		{score.Preference, search.Row, "v", patched, 0.9},
		{score.Preference, search.Group, "up", patched, 0.95},
		{score.Label, search.Row, "gate", base, 0.9},
		{score.Label, search.Group, "down", patched, 0.9},
		{score.Keep, search.Row, "gate", patched, 0.8},
	} {
		o := score.Options{Objective: score.Objective{Penalty: score.DefaultPenalty}}
		targets := aimed(t, m, set[:*compared], c.kind)
		if c.kind == score.Keep {
			targets, o.Keep, o.Divergence = aimed(t, m, set[:*compared], score.Answer), aimed(t, m, set[9:30], c.kind), 30
		}
		e := newEvaluator(t, m, targets, o)
		ms, err := score.Matrices(m.Weights(), []int{0, 3, 5}, []string{c.proj})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		var want, got []float64
		predicted := predictAll(t, e, c.cur, c.size, ms...)
		for _, w := range ms {
			var moves []search.Move
			for range (*candidates + len(ms) - 1) / len(ms) {
				moves = append(moves, search.Move{Flips: []bankai.Flip{piece(rng, w, c.size)}})
			}
			for i, s := range scores(t, e, c.cur, moves...) {
				want, got = append(want, s.Fitness), append(got, predicted[moves[i].Flips[0]])
			}
		}
		what := fmt.Sprintf("%ss of %s, %v, on %d flips", c.size, c.proj, c.kind, c.cur.Len())
		if r := stats.Spearman(got, want); !(r >= c.least) {
			t.Errorf("%s: Spearman's ρ of predicted and true fitness is %.3f, want at least %v", what, r, c.least)
		} else {
			t.Logf("%s: Spearman's ρ %.3f over %d", what, r, len(got))
		}
	}
}

// everyKind is a target of each kind, and items to keep.
func everyKind(t testing.TB, m *engine.Model) ([]score.Item, score.Options) {
	t.Helper()
	items := slices.Concat(aimed(t, m, targets, score.Answer), aimed(t, m, targets, score.Preference), aimed(t, m, targets, score.Label))
	for i := range items {
		if items[i].Aim.Kind == score.Preference {
			items[i].Aim.Beta = 1 // the larger, the more it bends
		}
	}
	probes, _, err := score.OfProbes(m.Tokenizer(), targets, nil, probe.SeqLogprob)
	if err != nil {
		t.Fatal(err)
	}
	o := climbable()
	o.Keep = aimed(t, m, controls, score.Keep)
	return append(items, probes...), o
}

// The gradient is the derivative of the fitness for all kinds at once, also where the
// slopes depend on the answers: far from the unpatched model, under an adapter.
func TestAscendOfItemsIsTheDerivative(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2, Precision: engine.Exact})
	items, o := everyKind(t, m)
	checkAscent(t, newEvaluator(t, m, items, o))
}

// An item of weight 2 counts as much as two items, in scores and in predictions, be it
// a target, a control or to be kept.
func TestWeightsCountItems(t *testing.T) {
	m := tiny(t)
	items, o := everyKind(t, m)
	held, twice := aimed(t, m, controls, score.Answer), func(items []score.Item) (all []score.Item) {
		for _, i := range items {
			n := int(i.Weight)
			i.Weight = 0
			all = append(all, slices.Repeat([]score.Item{i}, max(1, n))...)
		}
		return all
	}
	o.Slack = 0
	repeated := o
	repeated.Keep = twice(o.Keep)
	cur := bankai.New(m.Digest(), bankai.Meta{}, row(1, 2).Flips...)
	w := search.Want{Matrices: matricesOf(t, m, "gate", 1)}
	w.Best[search.Row], w.Flips = 256, everyBit(w.Matrices[0])
	var fitness [2]float64
	var predicted [2]map[bankai.Flip]float64
	for i, e := range []func() (*score.Evaluator, error){
		func() (*score.Evaluator, error) { return score.NewEvaluator(m, items, held, o) },
		func() (*score.Evaluator, error) { return score.NewEvaluator(m, twice(items), twice(held), repeated) },
	} {
		e, err := e()
		if err != nil {
			t.Fatal(err)
		}
		fitness[i] = scores(t, e, cur, row(7))[0].Fitness
		p, _, err := e.Predict(context.Background(), cur, w)
		if err != nil {
			t.Fatal(err)
		}
		predicted[i] = map[bankai.Flip]float64{}
		for _, x := range slices.Concat(p.Best[search.Row], p.Flips) {
			predicted[i][x.Flip] = x.Fitness
		}
	}
	if math.Abs(fitness[0]-fitness[1]) > 1e-9 || fitness[0] == 0 {
		t.Errorf("by weight the fitness is %v, by number %v", fitness[0], fitness[1])
	}
	for f, got := range predicted[0] {
		if want := predicted[1][f]; math.Abs(got-want) > 1e-5 {
			t.Fatalf("%v: predicted %v by weight, %v by number", f, got, want)
		}
	}
}

// What cannot be scored is refused before any work, and named.
func TestItemsRefused(t *testing.T) {
	m := tiny(t)
	limit := m.Context()
	change := func(kind score.Kind, change func(*score.Item)) score.Item {
		i := score.Item{Name: "it", Prompt: []int32{1}, Answers: [][]int32{{2, 3}}, Aim: score.NewAim(kind)}
		change(&i)
		return i
	}
	for want, item := range map[string]score.Item{
		`score: "it": the prompt has no tokens`:                                   change(score.Answer, func(i *score.Item) { i.Prompt = nil }),
		`score: "it": answer 1 has no tokens`:                                     change(score.Answer, func(i *score.Item) { i.Answers[0] = nil }),
		`score: "it": weight -1: must be a finite`:                                change(score.Answer, func(i *score.Item) { i.Weight = -1 }),
		`score: "it": 1 answers for the aim preference β 0.1 λ 5, which takes 2`:  change(score.Preference, func(*score.Item) {}),
		`score: "it": 1 answers for the aim label β 1 λ 5, which takes 2 or more`: change(score.Label, func(*score.Item) {}),
		`score: "it": β 0: must be a finite number above 0`:                       change(score.Preference, func(i *score.Item) { i.Aim.Beta = 0 }),
		`score: "it": λ NaN: must be a finite number`:                             change(score.Label, func(i *score.Item) { i.Aim.Lambda = math.NaN() }),
		`score: "it": unknown kind kind(9)`:                                       change(9, func(*score.Item) {}),
		`score: "it": the aim keep: targets and controls have others`:             change(score.Keep, func(*score.Item) {}),
		fmt.Sprintf(`score: "it": %d tokens exceed the model's context of %d: shorten it or leave it out`, limit+1, limit): change(score.Answer, func(i *score.Item) {
			i.Prompt = make([]int32, limit)
		}),
	} {
		fine := change(score.Answer, func(*score.Item) {})
		if _, err := score.NewEvaluator(m, []score.Item{fine, item}, nil, score.Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s…", err, want)
		}
		if _, err := score.NewEvaluator(m, []score.Item{fine}, []score.Item{item}, score.Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("as a control: %v, want %s…", err, want)
		}
	}
	fits := change(score.Answer, func(i *score.Item) { i.Prompt = make([]int32, limit-1) })
	if _, err := score.NewEvaluator(m, []score.Item{fits}, nil, score.Options{}); err != nil {
		t.Errorf("as long as the context, but for the token that is only predicted: %v", err)
	}
	long := change(score.Answer, func(i *score.Item) { i.Prompt = make([]int32, limit) })
	var tooLong *engine.TooLongError
	if _, err := score.NewEvaluator(m, []score.Item{long}, nil, score.Options{}); !errors.As(err, &tooLong) || tooLong.Limit != limit {
		t.Errorf("no TooLongError: %v", err)
	}
	kept := score.Options{Objective: score.Objective{Divergence: 1}, Keep: []score.Item{fits}}
	if _, err := score.NewEvaluator(m, []score.Item{fits}, nil, kept); err == nil || !strings.Contains(err.Error(), "what is kept has that") {
		t.Errorf("an answer to keep: %v", err)
	}
}

// What decides the scores of items is told to the journal and to other machines, which
// give the same bits; their names are not.
func TestSpecOfItems(t *testing.T) {
	m := tiny(t)
	items, o := everyKind(t, m)
	e := newEvaluator(t, m, items, o)
	there := tiny(t)
	again, keep := everyKind(t, there)
	again[0].Name, keep.Keep[0].Name = "renamed", "renamed"
	worker, err := sent(t, e.Spec()).Evaluator(there, again, nil, score.Options{Text: o.Text, Keep: keep.Keep, Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	cur := bankai.New(m.Digest(), bankai.Meta{}, row(1).Flips...)
	if got, want := scores(t, worker, cur, row(5)), scores(t, e, cur, row(5)); !reflect.DeepEqual(got, want) {
		t.Errorf("scores %v elsewhere, want %v", got, want)
	}
	if !reflect.DeepEqual(worker.Facts(), e.Facts()) {
		t.Errorf("facts %v elsewhere, want %v", worker.Facts(), e.Facts())
	}
	for what, change := range map[string]func(*score.Item){
		"weight": func(i *score.Item) { i.Weight = 7 },
		"prompt": func(i *score.Item) { i.Prompt = append(slices.Clone(i.Prompt), 5) },
		"answer": func(i *score.Item) { i.Answers = [][]int32{{7}, {8}} },
		"β":      func(i *score.Item) { i.Aim.Beta = 9 },
		"λ":      func(i *score.Item) { i.Aim.Lambda = 9 },
	} {
		other := slices.Clone(items)
		change(&other[4]) // a preference
		if reflect.DeepEqual(newEvaluator(t, m, other, o).Facts(), e.Facts()) {
			t.Errorf("another %s has the same facts", what)
		}
		kept := o
		kept.Keep = slices.Clone(o.Keep)
		if what != "β" && what != "λ" && what != "answer" {
			change(&kept.Keep[0])
			if reflect.DeepEqual(newEvaluator(t, m, items, kept).Facts(), e.Facts()) {
				t.Errorf("another %s of what is kept has the same facts", what)
			}
		}
	}
}

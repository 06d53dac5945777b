package score_test

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/testmodel"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// everything is an objective that makes use of all there is.
func everything() score.Options {
	return score.Options{
		Objective: score.Objective{
			Metric: probe.AnswerMargin, Reduce: score.Min, Penalty: 0.1, Slack: 1.0 / 3, Cap: 2.5, Harm: 1, Divergence: 0.7, Tie: 0.25,
			Sets: []score.Share{{Probes: 1, Weight: 0.3, Floor: math.Inf(-1)}, {Probes: 3, Weight: 2, Floor: -0.1}},
		},
		Screen: 1,
		Text:   []string{"in the end", "it will rain"},
	}
}

// sent is a spec after it went from one machine to another.
func sent(t testing.TB, s score.Spec) score.Spec {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got score.Spec
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v\nwant %+v\nby %s", got, s, b)
	}
	return got
}

// described is the evaluator of probes that a spec describes.
func described(s score.Spec, m *engine.Model, targets, controls probe.Set, o score.Options) (*score.Evaluator, error) {
	t, c, err := score.OfProbes(m.Tokenizer(), targets, controls, s.Objective.Metric)
	if err != nil {
		return nil, err
	}
	return s.Evaluator(m, t, c, o)
}

// What is measured can be told in JSON: an evaluator that is made from it, on another
// instance of the model and with other limits of memory, gives the same scores and
// predictions to the bit. They too can be sent.
func TestSpec(t *testing.T) {
	for name, o := range map[string]score.Options{"all there is": everything(), "as published": published(probe.SeqLogprob)} {
		m := tiny(t)
		here, there := evaluator(t, m, o), tiny(t)
		worker, err := described(sent(t, here.Spec()), there, targets, controls, score.Options{Text: o.Text, Memory: 1})
		if err != nil {
			t.Fatal(err)
		}
		cur := bankai.New(m.Digest(), bankai.Meta{}, row(1).Flips...)
		moves := []search.Move{{}, row(5), row(6), {Flips: []bankai.Flip{{Tensor: "blk.0.attn_v.weight", Row: 9, Col: 3, N: 7}}}}
		want, got := scores(t, here, cur, moves...), scores(t, worker, cur, resent(t, moves)...)
		if !reflect.DeepEqual(resent(t, got), want) {
			t.Errorf("%s: scores %v, want %v", name, got, want)
		}
		ms, err := score.Matrices(m.Weights(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := search.Want{Matrices: ms, Held: true}
		w.Best[search.Row], w.Best[search.Bit] = 20, 20
		first, cost, err := here.Predict(context.Background(), cur, w)
		if err != nil {
			t.Fatal(err)
		}
		second, same, err := worker.Predict(context.Background(), cur, w)
		if err != nil || same != cost || !reflect.DeepEqual(resent(t, second), first) {
			t.Errorf("%s: predictions %v at %v, want %v at %v (%v)", name, second, same, first, cost, err)
		}
		if !reflect.DeepEqual(worker.Facts(), here.Facts()) {
			t.Errorf("%s: facts %v, want %v", name, worker.Facts(), here.Facts())
		}
	}
}

// resent is what comes out of JSON that it was put into.
func resent[T any](t testing.TB, v T) (out T) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// No evaluator is made of what the spec does not name.
func TestSpecRefuses(t *testing.T) {
	m, o := tiny(t), everything()
	load := func(seed uint64, options engine.Options) *engine.Model {
		return enginetest.Load(t, testmodel.Bytes(testmodel.Tiny, seed), options)
	}
	spec := evaluator(t, m, o).Spec()
	newer := spec
	newer.Version++
	for _, c := range []struct {
		name              string
		spec              score.Spec
		model             *engine.Model
		targets, controls probe.Set
		text              []string
		want              string
	}{
		{"another model", spec, load(2, engine.Options{}), targets, controls, o.Text, "score: model: "},
		{"another precision", spec, load(1, engine.Options{Precision: engine.Exact}), targets, controls, o.Text, "score: precision: exact, but the spec names fast: give what the spec was made with"},
		{"other targets", spec, m, append(targets[1:4:4], controls[0]), controls, o.Text, "score: targets: "},
		{"fewer controls", spec, m, targets, controls[:1], o.Text, "score: controls: 1 ("},
		{"another text", spec, m, targets, controls, []string{"once more"}, "score: text: 1 ("},
		{"no text", spec, m, targets, controls, nil, "score: a divergence needs a text"},
		{"another version", newer, m, targets, controls, o.Text, "score: the spec has version 4, this program measures by version 3"},
	} {
		if _, err := described(c.spec, c.model, c.targets, c.controls, score.Options{Text: c.text}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s…", c.name, err, c.want)
		}
	}
}

// What no program writes is no spec.
func TestSpecIsParsed(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`{"objective":{"metric":"answer_logprob","fitness":"mean"}}`, ""},
		{`{"objective":{"metric":"luck","fitness":"mean"}}`, `unknown metric "luck"`},
		{`{"objective":{"metric":"answer_logprob","fitness":"median"}}`, `unknown fitness "median"`},
		{`{"model":"12"}`, "digest"},
	} {
		var s score.Spec
		if err := json.Unmarshal([]byte(c.json), &s); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.json, err, c.want)
		}
	}
}

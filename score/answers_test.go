package score_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// bent is a measurer whose answers are changed on their way.
type bent struct {
	*crew
	values  func(v [][][]float64) [][][]float64
	effects func(k int, e score.Effects) []score.Effects
}

func (b bent) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part) ([][][]float64, error) {
	v, err := b.crew.Values(ctx, cur, moves, parts)
	if b.values != nil {
		v = b.values(v)
	}
	return v, err
}

func (b bent) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, flips map[score.Subject]int, parts []score.Part, got func(k int, said score.Effects) error) error {
	return b.crew.Effects(ctx, cur, w, flips, parts, func(k int, e score.Effects) error {
		for _, e := range b.effects(k, e) {
			if err := got(k, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Answers of another shape than was asked are an error, whatever measures.
func TestAnswersOfAnotherShape(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	e, err := score.NewProbeEvaluator(m, enginetest.DemoSet(t, "search_few")[:20], enginetest.DemoSet(t, "control")[:12], score.Options{
		Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := e.Blocks(search.Sample{}); n < 2 || err != nil {
		t.Fatalf("%d blocks, %v", n, err)
	}
	c := newCrew(t, e, 7, m)
	cur, ctx := bankai.New(m.Digest(), bankai.Meta{}), context.Background()
	w := search.Want{Matrices: matricesOf(t, m, "gate", 1), Best: [search.Granularities]int{3}}
	fails := func(name, want string, b bent) {
		t.Helper()
		b.crew = c
		e.Divide(b)
		_, _, err := e.Predict(ctx, cur, w)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", name, err, want)
		}
	}
	for name, values := range map[string]func(v [][][]float64) [][][]float64{
		"no blocks":          func(v [][][]float64) [][][]float64 { return nil },
		"no moves":           func(v [][][]float64) [][][]float64 { v[1] = nil; return v },
		"no questions":       func(v [][][]float64) [][][]float64 { v[1][0] = nil; return v },
		"too many questions": func(v [][][]float64) [][][]float64 { v[0][0] = make([]float64, 1000); return v },
	} {
		fails(name, "score: ", bent{values: values})
	}
	e.Divide(c)
	if _, err := e.Baseline(ctx); err != nil {
		t.Fatal(err)
	}
	for name, effects := range map[string]func(k int, e score.Effects) []score.Effects{
		"nothing":            func(int, score.Effects) []score.Effects { return nil },
		"twice":              func(_ int, e score.Effects) []score.Effects { return []score.Effects{e, e} },
		"another matrix":     func(_ int, e score.Effects) []score.Effects { e.Tensor = "x"; return []score.Effects{e} },
		"another size":       func(_ int, e score.Effects) []score.Effects { e.Size = 99; return []score.Effects{e} },
		"one flip less":      func(_ int, e score.Effects) []score.Effects { e.Data = e.Data[1:]; return []score.Effects{e} },
		"columns that's not": func(_ int, e score.Effects) []score.Effects { e.Columns = []int{99}; return []score.Effects{e} },
		"no columns":         func(_ int, e score.Effects) []score.Effects { e.Columns, e.Data = nil, nil; return []score.Effects{e} },
		"another block's":    func(k int, e score.Effects) []score.Effects { return slices.Repeat([]score.Effects{e}, k) },
	} {
		fails(name, "score: ", bent{effects: effects})
	}
}

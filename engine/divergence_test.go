package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// referred are questions of one answer, with references of m as it is.
func referred(t *testing.T, m *Model, rng *rand.Rand, n int) []Question {
	t.Helper()
	return referredTop(t, m, rng, n, 0)
}

// referredTop is referred with references that tell so many tokens apart.
func referredTop(t *testing.T, m *Model, rng *rand.Rand, n, top int) []Question {
	t.Helper()
	qs := randomQuestions(rng, n, m.Config().Vocab)
	for i := range qs {
		qs[i].Answers = qs[i].Answers[:1]
	}
	refs, err := m.TopReferences(context.Background(), qs, top)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range refs {
		qs[i].Reference = r
	}
	return qs
}

func scored(t *testing.T, m *Model, qs ...Question) [][]Answer {
	t.Helper()
	got, err := m.Score(context.Background(), qs)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// The divergence from a reference is Σ p·(ln p − ln q) of plain logits in float64,
// and 0 for the model that the reference is of.
func TestDivergence(t *testing.T) {
	for name, shape := range allShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			w, m := testBench(t, shape, Options{Precision: precision})
			qs := referred(t, m, rand.New(rand.NewPCG(1, 1)), 9)
			patch := testPatches(m)["mixed"]
			var was [][]float32
			for i, answers := range scored(t, m, qs...) {
				if answers[0].KL != 0 {
					t.Errorf("%s %v: question %d diverges from itself by %v", name, precision, i, answers[0].KL)
				}
				was = append(was, logitsOf(t, m, nil, slices.Concat(qs[i].Prompt, qs[i].Answers[0])))
			}
			if err := w.Apply(patch); err != nil {
				t.Fatal(err)
			}
			for i, answers := range scored(t, m, qs...) {
				q, want := qs[i], 0.0
				now := logitsOf(t, m, nil, slices.Concat(q.Prompt, q.Answers[0]))
				for n := range q.Answers[0] {
					at := (len(q.Prompt) - 1 + n) * shape.Vocab
					want += plainKL(was[i][at:][:shape.Vocab], now[at:][:shape.Vocab])
				}
				if got := answers[0].KL; math.Abs(got-want) > 1e-6*want+1e-7*float64(len(q.Answers[0])) || want < 1e-4 {
					t.Errorf("%s %v: question %d diverges by %v, want %v", name, precision, i, got, want)
				}
			}
		}
	}
}

// plainKL is KL(was ‖ now) of two rows of logits.
func plainKL(was, now []float32) (kl float64) {
	lse := func(row []float32) float64 {
		var sum float64
		for _, l := range row {
			sum += math.Exp(float64(l))
		}
		return math.Log(sum)
	}
	a, b := lse(was), lse(now)
	for v, l := range was {
		kl += math.Exp(float64(l)-a) * (float64(l) - a - (float64(now[v]) - b))
	}
	return kl
}

// References and divergences have the same bits alone and among others, under an
// overlay and in place, from a trunk's stream and from the beginning, on every
// kernel set and number of threads.
func TestDivergenceInvariance(t *testing.T) {
	ctx := context.Background()
	for name, shape := range someShapes() {
		w, m := testBench(t, shape, Options{Kernel: "generic", Threads: 1})
		qs := referred(t, m, rand.New(rand.NewPCG(2, 2)), 4)
		patch := testPatches(m)["rows"]
		if err := w.Apply(patch); err != nil {
			t.Fatal(err)
		}
		want := scored(t, m, qs...)
		patched := referred(t, m, rand.New(rand.NewPCG(2, 2)), 4)
		for _, set := range kernel.Available() {
			if set == kernel.Generic {
				continue // it made what is wanted
			}
			what := fmt.Sprint(name, " ", set.Name)
			m := testModel(t, shape, Options{Kernel: set.Name, Threads: 3})
			o, err := m.Overlay(patch)
			if err != nil {
				t.Fatal(err)
			}
			again := referred(t, m, rand.New(rand.NewPCG(2, 2)), 4)
			if !reflect.DeepEqual(again, qs) {
				t.Fatalf("%s: other references", what)
			}
			trunk := newTrunk(t, m, qs, []Cut{1})
			branches := make([]Branch, len(qs))
			for i := range again {
				again[i].Overlay = o
				branches[i] = Branch{i, o, 1}
			}
			if got := scored(t, m, again...); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: under an overlay the answers are others than in place", what)
			}
			if got := scored(t, m, again[3]); got[0][0] != want[3][0] {
				t.Errorf("%s: alone %+v, among others %+v", what, got[0][0], want[3][0])
			}
			if got, err := trunk.Score(ctx, branches); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: from a trunk the answers are others (%v)", what, err)
			}
			alone, err := m.References(ctx, again[3:])
			if err != nil || !reflect.DeepEqual(alone[0], patched[3].Reference) {
				t.Errorf("%s: alone and under an overlay a reference is another (%v)", what, err)
			}
		}
	}
}

// One pass gives the references and the scores that two give.
func TestScoreReferences(t *testing.T) {
	ctx := t.Context()
	m := testModel(t, testmodel.Tiny, Options{})
	qs := referred(t, m, rand.New(rand.NewPCG(3, 3)), 5)
	answers, refs, err := m.ScoreReferences(ctx, qs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range qs {
		if !reflect.DeepEqual(refs[i], qs[i].Reference) {
			t.Errorf("question %d: another reference", i)
		}
		qs[i].Reference = nil
	}
	want, err := m.ScoreTokens(ctx, qs)
	if err != nil || !reflect.DeepEqual(answers, want) {
		t.Errorf("got %v, want %v, %v", answers, want, err)
	}
}

// A reference of the likeliest tokens gives a divergence from below: the less, the fewer
// tokens it tells apart, and that of a full one if it tells all. It too is 0 for the
// model it is of, and has the same bits on every kernel set and alone.
func TestDivergenceOfTheLikeliest(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{Kernel: "generic"})
	vocab := m.Config().Vocab
	tops := []int{1, 4, 16, 64, vocab - 1, vocab}
	var qs [][]Question
	for _, top := range tops {
		qs = append(qs, referredTop(t, m, rand.New(rand.NewPCG(4, 4)), 6, top))
		for i, answers := range scored(t, m, qs[len(qs)-1]...) {
			if answers[0].KL != 0 {
				t.Errorf("of %d: question %d diverges from itself by %v", top, i, answers[0].KL)
			}
		}
	}
	full := referred(t, m, rand.New(rand.NewPCG(4, 4)), 6)
	if !reflect.DeepEqual(qs[len(qs)-1], full) {
		t.Error("a reference of all tokens is not the full one")
	}
	patch := testPatches(m)["mixed"]
	if err := w.Apply(patch); err != nil {
		t.Fatal(err)
	}
	least := make([]float64, len(full))
	for k, top := range tops {
		now := scored(t, m, qs[k]...)
		for i, answers := range now {
			if kl := answers[0].KL; kl < least[i]-1e-6 || k == 0 && kl <= 0 {
				t.Errorf("of %d: question %d diverges by %v, of fewer by %v", top, i, kl, least[i])
			}
			least[i] = answers[0].KL
		}
		if alone := scored(t, m, qs[k][2]); alone[0][0] != now[2][0] {
			t.Errorf("of %d: alone %+v, among others %+v", top, alone[0][0], now[2][0])
		}
		fast := testModel(t, testmodel.Tiny, Options{Threads: 2})
		o, err := fast.Overlay(patch)
		if err != nil {
			t.Fatal(err)
		}
		again := referredTop(t, fast, rand.New(rand.NewPCG(4, 4)), 6, top)
		if !reflect.DeepEqual(again, qs[k]) {
			t.Errorf("of %d: other references with %s", top, fast.kernel.Name)
		}
		for i := range again {
			again[i].Overlay = o
		}
		if got := scored(t, fast, again...); !reflect.DeepEqual(got, now) {
			t.Errorf("of %d: other divergences with %s", top, fast.kernel.Name)
		}
	}
}

// Of logits that are equal, the smaller ids are told apart.
func TestLikeliestOfEqualTokens(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	logits := make([]float32, 600)
	logits[500], logits[599], logits[0] = 2, 2, -1
	ids := make([]int32, 5)
	m.likeliest(ids, logits)
	if want := []int32{1, 2, 3, 500, 599}; !slices.Equal(ids, want) {
		t.Errorf("the likeliest are %v, want %v", ids, want)
	}
}

// A reference takes what it is said to.
func TestReferenceBytes(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	vocab := m.Config().Vocab
	for top, want := range map[int]int{0: 4*vocab + 8, vocab: 4*vocab + 8, 256: 256*8 + 16} {
		if got := m.ReferenceBytes(top); got != want {
			t.Errorf("of %d: %d bytes a token, want %d", top, got, want)
		}
	}
}

// At the model that the references are of, the divergence has no gradient at all.
func TestDivergenceIsFlatAtItsReference(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	var qs []WeightedQuestion
	for _, top := range []int{0, 16} {
		for _, q := range referredTop(t, m, rand.New(rand.NewPCG(3, 3)), 3, top) {
			qs = append(qs, WeightedQuestion{q, Weighting{KL: 7}})
		}
	}
	derived, _ := gradientOf(t, m, qs)
	for what, p := range derived {
		if rms(p.DY) != 0 {
			t.Errorf("%s: derivatives of %v", what, rms(p.DY))
		}
	}
}

func TestReferenceRefuses(t *testing.T) {
	ctx := context.Background()
	m := testModel(t, testmodel.Tiny, Options{})
	other := testModel(t, shapes["3 query heads a kv head"], Options{})
	fine := Question{Prompt: []int32{1, 2}, Answers: [][]int32{{3, 4}}}
	refs, err := m.References(ctx, []Question{fine})
	if err != nil {
		t.Fatal(err)
	}
	fine.Reference = refs[0]
	long := Question{fine.Prompt, [][]int32{{3, 4, 5}}, nil, fine.Reference}
	two := Question{fine.Prompt, [][]int32{{3, 4}, {5, 6}}, nil, fine.Reference}
	for want, q := range map[string]Question{
		"question 1: a reference of 2 tokens for an answer of 3":          long,
		"question 1: a reference for 2 answers: there must be one":        two,
		"question 1: a reference over 320 tokens for a vocabulary of 350": fine,
	} {
		m := m
		if strings.HasSuffix(want, "350") {
			m = other
		}
		first := Question{Prompt: []int32{1}, Answers: [][]int32{{1}}}
		_, score := m.Score(ctx, []Question{first, q})
		_, trunk := m.NewTrunk(ctx, []Question{first, q})
		_, gradient := m.Gradient(ctx, []WeightedQuestion{{Question: first}, {Question: q}}, func(*LayerGradient) error { return nil })
		for what, err := range map[string]error{"Score": score, "NewTrunk": trunk, "Gradient": gradient} {
			if err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", what, err, want)
			}
		}
	}
	if _, err := m.References(ctx, []Question{fine, two}); err == nil {
		t.Error("a reference of two answers")
	}
	for what, q := range map[string]WeightedQuestion{
		"2 weights for 1 answers":                          {fine, Weighting{LogProbs: []float64{1, 2}}},
		"0 weights for 1 answers":                          {fine, Weighting{Margins: []float64{}}},
		"the divergence of a question without a reference": {Question{Prompt: fine.Prompt, Answers: fine.Answers}, Weighting{KL: 1}},
	} {
		if _, err := m.Gradient(ctx, []WeightedQuestion{q}, func(*LayerGradient) error { return nil }); err == nil || err.Error() != "question 0: "+what {
			t.Errorf("%v, want %s", err, what)
		}
	}
}

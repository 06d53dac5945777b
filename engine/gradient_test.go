package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bankai"
	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// gradients collects what Gradient visits: by tensor ("hidden" by layer), rows in
// the order of the questions.
type gradients map[string]*Projection

func gradientOf(t testing.TB, m *Model, qs []WeightedQuestion) (gradients, [][]Answer) {
	t.Helper()
	all := gradients{}
	answers, err := m.Gradient(context.Background(), qs, all.visit)
	if err != nil {
		t.Fatal(err)
	}
	return all, answers
}

func (all gradients) visit(s *LayerGradient) error {
	add := func(name string, p Projection) {
		if all[name] == nil {
			all[name] = &Projection{Tensor: name}
		}
		all[name].X = append(all[name].X, p.X...)
		all[name].Y = append(all[name].Y, p.Y...)
		all[name].DY = append(all[name].DY, p.DY...)
	}
	for _, p := range s.Projections {
		add(p.Tensor, p)
	}
	if s.Hidden != nil {
		add(fmt.Sprintf("hidden %d", s.Layer), Projection{Y: s.Hidden, DY: s.DHidden})
	}
	return nil
}

// weightedQuestions climb the first answer, and fall from or ignore the others.
func weightedQuestions(rng *rand.Rand, n, vocab int) []WeightedQuestion {
	var qs []WeightedQuestion
	for i, q := range randomQuestions(rng, n, vocab) {
		q.Prompt = q.Prompt[:min(len(q.Prompt), 9)]
		s := WeightedQuestion{Question: q}
		for k := range s.Answers {
			s.Answers[k] = s.Answers[k][:min(len(s.Answers[k]), 4+i%3)]
			s.LogProbs = append(s.LogProbs, []float64{1, -1, 0.3}[k])
		}
		qs = append(qs, s)
	}
	return qs
}

// positionOf is the place of a row of a question: of which answer's sequence
// (any, for the prompt) and at what position.
func positionOf(q Question, row int) (answer, pos int) {
	if row < len(q.Prompt) {
		return allAnswers, row
	}
	row -= len(q.Prompt)
	for k, a := range q.Answers {
		if row < len(a)-1 {
			return k, len(q.Prompt) + row
		}
		row -= len(a) - 1
	}
	panic("no such row")
}

// The derivatives are those of an independent forward pass in float64, by
// central differences, at random elements of every projection and hidden layer.
func TestGradientIsTheDerivative(t *testing.T) {
	for name, shape := range allShapes() {
		rng := rand.New(rand.NewPCG(7, 7))
		m := testModel(t, shape, Options{Precision: Exact})
		checkDerivatives(t, name, m, weightedQuestions(rng, 3, shape.Vocab), rng, 2)
	}
}

// Nor does that depend on how long questions are: memories are kept every 64 tokens of
// the prompt and of each answer.
func TestGradientOfLongQuestions(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	shape := oneDeltaNet
	m := testModel(t, shape, Options{Precision: Exact})
	ids := func(n int) []int32 { return randomIDs(rng, n, shape.Vocab) }
	checkDerivatives(t, "long", m, []WeightedQuestion{
		{Question{Prompt: ids(131), Answers: [][]int32{ids(70), ids(1), ids(3)}}, Weighting{LogProbs: []float64{1, 0.5, -1}}},
		{Question{Prompt: ids(64), Answers: [][]int32{ids(66)}}, Weighting{LogProbs: []float64{1}}},
	}, rng, 2)
}

// checkDerivatives compares m's with differences, at random elements: a few of each
// projection and hidden layer, or of some of them if there are many.
func checkDerivatives(t *testing.T, name string, m *Model, qs []WeightedQuestion, rng *rand.Rand, each int) {
	t.Helper()
	const h, most = 1e-4, 16 // the differences take long
	got, answers := gradientOf(t, m, qs)
	ref := &reference{m: m, weights: map[string][]float32{}}
	for i, q := range qs {
		_, want := ref.value(q)
		for k, a := range answers[i] {
			if math.Abs(a.LogProb-want[k]) > 1e-4 {
				t.Fatalf("%s: question %d answer %d: ln p = %v, want %v", name, i, k, a.LogProb, want[k])
			}
		}
	}
	sites := slices.Sorted(maps.Keys(got))
	if len(sites) > most {
		rng.Shuffle(len(sites), func(i, j int) { sites[i], sites[j] = sites[j], sites[i] })
		sites, each = sites[:most], 1
	}
	for _, what := range slices.Repeat(sites, each) {
		p, width := got[what], len(got[what].DY)/rowsOf(qs)
		i, unit := rng.IntN(len(qs)), rng.IntN(width)
		q, row := qs[i], rng.IntN(qs[i].Tokens())
		value := float64(p.DY[(rowsOf(qs[:i])+row)*width+unit])
		derive := func(by float64) float64 { return nudged(ref, q, row, what, unit, by) }
		want := (derive(h) - derive(-h)) / (2 * h)
		if math.Abs(value-want) > 2e-3*math.Abs(want)+2e-4*rms(p.DY) {
			t.Errorf("%s: %s, question %d, row %d, unit %d: ∂F/∂y = %v, by differences %v (rms %v)", name, what, i, row, unit, value, want, rms(p.DY))
		}
	}
}

// nudged is F of a question when one output of a projection or a hidden unit has
// been changed at one of its rows, less the answers that do not read that row, which
// no difference has.
func nudged(ref *reference, q WeightedQuestion, row int, what string, unit int, by float64) (sum float64) {
	answer, pos := positionOf(q.Question, row)
	for k := range q.Answers {
		if answer != allAnswers && answer != k {
			continue
		}
		one := q
		one.Answers, one.Weighting = q.Answers[k:k+1], q.of(k)
		f := reference{m: ref.m, weights: ref.weights, nudge: func(layer int, name string, at int, y []float64) {
			if at == pos && (name == what || fmt.Sprintf("%s %d", name, layer) == what) {
				y[unit] += by
			}
		}}
		v, _ := f.value(one)
		sum += v
	}
	return sum
}

func rowsOf(qs []WeightedQuestion) (n int) {
	for _, q := range qs {
		n += q.Tokens()
	}
	return n
}

func rms(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}

// A question's derivatives have the same bits alone or among others, on every
// kernel set and number of threads, patched in place or baked.
func TestGradientInvariance(t *testing.T) {
	for name, shape := range someShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			rng := rand.New(rand.NewPCG(8, 8))
			qs := weightedQuestions(rng, 5, shape.Vocab)
			base := testModel(t, shape, Options{Precision: precision, Threads: 1})
			want, wantAnswers := gradientOf(t, base, qs)
			for _, set := range kernel.Available() {
				m := testModel(t, shape, Options{Precision: precision, Kernel: set.Name, Threads: 3})
				got, answers := gradientOf(t, m, qs)
				sameGradients(t, fmt.Sprint(name, precision, set.Name), got, want)
				if fmt.Sprint(answers) != fmt.Sprint(wantAnswers) {
					t.Errorf("%s: other answers", set.Name)
				}
				if set.Name == "generic" {
					continue
				}
				first := 0
				for _, q := range qs {
					alone, _ := gradientOf(t, m, []WeightedQuestion{q})
					for tensor, p := range alone {
						width := len(p.DY) / q.Tokens()
						sameBits(t, "alone: "+tensor, p.DY, want[tensor].DY[first*width:(first+q.Tokens())*width])
					}
					first += q.Tokens()
				}
			}
		}
	}
}

func sameGradients(t *testing.T, what string, got, want gradients) {
	t.Helper()
	for tensor, p := range want {
		sameBits(t, what+": x of "+tensor, got[tensor].X, p.X)
		sameBits(t, what+": y of "+tensor, got[tensor].Y, p.Y)
		sameBits(t, what+": ∂F/∂y of "+tensor, got[tensor].DY, p.DY)
	}
}

// A model patched in place derives as one loaded from a baked file.
func TestGradientOfAPatchedModel(t *testing.T) {
	for name, shape := range someShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			qs := weightedQuestions(rand.New(rand.NewPCG(9, 9)), 3, shape.Vocab)
			w, m := testBench(t, shape, Options{Precision: precision})
			questions, ws := split(qs)
			for what, p := range testPatches(m) {
				trunk := newTrunk(t, m, questions, []Cut{1, 4})
				if err := w.Apply(p); err != nil {
					t.Fatal(err)
				}
				got, moved := gradients{}, gradients{}
				if _, err := m.Gradient(context.Background(), qs, got.visit); err != nil {
					t.Fatal(err)
				}
				if err := trunk.Move(context.Background(), 0); err != nil {
					t.Fatal(err)
				}
				if err := trunk.Gradient(context.Background(), ws, 0, nil, moved.visit); err != nil {
					t.Fatal(err)
				}
				baked := bakedModel(t, m, p, precision)
				want, _ := gradientOf(t, baked, qs)
				sameGradients(t, fmt.Sprint(name, precision, what), got, want)
				sameGradients(t, fmt.Sprint(name, precision, what, ", moved"), moved, want)
				if err := w.Apply(p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// The derivatives of fast precision point where those of exact do.
func TestFastGradientIsCloseToExact(t *testing.T) {
	for name, shape := range allShapes() {
		qs := weightedQuestions(rand.New(rand.NewPCG(10, 10)), 12, shape.Vocab)
		exact, _ := gradientOf(t, testModel(t, shape, Options{Precision: Exact}), qs)
		fast, _ := gradientOf(t, testModel(t, shape, Options{}), qs)
		for tensor, p := range exact {
			var dot float64
			for i, v := range p.DY {
				dot += float64(v) * float64(fast[tensor].DY[i])
			}
			cos := dot / float64(len(p.DY)) / rms(p.DY) / rms(fast[tensor].DY)
			least := 0.98
			if shape.Hybrid != nil {
				least = 0.94 // they have more layers, which carry rounding on
			}
			if cos < least {
				t.Errorf("%s: %s: the cosine of both precisions' derivatives is %.4f", name, tensor, cos)
			}
		}
	}
}

// Waves are as large as the tape's memory allows, so blocks say how much of it they take.
func TestTapedIsWhatIsKept(t *testing.T) {
	for name, shape := range allShapes() {
		m := testModel(t, shape, Options{})
		_, err := m.Gradient(context.Background(), weightedQuestions(rand.New(rand.NewPCG(14, 1)), 3, shape.Vocab), func(s *LayerGradient) error {
			for i, b := range m.blocks {
				floats := 0
				for _, y := range s.g.tape.outputs[i] {
					floats += len(y)
				}
				if want := b.taped() * len(s.Questions); floats != want {
					t.Errorf("%s: block %d keeps %d floats of %d tokens, want %d", name, i, floats, len(s.Questions), want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestGradientRefuses(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	o, err := m.Overlay(patchOf(m, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 3, N: bankai.ToEnd}))
	if err != nil {
		t.Fatal(err)
	}
	q := Question{Prompt: []int32{1, 2}, Answers: [][]int32{{3}}}
	one, stop := Weighting{LogProbs: []float64{1}}, errors.New("stop")
	for what, qs := range map[string][]WeightedQuestion{
		"an overlay":     {{Question{Prompt: q.Prompt, Answers: q.Answers, Overlay: o}, one}},
		"a bad token":    {{Question{Prompt: []int32{-1}, Answers: q.Answers}, one}},
		"visit's error ": {{q, one}},
	} {
		if _, err := m.Gradient(context.Background(), qs, func(*LayerGradient) error { return stop }); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Gradient(ended, []WeightedQuestion{{q, one}}, func(*LayerGradient) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"bankai/internal/testmodel"
)

// scattered computes for a model in parts of random sizes, which it mixes, side by side,
// and the first that it was asked comes last.
type scattered struct {
	mu        sync.Mutex
	rng       *rand.Rand
	questions int
	requests  int
}

func (s *scattered) Width() int { return 3 }

// parts divides n things, mixed.
func (s *scattered) parts(n int) (parts [][]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.rng.Perm(n)
	for len(all) > 0 {
		k := 1 + s.rng.IntN(len(all))
		parts, all = append(parts, all[:k]), all[k:]
	}
	return parts
}

// each does the parts side by side, the first one when all others are done.
func each(parts [][]int, do func(part []int) error) error {
	errs := make([]error, len(parts))
	var others sync.WaitGroup
	for i, part := range parts[1:] {
		others.Go(func() { errs[i+1] = do(part) })
	}
	others.Wait()
	errs[0] = do(parts[0])
	return errors.Join(errs...)
}

func (s *scattered) Score(ctx context.Context, m *Model, qs []Question) ([][]Answer, error) {
	s.mu.Lock()
	s.questions += len(qs)
	s.mu.Unlock()
	out := make([][]Answer, len(qs))
	err := each(s.parts(len(qs)), func(part []int) error {
		answers, err := m.Score(ctx, picked(qs, part))
		for k, a := range answers {
			out[part[k]] = a
		}
		return err
	})
	return out, err
}

func (s *scattered) Generate(ctx context.Context, m *Model, reqs []Request, emit func(i int, id int32)) ([]Result, error) {
	s.mu.Lock()
	s.requests += len(reqs)
	s.mu.Unlock()
	out := make([]Result, len(reqs))
	var one sync.Mutex
	err := each(s.parts(len(reqs)), func(part []int) error {
		results, err := m.Generate(ctx, picked(reqs, part), nil)
		one.Lock()
		defer one.Unlock()
		for k, r := range results {
			for _, id := range r.IDs {
				if emit != nil {
					emit(part[k], id)
				}
			}
			out[part[k]] = r
		}
		return err
	})
	return out, err
}

// throughModel is a model with some of its questions: of both overlays, some with a
// reference.
func throughModel(t *testing.T) (m, through *Model, far *scattered, qs []Question) {
	m = testModel(t, testmodel.TinyHybrid, Options{})
	far = &scattered{rng: rand.New(rand.NewPCG(8, 1))}
	through = m.Through(far)
	rng := rand.New(rand.NewPCG(7, 1))
	vocab := m.Config().Vocab
	patch := testPatches(m)["mixed"]
	first, err := m.Overlay(patch)
	if err != nil {
		t.Fatal(err)
	}
	second, err := through.Overlay(patch)
	if err != nil {
		t.Fatal(err)
	}
	if second.Patch() != patch || (*Overlay)(nil).Patch() != nil {
		t.Error("an overlay does not tell its patch")
	}
	for i := range 60 {
		q := Question{Prompt: randomIDs(rng, 1+rng.IntN(12), vocab), Overlay: []*Overlay{nil, first, second}[i%3]}
		for range 1 + rng.IntN(3) {
			q.Answers = append(q.Answers, randomIDs(rng, 1+rng.IntN(4), vocab))
		}
		qs = append(qs, q)
	}
	refs, err := through.References(t.Context(), []Question{{Prompt: qs[0].Prompt, Answers: qs[0].Answers[:1]}}, ReferenceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	with := qs[0]
	with.Answers, with.Reference, with.Overlay = with.Answers[:1], refs[0], first
	return m, through, far, slices.Insert(qs, 20, with)
}

// What is scored elsewhere has the values of the model itself, and what must stay here
// does.
func TestScoreThrough(t *testing.T) {
	m, through, far, qs := throughModel(t)
	want, err := m.Score(t.Context(), qs)
	if err != nil {
		t.Fatal(err)
	}
	got, err := through.Score(t.Context(), qs)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("answers differ")
	}
	if want[20][0].KL == 0 {
		t.Error("the reference tells nothing")
	}
	if far.questions != len(qs)-1 {
		t.Errorf("%d of %d questions went elsewhere", far.questions, len(qs))
	}
	if through.Width() != 3 || m.Width() != 1 {
		t.Errorf("widths %d and %d", through.Width(), m.Width())
	}
	// A question that is wrong has the error that it has here, and nothing is sent.
	asked := far.questions
	for what, wrong := range map[string]Question{
		"no prompt":    {Answers: [][]int32{{1}}},
		"no such id":   {Prompt: []int32{1 << 20}, Answers: [][]int32{{1}}},
		"empty answer": {Prompt: []int32{1}, Answers: [][]int32{{}}},
	} {
		bad := append(slices.Clone(qs[:5]), wrong)
		_, want := m.Score(t.Context(), bad)
		if _, err := through.Score(t.Context(), bad); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	if far.questions != asked {
		t.Error("wrong questions went elsewhere")
	}
}

// What is generated elsewhere is what the model generates, requests that are refused and
// those that must stay here among them.
func TestGenerateThrough(t *testing.T) {
	m, through, far, qs := throughModel(t)
	var reqs []Request
	for i, q := range qs {
		r := Request{Prompt: q.Prompt, Overlay: q.Overlay, Max: 1 + i%9}
		switch i % 5 {
		case 0:
			r.Sampling = Sampling{Temperature: 1.3, TopK: 40, Seed: uint64(i)}
		case 1:
			r.Until = Until{Line: AnyLine}
		case 2:
			r.StopTexts = []string{"a"}
		}
		reqs = append(reqs, r)
	}
	reqs[4].Stop = func(ids []int32) bool { return len(ids) == 2 }
	reqs[6].LogProbs, reqs[7].Max = true, 0
	reqs[9].Prompt, reqs[11].Sampling.Temperature = nil, -1
	generate := func(m *Model) (results []Result, told [][]int32, err error) {
		told = make([][]int32, len(reqs))
		results, err = m.Generate(t.Context(), reqs, func(i int, id int32) { told[i] = append(told[i], id) })
		return results, told, err
	}
	want, wantTold, wantErr := generate(m)
	got, told, err := generate(through)
	if err == nil || err.Error() != wantErr.Error() {
		t.Errorf("error %v, want %v", err, wantErr)
	}
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(told, wantTold) {
		t.Error("results differ")
	}
	if far.requests != len(reqs)-5 {
		t.Errorf("%d of %d requests went elsewhere", far.requests, len(reqs))
	}
	// The error of a cancelled context comes from wherever it is.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := through.Generate(ctx, reqs[:3], nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A workbench computes here, with what was done there, and a model is not sent through
// twice.
func TestWorkbenchThrough(t *testing.T) {
	m, through, far, qs := throughModel(t)
	bench := through.Workbench()
	if err := bench.Apply(testPatches(m)["mixed"]); err != nil {
		t.Fatal(err)
	}
	if bench.Through(far) != bench.Model {
		t.Error("a workbench is sent elsewhere")
	}
	if again := through.Through(far); again.inner != m || through.Through(nil) != m {
		t.Error("a model through another is not the model itself")
	}
	plain, patched := Question{Prompt: qs[1].Prompt, Answers: qs[1].Answers}, qs[1]
	want, err := m.Score(t.Context(), []Question{patched})
	if err != nil {
		t.Fatal(err)
	}
	got, err := bench.Score(t.Context(), []Question{plain})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || far.questions != 0 {
		t.Errorf("%v, want %v; %d questions went elsewhere", got, want, far.questions)
	}
	if _, err := bench.Score(t.Context(), []Question{patched}); err == nil {
		t.Error("a workbench takes an overlay of the model")
	}
}

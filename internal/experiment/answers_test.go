package experiment

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/report"
	"bankai/measure"
	"bankai/probe"
)

// rowsPatch flips the first rows of a tensor: enough of them to change answers.
func rowsPatch(name, tensor string, rows int) NamedPatch {
	var flips []bankai.Flip
	for r := range rows {
		flips = append(flips, bankai.Flip{Tensor: tensor, Row: uint32(r), N: bankai.ToEnd})
	}
	return NamedPatch{name, bankai.New(bankai.Digest{}, bankai.Meta{}, flips...)}
}

// threePatches each break and fix a few of the demo's answers; a and b share
// bits.
func threePatches() []NamedPatch {
	return []NamedPatch{
		rowsPatch("a", "blk.3.ffn_gate.weight", 40),
		rowsPatch("b", "blk.3.ffn_gate.weight", 10),
		rowsPatch("c", "blk.2.ffn_up.weight", 60),
	}
}

// plainly answers probes one at a time with the patches in place.
func plainly(t *testing.T, m *engine.Model, set probe.Set, patches ...*bankai.Patch) *measure.Measurement {
	t.Helper()
	if len(patches) > 0 {
		w := m.Workbench()
		for _, p := range patches {
			if err := w.Apply(p); err != nil {
				t.Fatal(err)
			}
		}
		m = w.Model
	}
	tok, out := m.Tokenizer(), &measure.Measurement{}
	for _, p := range set {
		over := func(ids []int32) bool { return strings.Contains(tok.Decode(ids), "\n") }
		got, err := m.Generate(context.Background(), []engine.Request{{Prompt: tok.Encode(p.Prompt), Max: 40, Stop: over}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(tok.Decode(got[0].IDs), "\n")
		out.Texts, out.Right = append(out.Texts, text), append(out.Right, p.Match(text))
		ids, err := p.Tokens(tok)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := m.Score(context.Background(), []engine.Question{{Prompt: ids.Prompt, Answers: [][]int32{ids.Correct, ids.Wrong}}})
		if err != nil {
			t.Fatal(err)
		}
		out.SeqLogprob = append(out.SeqLogprob, scores[0][0].LogProb-scores[0][1].LogProb)
	}
	return out
}

// counted checks a change against answers that were given one at a time.
func counted(t *testing.T, what string, got AnswerChange, before, after *measure.Measurement) {
	t.Helper()
	var fixed, broke, was, is int
	gain := 0.0
	for i := range before.Right {
		switch {
		case before.Right[i] && after.Right[i]:
			was, is = was+1, is+1
		case before.Right[i]:
			was, broke = was+1, broke+1
		case after.Right[i]:
			is, fixed = is+1, fixed+1
		}
		gain += after.SeqLogprob[i] - before.SeqLogprob[i]
	}
	if want := (measure.Counts{Total: len(before.Right), Before: was, After: is, Fixed: fixed, Broke: broke}); got.Counts != want {
		t.Errorf("%s: %+v, want %+v", what, got.Counts, want)
	}
	if got.Gain.Value != gain/float64(len(before.Right)) || got.Gain.N != len(before.Right) {
		t.Errorf("%s: gain %v, want %v", what, got.Gain, gain/float64(len(before.Right)))
	}
	if want := tail(fixed, broke); math.Abs(got.PValue-want) > 1e-12 {
		t.Errorf("%s: p = %v, want %v", what, got.PValue, want)
	}
}

// tail is McNemar's exact p-value, summed up term by term.
func tail(fixed, broke int) float64 {
	n, sum, term := fixed+broke, 0.0, 1.0
	for i := 0; i <= min(fixed, broke); i++ {
		sum += term
		term = term * float64(n-i) / float64(i+1)
	}
	return min(1, 2*sum/math.Pow(2, float64(n)))
}

// steady checks that an experiment has one result: with one thread, with two,
// stopped after any piece and resumed, and read back from its JSON; and that it
// leaves the model as it was. It returns that result.
func steady[T report.Result](t *testing.T, measure func(ctx context.Context, r *Run) (T, error)) T {
	t.Helper()
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	prompt := someProbes(t, "control_few", 2).Set
	before := plainly(t, m, prompt)
	pieces := 0
	want, err := measure(context.Background(), &Run{Model: m, Seed: 7, Progress: func(p Progress) { pieces = p.Total }})
	if err != nil {
		t.Fatal(err)
	}
	same := func(how string, got T) {
		t.Helper()
		var a, b bytes.Buffer
		if err := errors.Join(report.WriteJSON(&a, want), report.WriteJSON(&b, got)); err != nil {
			t.Fatal(err)
		}
		if a.String() != b.String() {
			t.Errorf("%s: another result", how)
		}
	}
	single, err := measure(context.Background(), &Run{Model: enginetest.Demo(t, engine.Options{Threads: 1}), Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	same("one thread", single)
	path := filepath.Join(t.TempDir(), "j")
	for stop := 1; stop < pieces; stop++ { // each run resumes what was done, and does one piece
		if _, err := interrupted(t, path, m, stop, measure); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after piece %d of %d: %v", stop, pieces, err)
		}
	}
	resumed, err := interrupted(t, path, m, pieces, measure)
	if err != nil {
		t.Fatal(err)
	}
	same("resumed", resumed)
	if got := plainly(t, m, prompt); !reflect.DeepEqual(got, before) {
		t.Error("the model is not what it was")
	}
	return want
}

// interrupted runs an experiment from its journal until stop pieces are done.
func interrupted[T report.Result](t *testing.T, path string, m *engine.Model, stop int, measure func(ctx context.Context, r *Run) (T, error)) (T, error) {
	t.Helper()
	j, err := OpenJournal(path, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return measure(ctx, &Run{Model: m, Seed: 7, Journal: j, Progress: func(p Progress) {
		if p.Done == stop && stop < p.Total {
			cancel()
		}
	}})
}

// A journal knows a patch by its content: renamed, or beside another, its answers
// are not measured again, nor are those to a part of the probes that is as it was.
func TestAnswersAreKeptByContent(t *testing.T) {
	m, path := enginetest.Demo(t, engine.Options{Threads: 2}), filepath.Join(t.TempDir(), "j")
	pieces := func(patches []NamedPatch, probes measure.Named) (fresh int) {
		j, err := OpenJournal(path, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		_, err = MeasureComparison(context.Background(), &Run{Model: m, Journal: j, Progress: func(p Progress) { fresh = p.Done - p.Resumed }},
			CompareOptions{Patches: patches, Probes: probes})
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	patches, probes := threePatches(), someProbes(t, "control", 40) // in two pieces
	if n := pieces(patches[:1], probes); n != 4 {
		t.Errorf("one patch and the base: %d pieces of work", n)
	}
	renamed := []NamedPatch{{"other", patches[0].Patch}, patches[1]}
	if n := pieces(renamed, measure.Named{Name: "elsewhere", Set: probes.Set}); n != 2 {
		t.Errorf("a patch more: %d pieces of work", n)
	}
	probes.Set = probes.Set[:39]
	if n := pieces(renamed, probes); n != 3 {
		t.Errorf("a probe less: %d pieces of work", n)
	}
}

func TestAnswersAreRefused(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	few, patches := someProbes(t, "control_few", 3), threePatches()
	other := bankai.New(bankai.Digest{1}, bankai.Meta{}, patches[0].Patch.Flips()...)
	for _, c := range []struct {
		name    string
		patches []NamedPatch
		sets    []measure.Named
		want    string
	}{
		{"one patch", patches[:1], []measure.Named{few}, "1 patches: give at least 2"},
		{"one name twice", []NamedPatch{patches[0], patches[0]}, []measure.Named{few}, `two patches are called "a"`},
		{"another model's", []NamedPatch{patches[0], {"x", other}}, []measure.Named{few}, "x: made for model 010000000000…"},
		{"an empty one", []NamedPatch{patches[0], {"x", bankai.New(bankai.Digest{}, bankai.Meta{})}}, []measure.Named{few}, "x: flips nothing"},
		{"out of range", []NamedPatch{patches[0], rowsPatch("x", "blk.0.ffn_up.weight", 5000)}, []measure.Named{few}, "x: blk.0.ffn_up.weight: row 4999 is out of range"},
		{"no probes", patches, []measure.Named{{Name: "none"}}, "none: has no probes"},
		{"no answer", patches, []measure.Named{{Name: "bad", Set: probe.Set{{Name: "p", Prompt: "1 + 1 =", Wrong: " 3"}}}}, `bad: probe "p": the answer "" adds no token`},
		{"a shared prompt", patches, []measure.Named{few, {Name: "again", Set: few.Set[1:2]}}, "again: 1 of its prompts stand in another set, too"},
	} {
		_, err := MeasureStack(context.Background(), &Run{Model: m}, StackOptions{Patches: c.patches, Probes: c.sets})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

package experiment

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/lora"
	"bankai/internal/report"
	"bankai/internal/reporttest"
	"bankai/measure"
	"bankai/score"
)

// smallLoRA is a comparison that takes a second.
func smallLoRA(t *testing.T) LoRAOptions {
	t.Helper()
	probes := someProbes(t, "search_few", 28).Set
	return LoRAOptions{
		Search: probes[:8], HeldOut: probes[8:28], Controls: someProbes(t, "control", 4).Set, Names: [4]string{"a", "b", "c", "d"},
		Text:        []string{"The king sleeps.", "The old man has a lamp."},
		Tensors:     []string{"blk.0.ffn_up.weight", "blk.5.ffn_down.weight"},
		Projections: []string{"up", "down"}, Ranks: []int{2}, Seeds: 2, Steps: 3, Rate: 0.03, KL: 1,
		Patches: []NamedPatch{{"harm", bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.0.attn_output.weight", N: bankai.ToEnd})}},
	}
}

// Every figure is that of asking the trained model by hand, and the model is as it
// was afterwards.
func TestLoRAFigures(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	o := smallLoRA(t)
	before := firstLogits(t, m)
	got, err := CompareLoRA(t.Context(), &Run{Model: m, Seed: 5}, o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(firstLogits(t, m), before) {
		t.Error("the model is not as it was")
	}
	if len(got.Results) != 3 || got.Results[0].Name != "harm" || got.Results[1].Seed != 5 || got.Results[2].Seed != 6 || got.Timing != nil {
		t.Fatalf("got %+v", got.Results)
	}
	ev, err := score.NewProbeEvaluator(m, o.Search, o.Controls, score.Options{Objective: o.objective(), Text: o.Text})
	if err != nil {
		t.Fatal(err)
	}
	w := ev.Workbench()
	a, err := w.NewAdapter(2, o.Tensors)
	if err != nil {
		t.Fatal(err)
	}
	trained, err := lora.Train(t.Context(), ev, a, lora.Config{Steps: 3, Rate: 0.03, Seed: 6})
	if err != nil {
		t.Fatal(err)
	}
	base, err := measure.Measure(t.Context(), m, nil, o.HeldOut, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Half()
	if err := w.Adapt(a); err != nil {
		t.Fatal(err)
	}
	after, err := measure.Measure(t.Context(), w.Model, nil, o.HeldOut, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := measure.Compare(o.HeldOut, base, after)
	v := got.Results[2]
	if v.HeldOut.Counts != want.Counts() || v.HeldOut.PValue != want.PValue || v.Cost != trained.Cost {
		t.Errorf("got %+v at a cost of %v, want %+v at %v", v.HeldOut, v.Cost, want.Counts(), trained.Cost)
	}
	params := 0
	for _, name := range o.Tensors {
		w, _ := m.Weights().Tensor(name)
		params += 2 * (w.Rows + w.Cols)
	}
	if v.Params != params || v.Bytes != int64(2*params) {
		t.Errorf("%d numbers in %d bytes, want %d", v.Params, v.Bytes, params)
	}
}

// It ends in the same figures when resumed, and with one thread.
func TestLoRAResumes(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	o := smallLoRA(t)
	path := filepath.Join(t.TempDir(), "lora.journal")
	var results [2]*LoRA
	for i := range results {
		j, err := OpenJournal(path, nil, i == 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if i == 0 { // in the middle of it
			_, err := CompareLoRA(ctx, &Run{Model: m, Journal: j, Progress: func(p Progress) {
				if p.Done == 2 {
					cancel()
				}
			}}, o)
			if err == nil || j.Len() != 2 {
				t.Fatalf("%v after %d pieces", err, j.Len())
			}
			if results[0], err = CompareLoRA(t.Context(), &Run{Model: m}, o); err != nil {
				t.Fatal(err)
			}
		} else if results[1], err = CompareLoRA(ctx, &Run{Model: m, Journal: j}, o); err != nil {
			t.Fatal(err)
		}
		cancel()
		j.Close()
	}
	for _, r := range results {
		for i := range r.Results {
			r.Results[i].Seconds = 0 // the only figure that differs
		}
	}
	if !reflect.DeepEqual(results[0], results[1]) {
		t.Errorf("%+v\n%+v", results[0], results[1])
	}
	reporttest.SameFiles(t, results[0], results[1])
}

// Timings are of every way to run a model, the model as it is being 1.
func TestLoRATiming(t *testing.T) {
	o := smallLoRA(t)
	o.OnlyTiming, o.Rounds = true, 3
	l, err := CompareLoRA(t.Context(), &Run{Model: enginetest.Demo(t, engine.Options{Threads: 0})}, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range l.Timing {
		names = append(names, x.Name)
		if x.Prompt.N != 3 || !(x.Prompt.Value > 0 && x.Generation.Value > 0) {
			t.Errorf("%+v", x)
		}
	}
	if want := []string{"as it is", "harm, in place", "harm, as an overlay", "LoRA of rank 2"}; !slices.Equal(names, want) {
		t.Errorf("timed %v, want %v", names, want)
	}
	if base := l.Timing[0]; base.Prompt.Value != 1 || base.Generation.Value != 1 || base.Switch != 0 || l.Timing[1].Switch <= 0 {
		t.Errorf("got %+v", l.Timing)
	}
	l.About = report.About{Experiment: "lora"}
	if p := l.Present(); len(p.Tables) != 1 || len(p.Charts) != 0 {
		t.Errorf("shows %d tables and %d pictures", len(p.Tables), len(p.Charts))
	}
}

// firstLogits are the model's at a few tokens.
func firstLogits(t *testing.T, m *engine.Model) []float32 {
	t.Helper()
	b := m.NewBatch(0)
	rows, err := b.Step(t.Context(), []engine.Input{{Seq: b.NewSeq(nil), Tokens: []int32{1, 2, 3, 4}, Logits: 4}})
	if err != nil {
		t.Fatal(err)
	}
	return rows[0]
}

package experiment

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
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
		Projections: []string{"up", "down"}, Ranks: []int{2}, Seeds: 2, Steps: 3, Rate: 0.03, KL: []float64{1},
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
	ev, err := score.NewProbeEvaluator(m, o.Search, o.Controls, o.scoring(1))
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

// It ends in the same figures when resumed, and with another number of threads.
func TestLoRAResumes(t *testing.T) {
	o := smallLoRA(t)
	path := filepath.Join(t.TempDir(), "lora.journal")
	var results [2]*LoRA
	for i := range results {
		m := enginetest.Demo(t, engine.Options{Threads: 1 + i})
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

// An adapter measured at several costs is, at each of them, what a training of so many
// steps gives; the work is never more than allowed, and a step more would be.
func TestLoRACosts(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	o := smallLoRA(t)
	o.Patches, o.Ranks, o.SignRanks, o.SignRate, o.Seeds = nil, []int{1}, []int{1}, 0.1, 1
	o.Costs = []float64{4.5, 10}
	got, err := CompareLoRA(t.Context(), &Run{Model: m, Seed: 5}, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range got.Results {
		names = append(names, v.Name)
		short := o
		short.Costs, short.Steps, short.Ranks, short.SignRanks = nil, v.Steps, nil, nil
		if v.Series == "LoRA of rank 1" {
			short.Ranks = o.Ranks
		} else {
			short.SignRanks = o.SignRanks
		}
		alone, err := CompareLoRA(t.Context(), &Run{Model: m, Seed: 5}, short)
		if err != nil {
			t.Fatal(err)
		}
		want := alone.Results[0]
		if v.HeldOut.Counts != want.HeldOut.Counts || v.Perplexity != want.Perplexity || v.Cost != want.Cost || v.Bytes != want.Bytes {
			t.Errorf("%s: got %+v, alone %+v", v.Name, v, want)
		}
		limit, step := o.Costs[(len(names)-1)%2], 3*v.Cost/float64(3*v.Steps+1)
		if v.Cost > limit || v.Cost+step <= limit {
			t.Errorf("%s: costs %v, where %v are allowed and a step costs %v", v.Name, v.Cost, limit, step)
		}
	}
	if want := []string{"LoRA of rank 1, 4.5 passes", "LoRA of rank 1, 10 passes", "sign LoRA of rank 1, 4.5 passes", "sign LoRA of rank 1, 10 passes"}; !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	for _, costs := range [][]float64{{1}, {8, 8.5}} {
		o.Costs = costs
		if _, err := CompareLoRA(t.Context(), &Run{Model: m}, o); err == nil || !strings.Contains(err.Error(), "give") {
			t.Errorf("costs of %v: error %v", costs, err)
		}
	}
}

// Problems and windows are measured under patches and adapters as the experiments of
// their own measure them under a patch, each weight of the divergence trains its own
// adapters, and nothing is lost in the files.
func TestLoRAElsewhere(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	o := smallLoRA(t)
	o.Seeds, o.KL, o.PatchCosts = 1, []float64{0, 2}, []float64{7}
	o.Patches[0].Name = "harm-7"
	o.Also = []measure.Named{{Name: "more", Set: someProbes(t, "control", 6).Set[4:]}}
	asked := someProbes(t, "control", 3).Set
	o.Problems = &Quiz{Name: "quiz", ID: "1", Right: func(ctx context.Context, m *engine.Model, overlay *engine.Overlay) ([]bool, error) {
		return measure.Right(ctx, m, overlay, asked)
	}}
	data := []byte(strings.Repeat("The king sleeps. The old man has a lamp.\n", 12))
	facts, err := o.CutText(m, "text", data, []int{16, 32})
	if err != nil || len(facts) != 1 {
		t.Fatal(facts, err)
	}
	got, err := CompareLoRA(t.Context(), &Run{Model: m, Seed: 5}, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 3 || got.Results[0].Cost != 7 || got.Results[0].Series != "harm" || got.Results[1].Name != "LoRA of rank 2, kl 0" || got.Results[2].Name != "LoRA of rank 2, kl 2" {
		t.Fatalf("got %+v", got.Results)
	}
	overlay, err := m.Overlay(o.Patches[0].Patch)
	if err != nil {
		t.Fatal(err)
	}
	for k, cut := range o.Windows {
		cut.Patch = Patching{Overlay: overlay, ID: "harm"}
		want, err := MeasurePerplexity(t.Context(), &Run{Model: m}, cut)
		if err != nil {
			t.Fatal(err)
		}
		if w := got.Results[0].Windows[k]; w.Window != cut.Window || w.Perplexity != want.Patched.After || w.Ratio != want.Patched.Ratio || got.Base.Windows[k].Ratio.Value != 1 {
			t.Errorf("windows of %d: got %+v, want %+v", cut.Window, w, want.Patched)
		}
	}
	right, err := measure.Right(t.Context(), m, overlay, asked)
	if err != nil {
		t.Fatal(err)
	}
	base, err := measure.Right(t.Context(), m, nil, asked)
	if err != nil {
		t.Fatal(err)
	}
	if got := got.Results[0].Problems.Counts; got != CountsOf(base, right) {
		t.Errorf("problems: %+v", got)
	}
	if len(got.Duels) != 2 || got.Duels[0].Patch != "harm-7" || got.Duels[0].Adapter != got.Results[1].Name ||
		got.Duels[0].OnlyAdapter-got.Duels[0].OnlyPatch != got.Results[1].HeldOut.After-got.Results[0].HeldOut.After {
		t.Errorf("duels: %+v", got.Duels)
	}
	reporttest.SameFiles(t, got, got)
}

// A patch meets the adapter that had as much work as it, or a little more: of a
// training that never came so far, the last.
func TestDuels(t *testing.T) {
	results := []Adaptation{{Name: "patch"}}
	pieces := []loraPiece{{}, {HeldOut: []bool{true, true, false}}}
	for _, v := range []Adaptation{
		{Name: "a, 60", Series: "a", Seed: 1, Cost: 58},
		{Name: "a, 120", Series: "a", Seed: 1, Cost: 118},
		{Name: "a, 400", Series: "a", Seed: 1, Cost: 399},
		{Name: "a, 60", Series: "a", Seed: 2, Cost: 58},
	} {
		results, pieces = append(results, v), append(pieces, loraPiece{HeldOut: []bool{false, true, true}})
	}
	for what, c := range map[string]struct {
		costs []float64
		want  []string
	}{
		"not known":       {nil, []string{"a, 400", "a, 60"}},
		"about the same":  {[]float64{120}, []string{"a, 120", "a, 60"}},
		"less than all":   {[]float64{20}, []string{"a, 60", "a, 60"}},
		"between the two": {[]float64{200}, []string{"a, 400", "a, 60"}},
		"more than all":   {[]float64{900}, []string{"a, 400", "a, 60"}},
	} {
		o := LoRAOptions{Patches: make([]NamedPatch, 1), PatchCosts: c.costs}
		var got []string
		for _, d := range o.duels(results, pieces) {
			got = append(got, d.Adapter)
			if d.OnlyPatch != 1 || d.OnlyAdapter != 1 || d.PValue != 1 {
				t.Errorf("%s: %+v", what, d)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: against %q, want %q", what, got, c.want)
		}
	}
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

package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/evaluate"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// smallAblation varies the probes and the strategy of tiny searches in two layers.
func smallAblation(t *testing.T) AblateOptions {
	return AblateOptions{
		Pool: drawn(t, "search", 30), HeldOut: drawn(t, "heldout", 12), Controls: drawn(t, "control", 3),
		Base: Setting{
			Probes: 6, Strategy: score.MethodGuided, Granularity: "row",
			Projections: []string{"gate", "up"}, Layers: []int{4, 5}, Metric: "answer_logprob",
		},
		Vary:  []Variation{{"probes", []string{"3", "6"}}, {"strategy", []string{"guided", "greedy"}}},
		Seeds: 2, Steps: 12,
	}
}

func ablate(t *testing.T, r *Run, o AblateOptions) *Ablate {
	t.Helper()
	x, err := MeasureAblate(context.Background(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// Each run is the search that its setting and its seed say, and its counts are
// those of the model patched in place, one probe at a time.
func TestAblateRuns(t *testing.T) {
	m, o := demoModel(t, 2), smallAblation(t)
	x := ablate(t, &Run{Model: m, Seed: 7}, o)
	if len(x.Settings) != 3 || !reflect.DeepEqual(x.Factors, []AblatedFactor{{"probes", []int{1, 0}}, {"strategy", []int{0, 2}}}) {
		t.Fatalf("%d settings, factors %v", len(x.Settings), x.Factors)
	}
	found := 0
	for i, s := range x.Settings {
		for k, r := range s.Runs {
			seed := uint64(7 + k)
			own := o.Pool.Set.Draw([]int{6, 3, 6}[i], seed)
			p := searchByHand(t, m, own, o.Controls.Set, i == 2, seed)
			if r.Seed != seed || r.Patch != p.ContentDigest().String() || r.Flips != p.Len() {
				t.Errorf("%s, seed %d: %d flips, by hand %d", s.Name, r.Seed, r.Flips, p.Len())
			}
			if want := answersInPlace(t, m, p, own); r.Own != want {
				t.Errorf("%s, seed %d: own %+v, want %+v", s.Name, seed, r.Own, want)
			}
			if want := answersInPlace(t, m, p, o.HeldOut.Set); r.HeldOut != want || x.HeldBase != want.Before {
				t.Errorf("%s, seed %d: held out %+v, want %+v", s.Name, seed, r.HeldOut, want)
			}
			found += r.Flips
		}
	}
	if found == 0 {
		t.Error("no search found anything")
	}
}

// searchByHand puts a search together from its parts.
func searchByHand(t *testing.T, m *engine.Model, own, controls probe.Set, greedy bool, seed uint64) *bankai.Patch {
	t.Helper()
	ms, err := score.Matrices(m.Weights(), []int{4, 5}, []string{"gate", "up"})
	if err != nil {
		t.Fatal(err)
	}
	o := score.Options{Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: 2, Slack: score.DefaultSlack}}
	var st search.Strategy
	if greedy {
		o.Screen = 2
		st, err = search.NewGreedy(ms, search.Row, seed)
	} else {
		st, err = search.NewGuided(ms, seed, search.Row)
	}
	if err != nil {
		t.Fatal(err)
	}
	e, err := score.NewEvaluator(m, own, controls, o)
	if err != nil {
		t.Fatal(err)
	}
	found, err := search.Run(context.Background(), e, st, bankai.New(m.Digest(), bankai.Meta{}), search.Config{Steps: 12, Prune: !greedy})
	if err != nil {
		t.Fatal(err)
	}
	p, err := found.Patch.Fit(m.Weights().Shape)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answersInPlace counts the answers without the patch, and with it in the weights.
func answersInPlace(t *testing.T, m *engine.Model, p *bankai.Patch, set probe.Set) (c evaluate.Counts) {
	t.Helper()
	w := m.Workbench()
	answers := func(m *engine.Model, q probe.Probe) bool {
		one, err := evaluate.Measure(context.Background(), m, nil, probe.Set{q}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return one.Right[0]
	}
	if err := w.Apply(p); err != nil {
		t.Fatal(err)
	}
	for _, q := range set {
		before, after := answers(m, q), answers(w.Model, q)
		c.Total++
		switch {
		case before && after:
			c.Before, c.After = c.Before+1, c.After+1
		case before:
			c.Before, c.Broke = c.Before+1, c.Broke+1
		case after:
			c.After, c.Fixed = c.After+1, c.Fixed+1
		}
	}
	return c
}

// untimed is a result as JSON without what depends on the clock.
func untimed(t *testing.T, x *Ablate) string {
	t.Helper()
	data, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var y Ablate
	if err := json.Unmarshal(data, &y); err != nil {
		t.Fatal(err)
	}
	for i := range y.Settings {
		y.Settings[i].Seconds = Estimate{}
		for k := range y.Settings[i].Runs {
			y.Settings[i].Runs[k].Took = 0
		}
	}
	data, err = json.Marshal(&y)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// However many threads, wherever it was interrupted, and whether all seeds were
// asked for at once: the figures are the same.
func TestAblateResumed(t *testing.T) {
	o := smallAblation(t)
	o.Steps, o.Pool.Set, o.HeldOut.Set = 3, o.Pool.Set[:10], o.HeldOut.Set[:5]
	path := filepath.Join(t.TempDir(), "ablate.journal")
	measure := func(threads int, resume bool) (got string, resumed int) {
		j, err := OpenJournal(path, nil, resume)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		r := &Run{Model: demoModel(t, threads), Seed: 1, Journal: j, Progress: func(p Progress) { resumed = p.Resumed }}
		return untimed(t, ablate(t, r, o)), resumed
	}
	want, _ := measure(2, false)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	for held := range len(lines) - 1 { // the first line is the head, the last is empty
		if err := os.WriteFile(path, bytes.Join(lines[:held+1], nil), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, resumed := measure(1, true); got != want || resumed != held {
			t.Errorf("with %d pieces held, %d resumed:\n%s\nwant\n%s", held, resumed, got, want)
		}
	}
	o.Seeds = 1
	if _, resumed := measure(1, true); resumed != 4 {
		t.Errorf("%d pieces of one seed resumed, want its 3 searches and the model's own answers", resumed)
	}
}

// When the context ends within a search, so does the experiment, at once; the
// model is as it was.
func TestAblateInterrupted(t *testing.T) {
	m, o := demoModel(t, 2), smallAblation(t)
	before := answersInPlace(t, m, bankai.New(m.Digest(), bankai.Meta{}), o.Controls.Set)
	ctx, cancel := context.WithCancel(context.Background())
	o.Steps, o.Base.Layers, o.HeldOut.Set = 1_000_000, nil, o.HeldOut.Set[:1]
	var ended time.Time
	r := &Run{Model: m, Seed: 1, Progress: func(p Progress) {
		time.AfterFunc(200*time.Millisecond, func() { ended = time.Now(); cancel() })
	}}
	_, err := MeasureAblate(ctx, r, o)
	if took := time.Since(ended); !errors.Is(err, context.Canceled) || took > 2*time.Second {
		t.Errorf("%v, %s after the end", err, took)
	}
	if after := answersInPlace(t, m, bankai.New(m.Digest(), bankai.Meta{}), o.Controls.Set); after != before {
		t.Errorf("the model answers %+v, and %+v before", after, before)
	}
}

func TestAblateFaults(t *testing.T) {
	m := demoModel(t, 1)
	for _, c := range []struct {
		want   string
		change func(o *AblateOptions)
	}{
		{"0 seeds: give at least 1", func(o *AblateOptions) { o.Seeds = 0 }},
		{"0 steps", func(o *AblateOptions) { o.Steps = 0 }},
		{"a cost of NaN", func(o *AblateOptions) { o.MaxCost = math.NaN() }},
		{"a weight of -1 for the divergence", func(o *AblateOptions) { o.Divergence = -1 }},
		{"there are no held-out probes", func(o *AblateOptions) { o.HeldOut.Set = nil }},
		{"search has 30 probes, too few to draw 31", func(o *AblateOptions) { o.Vary[0].Values[0] = "31" }},
		{`"x" is not a number of probes`, func(o *AblateOptions) { o.Vary[0].Values[0] = "x" }},
		{`the base: unknown metric ""`, func(o *AblateOptions) { o.Base.Metric = "" }},
		{"layers 6: layer 6: the model has layers 0 to 5", func(o *AblateOptions) { o.Vary = []Variation{{"layers", []string{"6"}}} }},
		{`w: unknown projection "w"`, func(o *AblateOptions) { o.Vary = []Variation{{"proj", []string{"w"}}} }},
		{"greedy draws rows or groups", func(o *AblateOptions) { o.Base.Granularity = "bit" }},
		{"search: 1 of its prompts are held out too", func(o *AblateOptions) { o.HeldOut.Set = slices.Concat(o.HeldOut.Set, o.Pool.Set[:1]) }},
		{"control: 2 of its prompts are held out too", func(o *AblateOptions) { o.HeldOut.Set = slices.Concat(o.HeldOut.Set, o.Controls.Set[:2]) }},
	} {
		o := smallAblation(t)
		c.change(&o)
		if _, err := MeasureAblate(context.Background(), &Run{Model: m}, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

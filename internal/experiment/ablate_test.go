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
	"bankai/internal/enginetest"
	"bankai/internal/report"
	"bankai/measure"
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
	m, o := enginetest.Demo(t, engine.Options{Threads: 2}), smallAblation(t)
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
	e, err := score.NewProbeEvaluator(m, own, controls, o)
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
func answersInPlace(t *testing.T, m *engine.Model, p *bankai.Patch, set probe.Set) (c measure.Counts) {
	t.Helper()
	w := m.Workbench()
	answers := func(m *engine.Model, q probe.Probe) bool {
		one, err := measure.Measure(context.Background(), m, nil, probe.Set{q}, nil)
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
		y.Settings[i].Seconds = report.Estimate{}
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
		r := &Run{Model: enginetest.Demo(t, engine.Options{Threads: threads}), Seed: 1, Journal: j, Progress: func(p Progress) { resumed = p.Resumed }}
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
	m, o := enginetest.Demo(t, engine.Options{Threads: 2}), smallAblation(t)
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
	m := enginetest.Demo(t, engine.Options{Threads: 1})
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

// madeUp is a result of runs that were made up: two settings with another number
// of probes, and one with another strategy.
func madeUp(fixed, broke [4][3]int) *Ablate {
	x := &Ablate{
		About: report.About{Experiment: "ablate"}, Pool: "pool.json", PoolSize: 600, HeldOut: "new.json", Held: 100, HeldBase: 50,
		Controls: "hold.json", Watched: 5, Seeds: 3, Steps: 1000, MaxCost: 40,
		Factors: []AblatedFactor{{"probes", []int{2, 1, 0}}, {"strategy", []int{0, 3}}},
	}
	for i, name := range []string{"base", "15 probes", "6 probes", "greedy"} {
		s := Ablated{Name: name, Setting: aSetting()}
		s.Probes = []int{60, 15, 6, 60}[i]
		if i == 3 {
			s.Strategy = score.MethodGreedy
		}
		for k := range 3 {
			f, b := fixed[i][k], broke[i][k]
			s.Runs = append(s.Runs, AblateRun{
				Seed: uint64(k + 1), Flips: 10 * k, Bytes: 100 + k, Cost: 40.5, Took: float64(k), Stopped: search.StopCost,
				Own:     measure.Counts{Total: s.Probes, Before: 2, After: 3 + k, Fixed: 1 + k},
				HeldOut: measure.Counts{Total: 100, Before: 50, After: 50 + f - b, Fixed: f, Broke: b},
			})
		}
		x.Settings = append(x.Settings, s)
	}
	x.sumUp()
	return x
}

// learns is searches that do better the more probes they have.
func learns() *Ablate {
	return madeUp([4][3]int{{20, 22, 24}, {7, 12, 9}, {1, 2, 3}, {12, 15, 15}}, [4][3]int{{4, 5, 3}, {8, 8, 8}, {11, 14, 12}, {4, 6, 5}})
}

// The figures, worked out by hand.
func TestAblateSums(t *testing.T) {
	x := learns()
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	base, greedy := x.Settings[0], x.Settings[3]
	near("fixed", base.Fixed.Value, 22)
	near("broken", base.Broke.Value, 4)
	near("net", base.Net.Value, 18) // of 16, 17 and 21
	near("share right", base.HeldRight.Value, 0.68)
	near("own gain", base.OwnGain.Value, (1.0+2+3)/3/60)
	near("held-out gain", base.HeldGain.Value, 0.18)
	near("memorised", base.Memorised.Value, 2.0/60-0.18)
	near("flips", base.Flips.Value, 10)
	near("bytes", base.Bytes.Value, 101)
	near("seconds", base.Seconds.Value, 1)
	// Student's t with 2 degrees of freedom has p = 1 − t/√(2+t²). The nets 16, 17
	// and 21 are 18 with a standard error of √(14/6), greedy's 8, 9 and 10 less those
	// are −8, −8 and −11: −9 with a standard error of 1.
	p := func(t float64) float64 { return 1 - t/math.Sqrt(2+t*t) }
	near("p of the net", float64(base.NetP), p(18/math.Sqrt(14.0/6)))
	near("difference", greedy.FromBase.Value, -9)
	near("p of the difference", float64(greedy.FromBaseP), p(9))
	t975 := 0.95 * math.Sqrt(2/(1-0.95*0.95)) // where that is 0.05
	near("low end", greedy.FromBase.Low, -9-t975)
	near("high end", greedy.FromBase.High, -9+t975)
	near("low end of the net", base.Net.Low, 18-t975*math.Sqrt(14.0/6))
	near("high end of fixed", base.Fixed.High, 22+t975*math.Sqrt(8.0/6))
	// With 6 probes it is −26, −29 and −30 less: −28⅓ ± √(13/9); with 15, −17, −13
	// and −20: −16⅔ ± √(37/9). Of the three p-values the last is the greatest, yet
	// not below greedy's after the correction.
	near("p with 6 probes", float64(x.Settings[2].FromHolm), 3*p(85/math.Sqrt(13)))
	near("p of greedy", float64(greedy.FromHolm), 2*p(9))
	near("p with 15 probes", float64(x.Settings[1].FromHolm), 2*p(9))
	if !math.IsNaN(float64(base.FromBaseP)) || base.FromBase.Value != 0 {
		t.Errorf("the base differs from itself: %v, p %v", base.FromBase, base.FromBaseP)
	}
}

// Only p-values that are defined count for the correction.
func TestAblateCorrects(t *testing.T) {
	p, corrected := []report.NullFloat{0.04, report.NullFloat(math.NaN()), 0.01}, []report.NullFloat{9, 9, 9}
	correct([]*report.NullFloat{&p[0], &p[1], &p[2]}, []*report.NullFloat{&corrected[0], &corrected[1], &corrected[2]})
	if corrected[0] != 0.04 || corrected[1] != 9 || corrected[2] != 0.02 {
		t.Errorf("got %v", corrected)
	}
}

func TestAblateFindings(t *testing.T) {
	same := [4][3]int{{3, 5, 4}, {3, 5, 4}, {3, 5, 4}, {3, 5, 4}}
	for _, c := range []struct {
		name string
		x    *Ablate
		want []string
	}{
		{"learns", learns(), []string{
			"The base, 60 probes, guided by row in gate+up of all layers, answer_logprob: 22", "of 100 held-out answers fixed",
			": more fixed than broken, beyond the interval.",
			"From 60 probes on, more held-out answers are fixed than broken, beyond the interval; from 60 on also after the correction",
			"More are broken than fixed, beyond the interval, with 6 probes.",
			"6 probes 33.33 and -10.33 %; 15 probes 13.33 and 1.333 %; 60 probes 3.333 and 18.00 %.",
		}},
		{"hardly", madeUp([4][3]int{{4, 5, 9}, {4, 5, 9}, {3, 5, 4}, {3, 5, 4}}, [4][3]int{{0, 0, 1}, {0, 0, 1}, {5, 4, 3}, {5, 4, 3}}), []string{
			"From 15 probes on, more held-out answers are fixed than broken, beyond the interval; though not after the correction",
		}},
		{"nothing", madeUp(same, [4][3]int{{5, 4, 3}, {5, 4, 3}, {5, 4, 3}, {5, 4, 3}}), []string{
			": no difference beyond the interval.", "At no number of probes, up to the largest, are more",
			"By strategy: no evidence that any of them fares otherwise than the base.",
		}},
	} {
		all := strings.Join(c.x.Present().Findings, "\n")
		for _, want := range c.want {
			if !strings.Contains(all, want) {
				t.Errorf("%s: %q is not in:\n%s", c.name, want, all)
			}
		}
	}
}

// A result that was written and read is shown alike, to the byte.
func TestAblateGoesThroughJSON(t *testing.T) {
	shown := func(r report.Result) string {
		var b bytes.Buffer
		p := r.Present()
		if err := p.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		for _, table := range p.Tables {
			if err := table.WriteCSV(&b); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range p.Charts {
			if err := c.SVG(&b); err != nil {
				t.Fatal(err)
			}
		}
		return b.String()
	}
	single := learns()
	single.Seeds = 1
	for i := range single.Settings {
		single.Settings[i].Runs = single.Settings[i].Runs[:1]
	}
	single.sumUp()
	for _, x := range []*Ablate{learns(), single} {
		var file bytes.Buffer
		if err := report.WriteJSON(&file, x); err != nil {
			t.Fatal(err)
		}
		read, err := report.Read(&file, Own)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := shown(read), shown(x); got != want {
			t.Errorf("read:\n%s\nwritten:\n%s", got, want)
		}
	}
}

// However many searches run at once, the figures are the same, whether the journal took
// the pieces in order or not.
func TestAblateAtOnce(t *testing.T) {
	m, o := enginetest.Demo(t, engine.Options{Threads: 2}), smallAblation(t)
	o.Steps, o.Pool.Set, o.HeldOut.Set = 3, o.Pool.Set[:10], o.HeldOut.Set[:5]
	want := untimed(t, ablate(t, &Run{Model: m, Seed: 1}, o))
	path := filepath.Join(t.TempDir(), "ablate.journal")
	for _, resume := range []bool{false, true} {
		j, err := OpenJournal(path, nil, resume)
		if err != nil {
			t.Fatal(err)
		}
		var last Progress
		r := &Run{Model: m, Seed: 1, AtOnce: 4, Journal: j, Progress: func(p Progress) { last = p }}
		if got := untimed(t, ablate(t, r, o)); got != want {
			t.Errorf("4 at once:\n%s\nwant\n%s", got, want)
		}
		if last.Done != last.Total || resume != (last.Resumed == last.Total) {
			t.Errorf("progress ends with %+v", last)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

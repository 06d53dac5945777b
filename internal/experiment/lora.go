package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bankai/engine"
	"bankai/internal/chart"
	"bankai/internal/lora"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
)

// LoRA sets patches beside low-rank adapters on the same frozen 1-bit model.
type LoRA struct {
	report.About
	Probes      string   `json:"probes"`   // probes that the adapters learn from
	Controls    string   `json:"controls"` // probes that hold the adapters back
	HeldOut     string   `json:"heldout"`
	Text        string   `json:"text"` // for perplexity, and for what KL weighs
	Projections []string `json:"projections"`
	Layers      string   `json:"layers,omitempty"` // with an adapter; empty: all
	Steps       int      `json:"steps"`            // of Adam
	Rate        float64  `json:"rate"`
	KL          float64  `json:"kl"`

	Base    Adaptation   `json:"base"`
	Results []Adaptation `json:"rivals"` // patches, then adapters by rank and seed
	Timing  []Timing     `json:"timing"` // what each costs when it runs
}

// Adaptation is what a way to change the model, a patch or an adapter, came to.
type Adaptation struct {
	Name       string           `json:"name"`
	Rank       int              `json:"rank,omitempty"` // of an adapter; 0 for a patch
	Seed       uint64           `json:"seed,omitempty"` // of an adapter
	Params     int              `json:"params"`         // numbers of an adapter, bits of a patch
	Bytes      int64            `json:"bytes"`          // of the patch without provenance, or of the adapter as float16
	Cost       float64          `json:"cost"`           // forward-pass equivalents of the training; 0 where it is not known
	Seconds    float64          `json:"seconds"`        // of the training
	Origin     string           `json:"origin,omitempty"`
	Seen       Changes          `json:"seen"` // on the probes it learnt from
	HeldOut    Changes          `json:"heldout"`
	Also       []FurtherSet     `json:"also,omitempty"`
	Perplexity report.NullFloat `json:"perplexity"`
}

// Changes are the answers of the model as it is, compared with those of the changed
// model.
type Changes struct {
	measure.Counts
	McNemar // adjusted for the patches and adapters, or for those and the further sets; on Seen it is not
}

// FurtherSet is what became of the answers to a further set.
type FurtherSet struct {
	Set string `json:"set"`
	Changes
}

// LoRAOptions say what is compared, and how the adapters are trained.
type LoRAOptions struct {
	Search, Controls, HeldOut probe.Set
	Also                      []measure.Named // further sets to measure
	Names                     [4]string       // of the sets and of the text, for people
	Text                      []string        // lines to hold on to
	Tensors                   []string        // tensors that have an adapter
	Projections               []string        // their names without a layer, for people
	Layers                    string          // in these layers, for people; empty: all
	Ranks                     []int
	Seeds                     int
	Steps                     int
	Rate                      float64
	KL                        float64
	Patches                   []NamedPatch
	Rounds                    int  // of timing
	OnlyTiming                bool // neither train nor ask anything
}

// loraPiece is one piece of the work: the answers under a patch or an adapter, or the
// timings.
type loraPiece struct {
	Result     Adaptation       `json:"rival"`
	Seen       []bool           `json:"seen,omitempty"`
	HeldOut    []bool           `json:"heldout,omitempty"`
	Also       [][]bool         `json:"also,omitempty"`
	Perplexity report.NullFloat `json:"perplexity"`
	Timing     []Timing         `json:"timing,omitempty"`
}

// CompareLoRA trains adapters on the fitness that searches climb, and measures
// them and patches on the same sets. The adapters are measured as they would be
// shipped, rounded to float16.
func CompareLoRA(ctx context.Context, r *Run, o LoRAOptions) (*LoRA, error) {
	var keys []string
	var work []func(context.Context) (loraPiece, error)
	add := func(key string, do func(context.Context) (loraPiece, error)) {
		keys, work = append(keys, key), append(work, do)
	}
	if !o.OnlyTiming {
		ev, err := score.NewProbeEvaluator(r.Model, o.Search, o.Controls, score.Options{
			Objective: o.objective(), Text: o.lines(), Memory: 1, // no streams: an adapter is measured from the beginning
		})
		if err != nil {
			return nil, err
		}
		o.addAnswers(r, ev, add)
	}
	if o.Rounds > 0 {
		add(o.timingKey(), func(ctx context.Context) (loraPiece, error) {
			t, err := o.time(ctx, r.Model)
			return loraPiece{Timing: t}, err
		})
	}
	done, err := Each(ctx, r, keys, func(ctx context.Context, i int) (loraPiece, error) { return work[i](ctx) })
	if err != nil {
		return nil, err
	}
	return o.result(done), nil
}

func (o LoRAOptions) objective() score.Objective {
	return score.Objective{
		Metric: probe.AnswerLogprob, Reduce: score.Mean,
		Penalty: score.DefaultPenalty, Slack: score.DefaultSlack, Divergence: o.KL,
	}
}

// lines are those that the fitness holds on to.
func (o LoRAOptions) lines() []string {
	if o.KL == 0 {
		return nil
	}
	return o.Text
}

// addAnswers adds the pieces that ask: of the base first, then of the patches and
// the adapters.
func (o LoRAOptions) addAnswers(r *Run, ev *score.Evaluator, add func(key string, do func(context.Context) (loraPiece, error))) {
	add("the model as it is", func(ctx context.Context) (loraPiece, error) {
		return o.measure(ctx, r.Model, nil, Adaptation{Name: "as it is"})
	})
	for _, p := range o.Patches {
		add(fmt.Sprintf("patch %s (%.12s)", p.Name, p.Patch.ContentDigest()), func(ctx context.Context) (loraPiece, error) {
			return o.patched(ctx, r.Model, p)
		})
	}
	for _, rank := range o.Ranks {
		for seed := range uint64(o.Seeds) {
			add(fmt.Sprintf("LoRA of rank %d, seed %d", rank, r.Seed+seed), func(ctx context.Context) (loraPiece, error) {
				return o.adapted(ctx, r, ev, rank, r.Seed+seed)
			})
		}
	}
}

// measure asks the model as it is now, through an overlay.
func (o LoRAOptions) measure(ctx context.Context, m *engine.Model, overlay *engine.Overlay, v Adaptation) (p loraPiece, err error) {
	p.Result = v
	if p.Seen, err = measure.Right(ctx, m, overlay, o.Search); err != nil {
		return p, err
	}
	if p.HeldOut, err = measure.Right(ctx, m, overlay, o.HeldOut); err != nil {
		return p, err
	}
	for _, set := range o.Also {
		right, err := measure.Right(ctx, m, overlay, set.Set)
		if err != nil {
			return p, err
		}
		p.Also = append(p.Also, right)
	}
	perplexity, err := measure.Perplexity(ctx, m, overlay, o.Text)
	p.Perplexity = report.NullFloat(perplexity)
	return p, err
}

func (o LoRAOptions) patched(ctx context.Context, m *engine.Model, p NamedPatch) (loraPiece, error) {
	overlay, err := m.Overlay(p.Patch)
	if err != nil {
		return loraPiece{}, err
	}
	bits, _ := p.Patch.Bits()
	size, err := p.Patch.ContentSize()
	if err != nil {
		return loraPiece{}, err
	}
	return o.measure(ctx, m, overlay, Adaptation{Name: p.Name, Params: int(bits), Bytes: size, Origin: p.Patch.Meta().Description})
}

func (o LoRAOptions) adapted(ctx context.Context, r *Run, ev *score.Evaluator, rank int, seed uint64) (loraPiece, error) {
	w := ev.Workbench()
	a, err := w.NewAdapter(rank, o.Tensors)
	if err != nil {
		return loraPiece{}, err
	}
	name := fmt.Sprintf("LoRA of rank %d", rank)
	trained, err := lora.Train(ctx, ev, a, lora.Config{Steps: o.Steps, Rate: o.Rate, Seed: seed, Progress: func(p lora.Point) {
		r.tell(fmt.Sprintf("%s, seed %d: step %d of %d, fitness %+.3f", name, seed, p.Step, o.Steps, p.Fitness))
	}})
	if err != nil {
		return loraPiece{}, err
	}
	if a.Half(); !finite(a) {
		return loraPiece{}, errors.New("it grew beyond what a float16 holds: give a lower rate")
	}
	if err := w.Adapt(a); err != nil {
		return loraPiece{}, err
	}
	defer w.Adapt(nil)
	return o.measure(ctx, w.Model, nil, Adaptation{
		Name: name, Rank: rank, Seed: seed,
		Params: a.Params(), Bytes: 2 * int64(a.Params()), Cost: trained.Cost, Seconds: trained.Seconds,
	})
}

// finite reports whether all parameters are numbers.
func finite(a *engine.Adapter) bool {
	for _, f := range a.Factors() {
		for _, v := range slices.Concat(f.A, f.B) {
			if v-v != 0 { // of an infinity or NaN it is NaN
				return false
			}
		}
	}
	return true
}

// timingKey says what the timings are of.
func (o LoRAOptions) timingKey() string {
	key := fmt.Sprintf("timing, %d rounds, ranks %v of %d tensors", o.Rounds, o.Ranks, len(o.Tensors))
	if len(o.Patches) > 0 {
		key += fmt.Sprintf(", %s (%.12s)", o.Patches[0].Name, o.Patches[0].Patch.ContentDigest())
	}
	return key
}

// result compares all pieces with the first.
func (o LoRAOptions) result(pieces []loraPiece) *LoRA {
	l := &LoRA{
		Probes: o.Names[0], Controls: o.Names[1], HeldOut: o.Names[2], Text: o.Names[3],
		Projections: o.Projections, Layers: o.Layers, Steps: o.Steps, Rate: o.Rate, KL: o.KL,
	}
	base := pieces[0] // or, alone, the timings
	for i, p := range pieces {
		if p.Timing != nil {
			l.Timing = p.Timing
			continue
		}
		v := p.Result
		v.Seen, v.HeldOut, v.Perplexity = changesOf(base.Seen, p.Seen), changesOf(base.HeldOut, p.HeldOut), p.Perplexity
		for k, right := range p.Also {
			v.Also = append(v.Also, FurtherSet{o.Also[k].Name, changesOf(base.Also[k], right)})
		}
		if i == 0 {
			l.Base = v
		} else {
			l.Results = append(l.Results, v)
		}
	}
	l.adjust()
	return l
}

// adjust corrects the p-values of the held-out set for the number of patches and
// adapters, and those of the further sets for that number times the number of sets.
func (l *LoRA) adjust() {
	var held, also []*McNemar
	for i := range l.Results {
		held = append(held, &l.Results[i].HeldOut.McNemar)
		for k := range l.Results[i].Also {
			also = append(also, &l.Results[i].Also[k].McNemar)
		}
	}
	AdjustHolm(held)
	AdjustHolm(also)
}

// changesOf counts what became of answers.
func changesOf(before, after []bool) Changes {
	c := CountsOf(before, after)
	return Changes{c, NewMcNemar(c.Fixed, c.Broke)}
}

// grouped are the results by name, in order: one of each patch, several of each
// rank.
func (l *LoRA) grouped() (groups [][]Adaptation) {
	for _, v := range l.Results {
		at := slices.IndexFunc(groups, func(g []Adaptation) bool { return g[0].Name == v.Name })
		if at < 0 {
			groups = append(groups, []Adaptation{v})
			continue
		}
		groups[at] = append(groups[at], v)
	}
	return groups
}

// Timing is what something costs while the model runs, against the model as it
// is, taken in turns. Times are of this machine and do not repeat to the bit.
type Timing struct {
	Name       string          `json:"name"`
	Prompt     report.Estimate `json:"prompt"`     // time for a prompt token, times that of the model as it is
	Generation report.Estimate `json:"generation"` // the same for a generated token
	Switch     float64         `json:"switch_us"`  // to switch it on, microseconds, median; 0 where there is nothing to do
	Memory     int64           `json:"memory"`     // bytes beside the weights while it is on
}

const (
	timedPrompt = 64 // tokens
	timedTokens = 32 // generated, one after another
)

// variant is a way to run the model.
type variant struct {
	name   string
	on     func() (*engine.Overlay, error) // what sequences are to run under, if anything; nil: nothing to do
	off    func() error                    // nil: nothing to do
	memory int64
}

// time takes all ways in turns, so that what else the machine does falls on all
// alike.
func (o LoRAOptions) time(ctx context.Context, m *engine.Model) ([]Timing, error) {
	w := m.Workbench()
	all, err := o.variants(w)
	if err != nil {
		return nil, err
	}
	prompts, tokens, switches := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	for round := range o.Rounds + 1 {
		for i, c := range all {
			p, g, s, err := c.run(ctx, w.Model)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 { // the first one warms up
				prompts[i], tokens[i], switches[i] = append(prompts[i], p), append(tokens[i], g), append(switches[i], s)
			}
		}
	}
	out := make([]Timing, len(all))
	for i, c := range all {
		slices.Sort(switches[i])
		out[i] = Timing{Name: c.name, Prompt: ratios(prompts[i], prompts[0]), Generation: ratios(tokens[i], tokens[0]), Memory: c.memory}
		if c.on != nil {
			out[i].Switch = stats.Quantile(switches[i], 0.5)
		}
	}
	return out, nil
}

// ratios is the mean, with its interval, of the ratio of times to base in each round.
func ratios(times, base []float64) report.Estimate {
	out := make([]float64, len(times))
	for i := range times {
		out[i] = times[i] / base[i]
	}
	return report.MeanOf(out)
}

func (o LoRAOptions) variants(w *engine.Workbench) ([]variant, error) {
	all := []variant{{name: "as it is"}}
	for _, p := range o.Patches[:min(1, len(o.Patches))] {
		size, err := p.Patch.ContentSize()
		if err != nil {
			return nil, err
		}
		apply := func() error { return w.Apply(p.Patch) }
		all = append(all,
			variant{name: p.Name + ", in place", on: func() (*engine.Overlay, error) { return nil, apply() }, off: apply},
			variant{name: p.Name + ", as an overlay", on: func() (*engine.Overlay, error) { return w.Overlay(p.Patch) }, memory: size})
	}
	for _, rank := range o.Ranks {
		a, err := w.NewAdapter(rank, o.Tensors)
		if err != nil {
			return nil, err
		}
		all = append(all, variant{
			name: fmt.Sprintf("LoRA of rank %d", rank), memory: 4 * int64(a.Params()),
			on: func() (*engine.Overlay, error) { return nil, w.Adapt(a) }, off: func() error { return w.Adapt(nil) },
		})
	}
	return all, nil
}

// run measures the time of a prompt token and of a generated one, in seconds, and the
// time of switching the variant on, in microseconds.
func (c variant) run(ctx context.Context, m *engine.Model) (prompt, token, on float64, err error) {
	var overlay *engine.Overlay
	if c.on != nil {
		began := time.Now()
		if overlay, err = c.on(); err != nil {
			return 0, 0, 0, err
		}
		on = time.Since(began).Seconds() * 1e6
	}
	if c.off != nil {
		defer func() { err = errors.Join(err, c.off()) }()
	}
	b := m.NewBatch(0)
	s := b.NewSeq(overlay)
	defer s.Release()
	ids := make([]int32, timedPrompt)
	for i := range ids {
		ids[i] = int32(i % m.Config().Vocab)
	}
	began := time.Now()
	if _, err := b.Step(ctx, []engine.Input{{Seq: s, Tokens: ids, Logits: 1}}); err != nil {
		return 0, 0, 0, err
	}
	prompt = time.Since(began).Seconds() / timedPrompt
	began = time.Now()
	for i := range timedTokens {
		if _, err := b.Step(ctx, []engine.Input{{Seq: s, Tokens: ids[i : i+1], Logits: 1}}); err != nil {
			return 0, 0, 0, err
		}
	}
	return prompt, time.Since(began).Seconds() / timedTokens, on, nil
}

// Present implements Result.
func (l *LoRA) Present() *report.Presentation {
	p := &report.Presentation{
		Title: "XOR patches and LoRA on the same frozen bits",
		Purpose: "A comparison that the published work avoided, with the claim that LoRA cannot work on 1-bit models. It can: activations are continuous, " +
			"so an adapter beside the frozen bits has a gradient. Adapters are trained by Adam on the fitness, the probes and the controls of the search. " +
			"What differs is what they weigh, what they cost for every token, and what must be in memory to switch.",
	}
	if l.Base.HeldOut.Total > 0 {
		p.Tables = append(p.Tables, l.table())
		if len(l.Base.Also) > 0 {
			p.Tables = append(p.Tables, l.furtherTable())
		}
		p.Charts = append(p.Charts, l.picture())
		p.Findings = l.findings()
		p.Notes = append(p.Notes,
			fmt.Sprintf("Adapters on %s of %s, %d steps of Adam at a rate of %v, no early stopping; measured as float16. Seeds differ in the adapters' random start.", strings.Join(l.Projections, ", "), l.where(), l.Steps, l.Rate),
			"p: McNemar's exact test against the model as it is, adjusted by Holm's method for the lines of a table. Seeds share the probes, so their interval, Student's, is of the random start only.",
			"Bytes: of a patch as a .bankai file without provenance, of an adapter as float16.")
	}
	if len(l.Timing) > 0 {
		p.Tables = append(p.Tables, l.timingTable())
		p.Notes = append(p.Notes, fmt.Sprintf("Times: a prompt of %d tokens, then %d one after another, all ways in turns, over %d rounds, as ratios to the model as it is in the same round.",
			timedPrompt, timedTokens, l.Timing[0].Prompt.N))
	}
	return p
}

// held is the number of right answers over the seeds of a group.
func held(group []Adaptation) report.Estimate {
	var values []float64
	for _, v := range group {
		values = append(values, float64(v.HeldOut.After))
	}
	return report.MeanOf(values)
}

func (l *LoRA) findings() (out []string) {
	base := l.Base.HeldOut
	out = append(out, fmt.Sprintf("As it is, the model answers %d of %d held-out prompts right.", base.After, base.Total))
	for _, g := range l.grouped() {
		first := g[0]
		mean := held(g)
		text := fmt.Sprintf("%s (%s bytes): %s right", first.Name, text.Thousands(first.Bytes), count(mean.Value))
		if len(g) > 1 {
			text += fmt.Sprintf(", the mean of %d seeds [%s, %s]", len(g), count(mean.Low), count(mean.High))
		}
		var fixed, broke, seen float64
		for _, v := range g {
			fixed, broke, seen = fixed+float64(v.HeldOut.Fixed), broke+float64(v.HeldOut.Broke), seen+float64(v.Seen.After)
		}
		n := float64(len(g))
		out = append(out, fmt.Sprintf("%s: %s fixed, %s broke; on the probes it learnt from, %s of %d.",
			text, count(fixed/n), count(broke/n), count(seen/n), first.Seen.Total))
	}
	return out
}

func (l *LoRA) table() report.Table {
	t := report.Table{
		Name: "lora", Caption: "What each came to",
		Columns: []string{"", "seed", "bytes", "parameters", "passes", "seconds", "seen right", "held-out right", "of", "fixed", "broke", "p (Holm)", "perplexity"},
	}
	for _, v := range append([]Adaptation{l.Base}, l.Results...) {
		row := []any{v.Name, nil, nil, nil, nil, nil, v.Seen.After, v.HeldOut.After, v.HeldOut.Total, nil, nil, nil, float64(v.Perplexity)}
		if v.Bytes > 0 {
			row[2], row[3], row[9], row[10], row[11] = int(v.Bytes), v.Params, v.HeldOut.Fixed, v.HeldOut.Broke, report.PValue(v.HeldOut.Holm)
		}
		if v.Rank > 0 {
			row[1], row[4], row[5] = int(v.Seed), v.Cost, v.Seconds
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// furtherTable is of the further sets.
func (l *LoRA) furtherTable() report.Table {
	t := report.Table{
		Name: "lora-also", Caption: "What became of other answers",
		Columns: []string{"", "seed", "set", "probes", "before", "after", "fixed", "broke", "p (Holm)"},
	}
	for _, v := range l.Results {
		for _, b := range v.Also {
			row := []any{v.Name, nil, b.Set, b.Total, b.Before, b.After, b.Fixed, b.Broke, report.PValue(b.Holm)}
			if v.Rank > 0 {
				row[1] = int(v.Seed)
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func (l *LoRA) timingTable() report.Table {
	t := report.Table{
		Name: "lora-timing", Caption: "What each costs while the model runs, times the model as it is",
		Columns: []string{"", "prompt token", "generated token", "to switch, µs", "memory, bytes"},
	}
	for _, x := range l.Timing {
		row := []any{x.Name, x.Prompt, x.Generation, nil, int(x.Memory)}
		if x.Switch > 0 {
			row[3] = x.Switch
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// picture draws right answers against bytes.
func (l *LoRA) picture() chart.Chart {
	var series []chart.Series
	for _, g := range l.grouped() {
		e := held(g)
		at := chart.Point{X: float64(g[0].Bytes), Y: e.Value, Low: e.Low, High: e.High}
		series = append(series, chart.Series{Name: g[0].Name, Points: []chart.Point{at}})
	}
	return chart.Chart{
		Name: "lora", Title: "What a byte buys", Alt: "Right held-out answers against the bytes of patches and of LoRA adapters.",
		Panels: []chart.Panel{&chart.Scatter{
			Title: fmt.Sprintf("Right answers of %d held-out ones; as it is, %d", l.Base.HeldOut.Total, l.Base.HeldOut.After),
			X:     "bytes", Y: "right", LogX: true, Series: series,
		}},
	}
}

// where is which layers have adapters.
func (l *LoRA) where() string {
	if l.Layers == "" {
		return "all layers"
	}
	return "layers " + l.Layers
}

// count is a number of answers, or the mean of several.
func count(x float64) string {
	if x == math.Trunc(x) || x >= 1000 {
		return text.Thousands(int64(math.Round(x)))
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

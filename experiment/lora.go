package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bankai/engine"
	"bankai/evaluate"
	"bankai/internal/lora"
	"bankai/probe"
	"bankai/score"
)

// LoRA sets patches beside low-rank adapters on the same frozen 1-bit model.
type LoRA struct {
	About
	Probes      string   `json:"probes"`   // that the adapters learn from
	Controls    string   `json:"controls"` // that hold them back
	HeldOut     string   `json:"heldout"`
	Text        string   `json:"text"` // for perplexity, and for what KL weighs
	Projections []string `json:"projections"`
	Layers      string   `json:"layers,omitempty"` // with an adapter; empty: all
	Steps       int      `json:"steps"`            // of Adam
	Rate        float64  `json:"rate"`
	KL          float64  `json:"kl"`

	Base   Rival    `json:"base"`
	Rivals []Rival  `json:"rivals"` // patches, then adapters by rank and seed
	Timing []Timing `json:"timing"` // what each costs when it runs
}

// Rival is what a way to change the model came to.
type Rival struct {
	Name       string   `json:"name"`
	Rank       int      `json:"rank,omitempty"` // of an adapter; 0 for a patch
	Seed       uint64   `json:"seed,omitempty"` // of an adapter
	Params     int      `json:"params"`         // numbers of an adapter, bits of a patch
	Bytes      int64    `json:"bytes"`          // of the patch without provenance, or of the adapter as float16
	Cost       float64  `json:"cost"`           // forward-pass equivalents of the training; 0 where it is not known
	Seconds    float64  `json:"seconds"`        // of the training
	Origin     string   `json:"origin,omitempty"`
	Seen       Changes  `json:"seen"` // on the probes it learnt from
	HeldOut    Changes  `json:"heldout"`
	Also       []Beside `json:"also,omitempty"`
	Perplexity Number   `json:"perplexity"`
}

// Changes are the answers of the model as it is and of the changed one.
type Changes struct {
	evaluate.Counts
	McNemar // adjusted for the rivals, or for them and the further sets; on Seen it is not
}

// Beside is what happened to a further set.
type Beside struct {
	Set string `json:"set"`
	Changes
}

// LoRAOptions say what is compared, and how the adapters are trained.
type LoRAOptions struct {
	Search, Controls, HeldOut probe.Set
	Also                      []evaluate.Named // further sets to measure
	Names                     [4]string        // of the sets and of the text, for people
	Text                      []string         // lines to hold on to
	Tensors                   []string         // that adapters are on
	Projections               []string         // of these names
	Layers                    string           // in these layers, for people; empty: all
	Ranks                     []int
	Seeds                     int
	Steps                     int
	Rate                      float64
	KL                        float64
	Patches                   []NamedPatch
	Rounds                    int  // of timing
	OnlyTiming                bool // neither train nor ask anything
}

// loraPiece is one piece of the work: a rival's answers, or the timings.
type loraPiece struct {
	Rival      Rival    `json:"rival"`
	Seen       []bool   `json:"seen,omitempty"`
	HeldOut    []bool   `json:"heldout,omitempty"`
	Also       [][]bool `json:"also,omitempty"`
	Perplexity Number   `json:"perplexity"`
	Timing     []Timing `json:"timing,omitempty"`
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
		ev, err := score.NewEvaluator(r.Model, o.Search, o.Controls, score.Options{
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
		return o.measure(ctx, r.Model, nil, Rival{Name: "as it is"})
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
func (o LoRAOptions) measure(ctx context.Context, m *engine.Model, overlay *engine.Overlay, v Rival) (p loraPiece, err error) {
	p.Rival = v
	if p.Seen, err = evaluate.Right(ctx, m, overlay, o.Search); err != nil {
		return p, err
	}
	if p.HeldOut, err = evaluate.Right(ctx, m, overlay, o.HeldOut); err != nil {
		return p, err
	}
	for _, set := range o.Also {
		right, err := evaluate.Right(ctx, m, overlay, set.Set)
		if err != nil {
			return p, err
		}
		p.Also = append(p.Also, right)
	}
	perplexity, err := evaluate.Perplexity(ctx, m, overlay, o.Text)
	p.Perplexity = Number(perplexity)
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
	return o.measure(ctx, m, overlay, Rival{Name: p.Name, Params: int(bits), Bytes: size, Origin: p.Patch.Meta().Description})
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
	return o.measure(ctx, w.Model, nil, Rival{
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
		v := p.Rival
		v.Seen, v.HeldOut, v.Perplexity = changesOf(base.Seen, p.Seen), changesOf(base.HeldOut, p.HeldOut), p.Perplexity
		for k, right := range p.Also {
			v.Also = append(v.Also, Beside{o.Also[k].Name, changesOf(base.Also[k], right)})
		}
		if i == 0 {
			l.Base = v
		} else {
			l.Rivals = append(l.Rivals, v)
		}
	}
	l.adjust()
	return l
}

// adjust corrects the p-values of the held-out sets for the number of rivals, and
// those of the further sets for the number of these and rivals.
func (l *LoRA) adjust() {
	var held, also []*McNemar
	for i := range l.Rivals {
		held = append(held, &l.Rivals[i].HeldOut.McNemar)
		for k := range l.Rivals[i].Also {
			also = append(also, &l.Rivals[i].Also[k].McNemar)
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

// grouped are the rivals by name, in order: one of each patch, several of each
// rank.
func (l *LoRA) grouped() (groups [][]Rival) {
	for _, v := range l.Rivals {
		at := slices.IndexFunc(groups, func(g []Rival) bool { return g[0].Name == v.Name })
		if at < 0 {
			groups = append(groups, []Rival{v})
			continue
		}
		groups[at] = append(groups[at], v)
	}
	return groups
}

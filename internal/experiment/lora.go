package experiment

import (
	"context"
	"encoding/json"
	"fmt"

	"bankai/engine"
	"bankai/internal/lora"
	"bankai/internal/report"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
)

// LoRA sets patches beside low-rank adapters on the same frozen 1-bit model.
type LoRA struct {
	report.About
	Probes      string    `json:"probes"`   // probes that the adapters learn from
	Controls    string    `json:"controls"` // probes that hold the adapters back
	HeldOut     string    `json:"heldout"`
	Text        string    `json:"text"` // for perplexity, and for what KL weighs
	Projections []string  `json:"projections"`
	Layers      string    `json:"layers,omitempty"` // with an adapter; empty: all
	Steps       int       `json:"steps,omitempty"`  // of Adam; 0 where Costs say when to stop
	Costs       []float64 `json:"costs,omitempty"`  // forward-pass equivalents at which adapters are measured
	Rate        float64   `json:"rate"`
	SignRate    float64   `json:"sign_rate"`
	KL          Weights   `json:"kl"`
	Guard       string    `json:"guard,omitempty"`       // digest of a guard made of the model, which KL weighs then
	Problems    string    `json:"problems,omitempty"`    // where the problems are from
	WindowText  string    `json:"window_text,omitempty"` // of the windows

	Base    Adaptation   `json:"base"`
	Results []Adaptation `json:"rivals"` // patches, then adapters by kind, rank and seed
	Duels   []Duel       `json:"duels"`  // every patch against adapters that had no less work
	Timing  []Timing     `json:"timing"` // what each costs when it runs
}

// Weights are those that the divergence had, in turns. Results of a time when there was
// but one have a number.
type Weights []float64

// UnmarshalJSON implements json.Unmarshaler.
func (w *Weights) UnmarshalJSON(data []byte) error {
	var one float64
	if json.Unmarshal(data, &one) == nil {
		*w = Weights{one}
		return nil
	}
	return json.Unmarshal(data, (*[]float64)(w))
}

// Adaptation is what a way to change the model, a patch or an adapter, came to.
type Adaptation struct {
	Name       string           `json:"name"`
	Series     string           `json:"series"`          // the name without the work it took
	Rank       int              `json:"rank,omitempty"`  // of an adapter; 0 for a patch
	Seed       uint64           `json:"seed,omitempty"`  // of an adapter
	Steps      int              `json:"steps,omitempty"` // of an adapter
	Params     int              `json:"params"`          // numbers and signs of an adapter, bits of a patch
	Bytes      int64            `json:"bytes"`           // of the patch without provenance, or of the adapter as float16 and bits
	Cost       float64          `json:"cost"`            // forward-pass equivalents of the training; 0 where it is not known
	Seconds    float64          `json:"seconds"`         // of the training
	Origin     string           `json:"origin,omitempty"`
	Seen       Changes          `json:"seen"` // on the probes it learnt from
	HeldOut    Changes          `json:"heldout"`
	Also       []FurtherSet     `json:"also,omitempty"`
	Problems   *Changes         `json:"problems,omitempty"`
	Perplexity report.NullFloat `json:"perplexity"`
	Windows    []WindowShift    `json:"windows,omitempty"`
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

// WindowShift is how well a text is predicted in windows of some tokens.
type WindowShift struct {
	Window     int             `json:"window"`     // tokens
	Perplexity report.Estimate `json:"perplexity"` // of the changed model
	Ratio      report.Estimate `json:"ratio"`      // to that of the model as it is
}

// Duel is a patch and an adapter on the same held-out probes. Answers that both give
// right, or both wrong, say nothing of which is better.
type Duel struct {
	Patch       string `json:"patch"`
	Adapter     string `json:"adapter"`
	Seed        uint64 `json:"seed"`
	OnlyPatch   int    `json:"only_patch"`   // answers that the patch alone gives right
	OnlyAdapter int    `json:"only_adapter"` // answers that the adapter alone gives right
	McNemar            // adjusted for the number of duels
}

// LoRAOptions say what is compared, and how the adapters are trained.
type LoRAOptions struct {
	Search, Controls, HeldOut probe.Set       // Controls may be empty
	Also                      []measure.Named // further sets to measure
	Names                     [4]string       // of the sets and of the text, for people
	Text                      []string        // lines to hold on to, unless Keep are there
	Keep                      []score.Item    // what to hold on to instead
	Guard                     string          // what Keep is, for people and journals
	Tensors                   []string        // tensors that have an adapter
	Projections               []string        // their names without a layer, for people
	Layers                    string          // in these layers, for people; empty: all
	Ranks                     []int           // of adapters of floats
	SignRanks                 []int           // of adapters of signs
	Seeds                     int
	Steps                     int       // of Adam, unless there are Costs
	Costs                     []float64 // rising; adapters are measured where a step more would pass them
	Rate, SignRate            float64   // of Adam; SignRate moves what is behind the signs
	KL                        []float64 // weights of the divergence: each trains adapters of its own
	Patches                   []NamedPatch
	PatchCosts                []float64     // what each took to find, forward-pass equivalents; none: not known
	Problems                  *Quiz         // nil: none
	Windows                   []TextOptions // one text, cut in several ways
	Rounds                    int           // of timing
	OnlyTiming                bool          // neither train nor ask anything
}

// Quiz is questions that are marked by other rules than probes.
type Quiz struct {
	Name  string // for people
	ID    string // tells quizzes apart
	Right func(ctx context.Context, m *engine.Model, overlay *engine.Overlay) ([]bool, error)
}

// loraPiece is what one patch or adapter answers, or the timings.
type loraPiece struct {
	Result     Adaptation       `json:"rival"`
	Seen       []bool           `json:"seen,omitempty"`
	HeldOut    []bool           `json:"heldout,omitempty"`
	Also       [][]bool         `json:"also,omitempty"`
	Problems   []bool           `json:"problems,omitempty"`
	Windows    [][]float64      `json:"windows,omitempty"` // ln p of the tokens
	Perplexity report.NullFloat `json:"perplexity"`
	Timing     []Timing         `json:"timing,omitempty"`
}

// loraWork is pieces of work: a training gives a loraPiece for each time it is
// measured.
type loraWork struct {
	keys []string
	do   []func(context.Context) ([]loraPiece, error)
}

func (w *loraWork) add(key string, do func(context.Context) ([]loraPiece, error)) {
	w.keys, w.do = append(w.keys, key), append(w.do, do)
}

// CompareLoRA trains adapters on the fitness that searches climb, and measures
// them and patches on the same sets. The adapters are measured as they would be
// shipped, their numbers rounded to float16.
func CompareLoRA(ctx context.Context, r *Run, o LoRAOptions) (*LoRA, error) {
	var work loraWork
	if !o.OnlyTiming {
		if err := o.addAnswers(r, &work); err != nil {
			return nil, err
		}
	}
	if o.Rounds > 0 {
		work.add(o.timingKey(), func(ctx context.Context) ([]loraPiece, error) {
			t, err := o.time(ctx, r.Model)
			return []loraPiece{{Timing: t}}, err
		})
	}
	done, err := EachInTurn(ctx, r, work.keys, func(ctx context.Context, i int) ([]loraPiece, error) { return work.do[i](ctx) })
	if err != nil {
		return nil, err
	}
	var pieces []loraPiece
	for _, p := range done {
		pieces = append(pieces, p...)
	}
	return o.result(pieces), nil
}

// addAnswers adds the pieces that ask: of the base first, then of the patches and
// the adapters.
func (o LoRAOptions) addAnswers(r *Run, work *loraWork) error {
	work.add("the model as it is", func(ctx context.Context) ([]loraPiece, error) {
		p, err := o.measure(ctx, r.Model, nil, Adaptation{Name: "as it is"})
		return []loraPiece{p}, err
	})
	for i, p := range o.Patches {
		work.add(fmt.Sprintf("patch %s (%.12s)", p.Name, p.Patch.ContentDigest()), func(ctx context.Context) ([]loraPiece, error) {
			got, err := o.patched(ctx, r.Model, i)
			return []loraPiece{got}, err
		})
	}
	for _, kl := range o.KL {
		ev, err := score.NewProbeEvaluator(r.Model, o.Search, o.Controls, o.scoring(kl))
		if err != nil {
			return err
		}
		for _, t := range o.trainings(kl, r.Seed) {
			work.add(fmt.Sprintf("%s, seed %d", t.name, t.seed), func(ctx context.Context) ([]loraPiece, error) {
				return t.run(ctx, r, ev)
			})
		}
	}
	return nil
}

// scoring is the fitness that adapters climb, with a weight of the divergence.
func (o LoRAOptions) scoring(kl float64) score.Options {
	s := score.Options{
		Objective: score.Objective{
			Metric: probe.AnswerLogprob, Reduce: score.Mean,
			Penalty: score.DefaultPenalty, Slack: score.DefaultSlack, Divergence: kl,
		},
		Memory: 1, // no streams: an adapter is measured from the beginning
	}
	switch {
	case kl == 0:
	case len(o.Keep) > 0:
		s.Keep = o.Keep
	default:
		s.Text = o.Text
	}
	return s
}

// trainings are those under one weight of the divergence, in the order of the results.
func (o LoRAOptions) trainings(kl float64, seed uint64) (all []training) {
	add := func(kind lora.Kind, rank int, rate float64) {
		name := fmt.Sprintf("%s of rank %d", kind, rank)
		if len(o.KL) > 1 {
			name += fmt.Sprintf(", kl %v", kl)
		}
		for i := range uint64(o.Seeds) {
			all = append(all, training{o, kind, rank, rate, seed + i, name})
		}
	}
	for _, rank := range o.Ranks {
		add(lora.Float, rank, o.Rate)
	}
	for _, rank := range o.SignRanks {
		add(lora.Sign, rank, o.SignRate)
	}
	return all
}

package score

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/probe"
	"bankai/search"
)

// specVersion changes whenever equal fields of a Spec would give other scores.
const specVersion = 1

// Spec says what an [Evaluator] measures: all that its scores follow from, and
// nothing of the machine it runs on. Evaluators of equal specs give the same bits.
// It holds the model, the probes and the text by digest only, so whoever gets it
// needs them too. As JSON it keeps every number to the bit.
type Spec struct {
	Version   int           `json:"bankai_score"`
	Model     bankai.Digest `json:"model"`
	Settings  bankai.Digest `json:"settings"`  // fingerprint of the model's arithmetic
	Precision string        `json:"precision"` // of the 1-bit products
	Targets   Content       `json:"targets"`
	Controls  Content       `json:"controls"`
	Text      Content       `json:"text,omitzero"` // zero if the objective has no divergence
	Objective Objective     `json:"objective"`
	Screen    int           `json:"screen,omitempty"` // targets to screen on, see [Options]
}

// Content identifies probes, or the lines of a text.
type Content struct {
	Len    int           `json:"len"`
	Digest bankai.Digest `json:"sha256"`
}

// newSpec is without the content of the text.
func newSpec(m *engine.Model, targets, controls probe.Set, o Options) Spec {
	return Spec{
		Version: specVersion, Model: m.Digest(), Settings: m.Weights().Arithmetic().Fingerprint(), Precision: m.Precision().String(),
		Targets: contentOf(targets), Controls: contentOf(controls), Objective: o.Objective, Screen: o.Screen,
	}
}

// contentOf identifies what a search reads of probes: not their names.
func contentOf(s probe.Set) Content {
	h := sha256.New()
	for _, p := range s {
		fmt.Fprintf(h, "%q %q %q\n", p.Prompt, p.Correct, p.Wrong)
	}
	return Content{len(s), bankai.Digest(h.Sum(nil))}
}

// contentOfText identifies lines; no lines have the zero Content.
func contentOfText(lines []string) Content {
	if len(lines) == 0 {
		return Content{}
	}
	return Content{len(lines), sha256.Sum256([]byte(strings.Join(lines, "\n")))}
}

// Facts lists what decides the scores, for a journal. The precision is not among
// them: a resumed run measures its start again, and so notices another one.
func (s Spec) Facts() []search.Fact {
	probes := func(c Content) string { return fmt.Sprintf("%d probes (%x)", c.Len, c.Digest[:8]) }
	facts := []search.Fact{
		{Name: "model", Value: s.Model.String()},
		{Name: "settings", Value: s.Settings.String()},
		{Name: "targets", Value: probes(s.Targets)},
		{Name: "controls", Value: probes(s.Controls)},
		{Name: "metric", Value: s.Objective.Metric.String()},
		{Name: "fitness", Value: s.Objective.Reduce.String()},
		{Name: "penalty", Value: fmt.Sprint(s.Objective.Penalty)},
		{Name: "screen", Value: fmt.Sprint(s.Screen)},
	}
	if f := s.Objective.fact(); f != "" {
		facts = append(facts, search.Fact{Name: "objective", Value: f})
	}
	if s.Text.Len > 0 {
		facts = append(facts, search.Fact{Name: "text", Value: fmt.Sprintf("%d lines (%s)", s.Text.Len, s.Text.Digest)})
	}
	return facts
}

// Evaluator makes an evaluator of what s describes from a model, probes and, if s
// names one, a text. It fails if they are not those that s names. Tensors and
// Memory of o are this machine's own affair, the objective and the screening are
// those of s.
func (s Spec) Evaluator(m *engine.Model, targets, controls probe.Set, o Options) (*Evaluator, error) {
	if s.Version != specVersion {
		return nil, fmt.Errorf("score: the spec has version %d, this program measures by version %d: use the same program on all machines", s.Version, specVersion)
	}
	o.Objective, o.Screen = s.Objective, s.Screen
	e, err := NewEvaluator(m, targets, controls, o)
	if err != nil {
		return nil, err
	}
	for _, x := range []struct {
		what       string
		named, got any
	}{
		{"model", s.Model, e.spec.Model},
		{"settings of the model", s.Settings, e.spec.Settings},
		{"precision", s.Precision, e.spec.Precision},
		{"target probes", s.Targets, e.spec.Targets},
		{"control probes", s.Controls, e.spec.Controls},
		{"text", s.Text, e.spec.Text},
	} {
		if x.named != x.got {
			return nil, fmt.Errorf("score: %s: %v, but the spec names %v: give what the spec was made with", x.what, x.got, x.named)
		}
	}
	return e, nil
}

// String tells contents apart, in an error.
func (c Content) String() string { return fmt.Sprintf("%d (%.16s)", c.Len, c.Digest) }

// objectiveJSON is an Objective with names for what are numbers in Go.
type objectiveJSON struct {
	Metric     string      `json:"metric"`
	Reduce     string      `json:"fitness"`
	Penalty    float64     `json:"penalty"`
	Slack      float64     `json:"slack,omitempty"`
	Cap        float64     `json:"cap,omitempty"`
	Harm       float64     `json:"harm,omitempty"`
	Divergence float64     `json:"divergence,omitempty"`
	Tie        float64     `json:"tie,omitempty"`
	Sets       []shareJSON `json:"sets,omitempty"`
}

type shareJSON struct {
	Probes int           `json:"probes"`
	Weight float64       `json:"weight"`
	Floor  search.Number `json:"floor"`
}

// MarshalJSON implements json.Marshaler.
func (o Objective) MarshalJSON() ([]byte, error) {
	j := objectiveJSON{
		Metric: o.Metric.String(), Reduce: o.Reduce.String(), Penalty: o.Penalty,
		Slack: o.Slack, Cap: o.Cap, Harm: o.Harm, Divergence: o.Divergence, Tie: o.Tie,
	}
	for _, s := range o.Sets {
		j.Sets = append(j.Sets, shareJSON{s.Probes, s.Weight, search.Number(s.Floor)})
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Objective) UnmarshalJSON(b []byte) error {
	var j objectiveJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	metric, err := probe.ParseMetric(j.Metric)
	if err != nil {
		return err
	}
	reduce, err := ParseReduce(j.Reduce)
	if err != nil {
		return err
	}
	*o = Objective{
		Metric: metric, Reduce: reduce, Penalty: j.Penalty,
		Slack: j.Slack, Cap: j.Cap, Harm: j.Harm, Divergence: j.Divergence, Tie: j.Tie,
	}
	for _, s := range j.Sets {
		o.Sets = append(o.Sets, Share{s.Probes, s.Weight, float64(s.Floor)})
	}
	return nil
}

package score

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/probe"
	"bankai/search"
)

// specVersion changes whenever equal fields of a Spec would give other scores.
const specVersion = 3

// Spec says what an [Evaluator] measures: all that its scores follow from, and
// nothing of the machine it runs on. Evaluators of equal specs give the same bits.
// It holds the model, the items and the text by digest only, so whoever gets it
// needs them too. As JSON it keeps every number to the bit.
type Spec struct {
	Version   int           `json:"bankai_score"`
	Model     bankai.Digest `json:"model"`
	Settings  bankai.Digest `json:"settings"`  // fingerprint of the model's arithmetic
	Precision string        `json:"precision"` // of the 1-bit products
	Targets   Content       `json:"targets"`
	Controls  Content       `json:"controls"`
	Text      Content       `json:"text,omitzero"`       // zero if the objective has no divergence
	Keep      Content       `json:"keep,omitzero"`       // likewise
	Likeliest int           `json:"likeliest,omitempty"` // tokens told apart in what is kept; 0: all
	Objective Objective     `json:"objective"`
	Screen    int           `json:"screen,omitempty"` // targets to screen on, see [Options]
	Samples   Samples       `json:"samples,omitzero"` // how items are divided; zero if all are measured together
}

// Content identifies items, or the lines of a text.
type Content struct {
	Len    int           `json:"len"`
	Digest bankai.Digest `json:"sha256"`
	Aims   string        `json:"aims,omitempty"` // of items that are not all plain probes under the objective's metric
}

// newSpec is without the content of what is kept.
func newSpec(m *engine.Model, targets, controls []Item, o Options) Spec {
	target, control := Aim{Metric: o.Metric}, Aim{Metric: o.Metric.Control()}
	return Spec{
		Version: specVersion, Model: m.Digest(), Settings: m.Weights().Arithmetic().Fingerprint(), Precision: m.Precision().String(),
		Targets: contentOf(targets, &target), Controls: contentOf(controls, &control), Objective: o.Objective, Screen: o.Screen, Samples: o.Samples,
	}
}

// contentOf identifies what a search reads of items: not their names. Probes with the
// usual aim, if there is one, are told by their text, as they always were.
func contentOf(items []Item, usual *Aim) Content {
	c := Content{Len: len(items)}
	if len(items) == 0 && usual == nil {
		return c
	}
	h := sha256.New()
	var aims []string
	for _, i := range items {
		if usual != nil && i.text != "" && i.Aim == *usual && i.weight() == 1 {
			fmt.Fprintln(h, i.text)
			continue
		}
		fmt.Fprintln(h, i.Aim, i.weight(), i.Prompt, i.Answers)
		if a := i.Aim.String(); !slices.Contains(aims, a) {
			aims = append(aims, a)
		}
	}
	c.Digest, c.Aims = bankai.Digest(h.Sum(nil)), strings.Join(aims, ", ")
	return c
}

// contentOfText identifies lines; no lines have the zero Content.
func contentOfText(lines []string) Content {
	if len(lines) == 0 {
		return Content{}
	}
	return Content{Len: len(lines), Digest: sha256.Sum256([]byte(strings.Join(lines, "\n")))}
}

// Facts lists what decides the scores, for a journal. The precision is not among
// them: a resumed run measures its start again, and so notices another one.
func (s Spec) Facts() []search.Fact {
	items := func(c Content) string {
		if c.Aims == "" {
			return fmt.Sprintf("%d probes (%x)", c.Len, c.Digest[:8])
		}
		return fmt.Sprintf("%d items, %s (%x)", c.Len, c.Aims, c.Digest[:8])
	}
	facts := []search.Fact{
		{Name: "model", Value: s.Model.String()},
		{Name: "settings", Value: s.Settings.String()},
		{Name: "targets", Value: items(s.Targets)},
		{Name: "controls", Value: items(s.Controls)},
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
	if s.Samples.Block > 0 {
		facts = append(facts, search.Fact{Name: "samples", Value: fmt.Sprintf("blocks of %d, seed %d", s.Samples.Block, s.Samples.Seed)})
	}
	if s.Keep.Len > 0 {
		facts = append(facts, search.Fact{Name: "keep", Value: items(s.Keep)})
	}
	if s.Likeliest > 0 {
		facts = append(facts, search.Fact{Name: "likeliest", Value: fmt.Sprint(s.Likeliest)})
	}
	return facts
}

// Evaluator makes an evaluator of what s describes from a model, items and, if s
// names them, a text and items to keep. It fails if they are not those that s names. Tensors and
// Memory of o are this machine's own affair, the objective, the screening and the
// samples are those of s.
func (s Spec) Evaluator(m *engine.Model, targets, controls []Item, o Options) (*Evaluator, error) {
	if s.Version != specVersion {
		return nil, fmt.Errorf("score: the spec has version %d, this program measures by version %d: use the same program on all machines", s.Version, specVersion)
	}
	o.Objective, o.Screen, o.Samples = s.Objective, s.Screen, s.Samples
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
		{"targets", s.Targets, e.spec.Targets},
		{"controls", s.Controls, e.spec.Controls},
		{"text", s.Text, e.spec.Text},
		{"what is kept", s.Keep, e.spec.Keep},
		{"tokens told apart in it", s.Likeliest, e.spec.Likeliest},
	} {
		if x.named != x.got {
			return nil, fmt.Errorf("score: %s: %v, but the spec names %v: give what the spec was made with", x.what, x.got, x.named)
		}
	}
	return e, nil
}

// String tells contents apart, in an error.
func (c Content) String() string {
	if c.Aims == "" {
		return fmt.Sprintf("%d (%.16s)", c.Len, c.Digest)
	}
	return fmt.Sprintf("%d of %s (%.16s)", c.Len, c.Aims, c.Digest)
}

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

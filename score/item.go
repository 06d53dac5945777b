package score

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/engine"
	"bankai/probe"
)

// Item is one thing to be scored, as token ids: a probe, an answer that somebody
// wants, a preference, a label, or a text to go on saying. It does not matter what it
// was read from.
type Item struct {
	Name    string    // for people; scores do not depend on it
	Prompt  []int32   // at least one token
	Answers [][]int32 // its continuations, as the Aim takes them
	Aim     Aim
	Weight  float64 // what it counts among those of its set, above 0; 0 means 1

	text   string    // of a probe: what identifies it
	passes [][]int32 // the answers by which work is counted; nil: Answers
}

// Kind says what the value of an item is made of.
type Kind uint8

const (
	// Probe is a metric of a probe: see [probe.Metric]. Answers are what the metric
	// takes.
	Probe Kind = iota

	// Answer is the mean log-probability of the tokens of the only answer, so that a
	// page counts as much as a word. Hence a token of a long answer counts less than
	// one of a short answer. To count all tokens alike, weight items by their tokens.
	Answer

	// Preference is of two answers, the chosen and the rejected one. With Δ = ln p
	// under the patch − ln p under the unpatched model, of a whole answer, it is
	//
	//	ln σ(β·(Δchosen − Δrejected)) + λ·ln σ(β·Δchosen)
	//
	// The first term is that of DPO (Rafailov et al., 2023). It alone is raised by
	// pushing both answers down, if the rejected one falls further. The second one
	// prefers the chosen answer to what it was: at the unpatched model a move gains only
	// if the rejected answer falls 1 + λ times as far as the chosen one, and further on
	// more; and since the first term gains ln 2 at most, a patch that gains anything has
	// not lowered the chosen answers by more than ln(2^(1+1/λ) − 1)/β nats, on average: 2.6
	// with β 0.1 and λ 5. DPO-Positive (Pal et al., 2024) has λ·max(0, −Δchosen) for it, inside of the σ;
	// that has a kink where every search begins, of which first order sees one side.
	// The value is −(1 + λ)·ln 2 for the unpatched model.
	Preference

	// Label is of the right answer, then all others there are, each with what ends
	// it. With d = ln p(right) − max ln p(other), of whole answers, it is
	//
	//	min(engine.MarginCap, d) + 0.02·d + λ·ln σ(β·Δright)
	//
	// Answers that end exclude one another, whatever their lengths, so d is the log-odds
	// by which the right one is chosen; a mean over tokens would favour labels whose
	// later tokens follow from their first. What is won clearly hardly counts any
	// more. The last term is that of Preference: without it, pushing all other labels
	// down gains as much as lifting the right one, which may fall with them.
	Label

	// Keep is KL(unpatched ‖ patched) at the tokens of the only answer, their sum in
	// nats, at the Temperature of the aim. It is for what the model should go on saying, see Options.Keep, and costs.
	Keep
)

var kindNames = [...]string{"probe", "answer", "preference", "label", "keep"}

// String returns a name such as "preference".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind is the inverse of String.
func ParseKind(s string) (Kind, error) {
	if i := slices.Index(kindNames[:], s); i >= 0 {
		return Kind(i), nil
	}
	return 0, fmt.Errorf("unknown kind %q: use %s", s, strings.Join(kindNames[:], ", "))
}

// Aim is what the value of an item is, in nats; larger is better, but for Keep.
type Aim struct {
	Kind   Kind
	Metric probe.Metric // of a Probe
	Beta   float64      // β of a Preference and a Label, above 0
	Lambda float64      // λ of a Preference and a Label; 0: none
	// Temperature of a Keep: see [engine.ReferenceOptions]; 0 means 1.
	Temperature float64
}

const (
	// DefaultBeta is the usual β of a preference, that of DPO.
	DefaultBeta = 0.1
	// DefaultLambda is the usual weight λ of the fall of an answer that is wanted.
	DefaultLambda = 5
)

// NewAim is the usual aim of a kind: of a probe, under AnswerLogprob.
func NewAim(k Kind) Aim {
	switch k {
	case Preference:
		return Aim{Kind: k, Beta: DefaultBeta, Lambda: DefaultLambda}
	case Label:
		return Aim{Kind: k, Beta: 1, Lambda: DefaultLambda}
	}
	return Aim{Kind: k}
}

// String names the aim with its numbers.
func (a Aim) String() string {
	switch a.Kind {
	case Probe:
		return a.Metric.String()
	case Preference, Label:
		return fmt.Sprint(a.Kind, " β ", a.Beta, " λ ", a.Lambda)
	case Keep:
		if a.Temperature != 0 {
			return fmt.Sprint(a.Kind, " at temperature ", a.Temperature)
		}
	}
	return a.Kind.String()
}

// check reports numbers that have no meaning, and a number of answers that the kind does
// not take.
func (a Aim) check(answers int) error {
	least, most := 1, 1
	switch a.Kind {
	case Probe:
		if _, err := probe.ParseMetric(a.Metric.String()); err != nil {
			return err
		}
		least = len(a.Metric.Weights())
		most = least
	case Preference:
		least, most = 2, 2
	case Label:
		least, most = 2, math.MaxInt
	case Answer, Keep:
	default:
		return fmt.Errorf("unknown kind %v", a.Kind)
	}
	if contrast := a.Kind == Preference || a.Kind == Label; contrast && !(a.Beta > 0) || math.IsInf(a.Beta, 1) {
		return fmt.Errorf("β %v: must be a finite number above 0", a.Beta)
	}
	if t := a.Temperature; t != 0 && (a.Kind != Keep || !(t > 0)) {
		return fmt.Errorf("temperature %v: must be above 0, and of what is kept", t)
	}
	if !(a.Lambda >= 0) || math.IsInf(a.Lambda, 1) {
		return fmt.Errorf("λ %v: must be a finite number, 0 or more", a.Lambda)
	}
	if answers < least || answers > most {
		return fmt.Errorf("%d answers for the aim %v, which takes %s", answers, a, map[bool]string{true: fmt.Sprint(least), false: fmt.Sprint(least, " or more")}[least == most])
	}
	return nil
}

// weight is what an item counts.
func (i Item) weight() float64 { return cmp.Or(i.Weight, 1) }

// check reports why an item cannot be scored on a model, and names it.
func (i Item) check(m *engine.Model) error {
	err := i.Aim.check(len(i.Answers))
	switch {
	case err != nil:
	case !(i.weight() > 0) || math.IsInf(i.Weight, 1):
		err = fmt.Errorf("weight %v: must be a finite number above 0", i.Weight)
	case len(i.Prompt) == 0:
		err = errors.New("the prompt has no tokens: begin it with one, such as the token that begins a text")
	default:
		err = i.fits(m)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", i.Name, err)
	}
	return nil
}

// fits reports answers without a token, and those for which the model's context is too
// short.
func (i Item) fits(m *engine.Model) error {
	longest := 0
	for k, a := range i.Answers {
		if len(a) == 0 {
			return fmt.Errorf("answer %d has no tokens", k+1)
		}
		longest = max(longest, len(a))
	}
	// The last token of an answer is predicted only.
	if n, most := len(i.Prompt)+longest-1, m.Context(); most > 0 && n > most {
		return fmt.Errorf("%w: shorten it or leave it out", &engine.TooLongError{Tokens: n, Limit: most})
	}
	return nil
}

// OfProbes makes items of probes: of targets under a metric, of controls under
// [probe.Metric.Control] of it. It fails on a probe that cannot be scored.
func OfProbes(e probe.Encoder, targets, controls probe.Set, m probe.Metric) (t, c []Item, err error) {
	if t, err = probeItems(e, targets, m); err != nil {
		return nil, nil, err
	}
	if c, err = probeItems(e, controls, m.Control()); err != nil {
		return nil, nil, err
	}
	return t, c, nil
}

func probeItems(e probe.Encoder, s probe.Set, m probe.Metric) ([]Item, error) {
	var items []Item
	for _, p := range s {
		t, err := p.Tokens(e)
		if err != nil {
			return nil, fmt.Errorf("score: %w", err)
		}
		items = append(items, Item{
			Name: p.Name, Prompt: t.Prompt, Answers: m.Answers(t), Aim: Aim{Metric: m},
			text: fmt.Sprintf("%q %q %q", p.Prompt, p.Correct, p.Wrong), passes: probe.SeqLogprob.Answers(t),
		})
	}
	return items, nil
}

// linePart bounds the tokens of a line that are scored together.
const linePart = 256

// OfText makes items to keep of lines: of each, all tokens but its first count.
func OfText(e probe.Encoder, lines []string) []Item {
	var items []Item
	for i, line := range lines {
		for _, q := range engine.Continuations(e.Encode(line+"\n"), linePart) {
			items = append(items, Item{Name: fmt.Sprint("line ", i+1), Prompt: q.Prompt, Answers: q.Answers, Aim: Aim{Kind: Keep}})
		}
	}
	return items
}

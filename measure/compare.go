package measure

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"bankai/internal/stats"
	"bankai/probe"
)

// Counts is a set, or a category of it, before and after a patch.
type Counts struct {
	Total  int `json:"total"`
	Before int `json:"before"` // right answers of the base
	After  int `json:"after"`  // right answers of the patched model
	Fixed  int `json:"fixed"`  // wrong before, right after
	Broke  int `json:"broke"`  // right before, wrong after
}

// BeforeAfter is a mean over the set, of the base and of the patched model.
type BeforeAfter struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Output is one probe's answers, side by side.
type Output struct {
	Name        string `json:"name"`
	Category    string `json:"category"`
	Prompt      string `json:"prompt"`
	Correct     string `json:"correct"`
	Before      string `json:"before"`
	After       string `json:"after"`
	RightBefore bool   `json:"right_before"`
	RightAfter  bool   `json:"right_after"`

	// Why, for people; empty where there is only one rule.
	ReasonBefore string `json:"reason_before,omitempty"`
	ReasonAfter  string `json:"reason_after,omitempty"`
}

// Result is what a patch did to a model's answers on a probe set.
type Result struct {
	Total       int               `json:"total"`
	Before      int               `json:"before"` // right answers of the base
	After       int               `json:"after"`  // right answers of the patched model
	Fixed       []string          `json:"fixed"`  // names, in the set's order
	Broke       []string          `json:"broke"`  // names, in the set's order
	StayedRight int               `json:"stayed_right"`
	StayedWrong int               `json:"stayed_wrong"`
	PValue      float64           `json:"p_value"` // McNemar's, exact and two-sided
	ByCategory  map[string]Counts `json:"by_category"`
	SeqLogprob  *BeforeAfter      `json:"seq_logprob,omitempty"` // of probes, nats
	Outputs     []Output          `json:"outputs"`               // in the set's order
}

// Compare sets the measurements of the base and of the patched model on one set
// side by side. Probes without a category count under "".
func Compare(set probe.Set, before, after *Measurement) *Result {
	r := newResult()
	r.SeqLogprob = &BeforeAfter{stats.Mean(before.SeqLogprob), stats.Mean(after.SeqLogprob)}
	for i, p := range set {
		r.add(Output{
			Name: p.Name, Category: p.Category, Prompt: p.Prompt, Correct: p.Correct,
			Before: before.Texts[i], After: after.Texts[i], RightBefore: before.Right[i], RightAfter: after.Right[i],
		})
	}
	return r.finish()
}

// newResult is that of no answers.
func newResult() *Result {
	return &Result{Fixed: []string{}, Broke: []string{}, ByCategory: map[string]Counts{}}
}

// add counts an answer.
func (r *Result) add(o Output) {
	r.Outputs = append(r.Outputs, o)
	c := r.ByCategory[o.Category]
	r.Total++
	c.Total++
	if o.RightBefore {
		r.Before++
		c.Before++
	}
	if o.RightAfter {
		r.After++
		c.After++
	}
	switch {
	case o.Fixed():
		r.Fixed = append(r.Fixed, o.Name)
		c.Fixed++
	case o.Broke():
		r.Broke = append(r.Broke, o.Name)
		c.Broke++
	case o.RightAfter:
		r.StayedRight++
	default:
		r.StayedWrong++
	}
	r.ByCategory[o.Category] = c
}

// finish tests what was counted.
func (r *Result) finish() *Result {
	r.PValue = stats.McNemar(len(r.Fixed), len(r.Broke))
	return r
}

// Check refuses a result whose counts are not those of its answers, as one that was written
// by hand.
func (r *Result) Check() error {
	counted := newResult()
	for _, o := range r.Outputs {
		counted.add(o)
	}
	counted.finish()
	switch {
	case counted.Counts() != r.Counts() || counted.StayedRight != r.StayedRight || counted.StayedWrong != r.StayedWrong:
		return fmt.Errorf("its counts are not those of its %d answers", len(r.Outputs))
	case !slices.Equal(counted.Fixed, r.Fixed) || !slices.Equal(counted.Broke, r.Broke):
		return errors.New("it names other answers as fixed or broken than those that are")
	case !maps.Equal(counted.ByCategory, r.ByCategory):
		return errors.New("the counts of its categories are not those of its answers")
	case counted.PValue != r.PValue:
		return fmt.Errorf("its p-value is %v, that of its counts is %v", r.PValue, counted.PValue)
	}
	return nil
}

// Fixed reports whether the answer was wrong and is right.
func (o Output) Fixed() bool { return o.RightAfter && !o.RightBefore }

// Broke reports whether the answer was right and is wrong.
func (o Output) Broke() bool { return o.RightBefore && !o.RightAfter }

// Categories returns the categories in order of appearance.
func (r *Result) Categories() []string {
	var names []string
	seen := map[string]bool{}
	for _, o := range r.Outputs {
		if !seen[o.Category] {
			seen[o.Category] = true
			names = append(names, o.Category)
		}
	}
	return names
}

// Counts is the whole set's row.
func (r *Result) Counts() Counts {
	return Counts{Total: r.Total, Before: r.Before, After: r.After, Fixed: len(r.Fixed), Broke: len(r.Broke)}
}

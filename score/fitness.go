package score

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/probe"
	"bankai/search"
)

const (
	// DefaultPenalty is the published weight λ of the controls' losses.
	DefaultPenalty = 2
	// DefaultSlack is what guided search lets a control lose, in nats. The
	// published search has none: then the slightest wavering of every control
	// counts, and most of what helps is refused.
	DefaultSlack = 1
)

// capLeak is the share of its value that a target beyond Objective.Cap still
// counts: so that it is not given up. From the feasibility study.
const capLeak = 0.02

// Reduce says how the gains on the target probes become one number.
type Reduce uint8

const (
	Mean Reduce = iota // the average gain
	Min                // the smallest gain
)

var reduceNames = [...]string{"mean", "min"}

// String returns "mean" or "min".
func (r Reduce) String() string {
	if int(r) < len(reduceNames) {
		return reduceNames[r]
	}
	return fmt.Sprintf("reduce(%d)", uint8(r))
}

// ParseReduce is the inverse of String.
func ParseReduce(s string) (Reduce, error) {
	for i, n := range reduceNames {
		if s == n {
			return Reduce(i), nil
		}
	}
	return 0, fmt.Errorf("unknown fitness %q: use %s", s, strings.Join(reduceNames[:], " or "))
}

// Objective is the fitness of a patch. With all its parts it is
//
//	Σₛ wₛ·reduce(v(tᵢ) − v(tᵢ⁰) over the targets of set s) / Σₛ wₛ
//	− λ · mean(max(0, cⱼ⁰ − slack − cⱼ) over controls)
//	− κ · mean(KL(base ‖ patched) over the tokens of what is kept)
//
// where t and c are the values of target and control items, and ⁰ marks the unpatched
// model. Means are weighted by the items; a token of what is kept counts as its item
// does. v(t) is t, or min(t, Cap) + 0.02·t; a loss
// of more than the slack counts 1 + Harm times as much beyond it. The
// base therefore has fitness 0, and a control can cost but never pay. A patch
// under which a set's gain is below its floor has fitness −Inf. With one set, no
// cap and no text it is the published fitness.
type Objective struct {
	Metric     probe.Metric // that probes are made items by, see [OfProbes]
	Reduce     Reduce
	Penalty    float64 // λ ≥ 0; the published one is DefaultPenalty
	Slack      float64 // what a control may lose for nothing, 0 as published
	Cap        float64 // 0 means none
	Harm       float64 // what a target's loss beyond the slack counts besides, in gains; 0 as published
	Divergence float64 // κ ≥ 0
	Sets       []Share // how the targets divide into sets, in order; none means one set without a floor

	// Tie is the weight, from 0 to 1, that a control exactly at its base value
	// has in the derivative: the loss has a kink there. With 0, a control counts
	// once it has lost; with more, it is pushed up before.
	Tie float64
}

// Share is one of several target sets that a search is to help together.
type Share struct {
	Probes int     // how many of the targets, from where the one before ended
	Weight float64 // above 0
	Floor  float64 // the least gain the set may have, at most 0; −Inf for none
}

// Values holds the value of every item, in their order.
type Values struct {
	Targets  []float64
	Controls []float64
	KL       float64 // of the base to the patched model, mean over the tokens of what is kept, nats; of the base itself, what rounding makes of 0
}

// Fitness is the objective of a patch, given the values with and without it, if all
// items weigh the same. The sums run in the order of the items, so that equal values
// give equal bits. A NaN among the values makes the fitness NaN.
func (o Objective) Fitness(base, patched Values) float64 {
	w := weighted{o, ones(len(patched.Targets)), ones(len(patched.Controls))}
	return w.fitness(base, patched)
}

// weighted is an objective of items that have weights.
type weighted struct {
	Objective
	targets, controls []float64 // weights
}

func ones(n int) []float64 { return slices.Repeat([]float64{1}, n) }

// sum adds up in order.
func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

func (o *weighted) fitness(base, patched Values) float64 {
	return o.total(o.gains(nil, base.Targets, patched.Targets), o.meanLoss(base.Controls, patched.Controls), patched.KL-base.KL)
}

// total is the fitness, given the gain of every set.
func (o Objective) total(gains []float64, loss, kl float64) float64 {
	gain := gains[0]
	if len(o.Sets) > 0 {
		var sum, weights float64
		for i, s := range o.Sets {
			if gains[i] < s.Floor {
				return math.Inf(-1)
			}
			sum += float64(s.Weight * gains[i])
			weights += s.Weight
		}
		gain = sum / weights
	}
	return gain - float64(o.Penalty*loss) - float64(o.Divergence*kl)
}

// sets are the shares; targets is the number of all targets.
func (o Objective) sets(targets int) []Share {
	if len(o.Sets) == 0 {
		return []Share{{Probes: targets, Weight: 1, Floor: math.Inf(-1)}}
	}
	return o.Sets
}

// gains appends the gain of every set.
func (o *weighted) gains(to []float64, base, patched []float64) []float64 {
	weights := o.targets
	for _, s := range o.sets(len(base)) {
		to = append(to, o.gain(base[:s.Probes], patched[:s.Probes], weights[:s.Probes]))
		base, patched, weights = base[s.Probes:], patched[s.Probes:], weights[s.Probes:]
	}
	return to
}

// gain is that of one set. The smallest is so whatever it weighs.
func (o Objective) gain(base, patched, weights []float64) float64 {
	if o.Reduce == Min {
		least := math.Inf(1)
		for i := range patched {
			least = min(least, o.gainOf(base[i], patched[i]))
		}
		return least
	}
	var gains float64
	for i, w := range weights {
		gains += float64(w * o.gainOf(base[i], patched[i]))
	}
	return gains / sum(weights)
}

// gainOf is what one target counts.
func (o Objective) gainOf(base, now float64) float64 {
	gain := o.worth(now) - o.worth(base)
	if o.Harm > 0 && gain < -o.Slack {
		gain += float64(o.Harm * (gain + o.Slack))
	}
	return gain
}

// worth is v of a target's value.
func (o Objective) worth(t float64) float64 {
	if o.Cap == 0 {
		return t
	}
	return min(t, o.Cap) + float64(capLeak*t)
}

// meanLoss is 0 if there are no controls.
func (o *weighted) meanLoss(base, patched []float64) float64 {
	if len(patched) == 0 {
		return 0
	}
	var losses float64
	for i, w := range o.controls {
		losses += float64(w * o.loss(base[i], patched[i]))
	}
	return losses / sum(o.controls)
}

// loss is what a control has lost beyond the slack.
func (o Objective) loss(base, now float64) float64 { return max(0, base-o.Slack-now) }

// Check reports settings that have no meaning: numbers as a *search.OptionError. It
// does not ask how many items the sets have.
func (o Objective) Check() error {
	if _, err := probe.ParseMetric(o.Metric.String()); err != nil {
		return err
	}
	if int(o.Reduce) >= len(reduceNames) {
		return fmt.Errorf("unknown fitness %v", o.Reduce)
	}
	for _, x := range []struct {
		field string
		value float64
	}{{"Penalty", o.Penalty}, {"Slack", o.Slack}, {"Harm", o.Harm}, {"Divergence", o.Divergence}} {
		if !(x.value >= 0) || math.IsInf(x.value, 1) {
			return &search.OptionError{Field: x.field, Value: x.value, Rule: "must be a finite number, 0 or more"}
		}
	}
	switch {
	case math.IsNaN(o.Cap) || math.IsInf(o.Cap, 0):
		return &search.OptionError{Field: "Cap", Value: o.Cap, Rule: "must be a finite number"}
	case !(o.Tie >= 0 && o.Tie <= 1):
		return &search.OptionError{Field: "Tie", Value: o.Tie, Rule: "must be from 0 to 1"}
	}
	for i, s := range o.Sets {
		if err := s.check(); err != nil {
			return fmt.Errorf("set %d: %w", i+1, err)
		}
	}
	return nil
}

func (s Share) check() error {
	switch {
	case !(s.Weight > 0) || math.IsInf(s.Weight, 1):
		return &search.OptionError{Field: "Weight", Value: s.Weight, Rule: "must be a finite number above 0"}
	case !(s.Floor <= 0):
		return &search.OptionError{Field: "Floor", Value: s.Floor, Rule: "must be 0 or less, since the unpatched model gains 0"}
	}
	return nil
}

// divides reports sets that do not take in each of the given number of targets.
func (o Objective) divides(targets int) error {
	for i, s := range o.Sets {
		if targets -= s.Probes; s.Probes <= 0 || targets < 0 {
			return fmt.Errorf("set %d: %d probes do not divide the targets", i+1, s.Probes)
		}
	}
	if len(o.Sets) > 0 && targets != 0 {
		return fmt.Errorf("%d targets are in no set", targets)
	}
	return nil
}

// fact names the objective's settings that are not those of the published one.
func (o Objective) fact() string {
	var parts []string
	if o.Cap != 0 {
		parts = append(parts, fmt.Sprint("cap ", o.Cap))
	}
	if o.Harm != 0 {
		parts = append(parts, fmt.Sprint("harm ", o.Harm))
	}
	if o.Slack != 0 {
		parts = append(parts, fmt.Sprint("slack ", o.Slack))
	}
	if o.Divergence != 0 {
		parts = append(parts, fmt.Sprint("divergence ", o.Divergence))
	}
	if o.Tie != 0 {
		parts = append(parts, fmt.Sprint("tie ", o.Tie))
	}
	for _, s := range o.Sets {
		parts = append(parts, fmt.Sprint(s.Probes, " of weight ", s.Weight, " floor ", s.Floor))
	}
	return strings.Join(parts, ", ")
}

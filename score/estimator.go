package score

import (
	"math"
	"slices"
)

// estimator predicts the fitness from what blocks of the questions say that a flip
// changes of it, in columns: the gain of every set of targets, then the controls' loss,
// then the divergence of what is kept, where there are such.
type estimator struct {
	e      *Evaluator
	values Values    // as they are
	now    float64   // the fitness as it is
	gains  []float64 // of the sets, as they are
	loss   float64   // of the controls, as it is
	sets   []float64 // weights: the sums of those of the targets
	held   float64   // likewise of the controls
	lossAt int       // the column of the controls' loss, −1 if there is none
	klAt   int       // likewise of the divergence

	changed []float64 // gains of the sets, as predicted
}

// newEstimator is on a patch with the given values.
func newEstimator(e *Evaluator, values Values) estimator {
	o := estimator{
		e: e, values: values, now: e.fitness.fitness(*e.base, values), gains: e.fitness.gains(nil, e.base.Targets, values.Targets),
		loss: e.fitness.meanLoss(e.base.Controls, values.Controls), held: sum(e.fitness.controls),
	}
	_, o.lossAt, o.klAt = e.columns()
	at := 0
	for _, s := range e.opts.sets(e.targets) {
		o.sets = append(o.sets, sum(e.fitness.targets[at:at+s.Probes]))
		at += s.Probes
	}
	return o
}

// columns is how many columns there are for an evaluator's questions, and which of them
// is the controls' loss and which the divergence: those that there are not are −1.
func (e *Evaluator) columns() (n, loss, kl int) {
	n, loss, kl = len(e.opts.sets(e.targets)), -1, -1
	if e.controls > 0 {
		loss = n
		n++
	}
	if e.tokens > 0 {
		kl = n
		n++
	}
	return n, loss, kl
}

// totals are what all blocks together say of some flips: [column][flip].
type totals [][]float64

func (e *Evaluator) newTotals(flips int) totals {
	n, _, _ := e.columns()
	t := make(totals, n)
	for c := range t {
		t[c] = make([]float64, flips)
		if e.opts.Reduce == Min && c < len(e.opts.sets(e.targets)) {
			for i := range t[c] {
				t[c][i] = math.Inf(1)
			}
		}
	}
	return t
}

// add takes in what a block says. Blocks come in their order.
func (t totals) add(e *Evaluator, said Effects) {
	flips := len(t[0])
	for k, c := range said.Columns {
		column, data := t[c], said.Data[k*flips:][:flips]
		if e.opts.Reduce == Min && c < len(e.opts.sets(e.targets)) {
			for i, x := range data {
				column[i] = min(column[i], float64(x))
			}
			continue
		}
		for i, x := range data {
			column[i] += float64(x)
		}
	}
}

// fitness is the predicted one once a flip is made.
func (o *estimator) fitness(t totals, flip int) float64 {
	o.changed = o.changed[:0]
	for s, gain := range o.gains {
		if o.e.opts.Reduce == Min {
			o.changed = append(o.changed, t[s][flip])
		} else {
			o.changed = append(o.changed, gain+t[s][flip]/o.sets[s])
		}
	}
	lost, diverged := o.loss, o.values.KL-o.e.base.KL
	if o.lossAt >= 0 {
		lost += t[o.lossAt][flip] / o.held
	}
	if o.klAt >= 0 {
		diverged = max(0, diverged+t[o.klAt][flip]/o.e.tokens)
	}
	return o.e.fitness.total(o.changed, lost, diverged)
}

// portion is what a block of an evaluator's questions says of flips: their changes of
// the questions' values, each times the question's weight, are summed in slots, from which
// the columns follow. There is one slot for the mean of the block's part of a set, if only
// that counts, or one for each of its targets; one for each control; and one for what is
// kept.
type portion struct {
	e       *Evaluator
	slot    []int // of every question of the block
	slots   []slot
	columns []int // that there are, ascending
}

// slot is where changes are summed.
type slot struct {
	column   int
	question int     // whose changes they are, or −1 if they only count together
	now, was float64 // of the question: its value, and what that adds to the column
}

// newPortion is of the questions [lo, hi), under a patch with the given values.
func newPortion(e *Evaluator, lo, hi int, values []float64) *portion {
	p := &portion{e: e}
	single := e.opts.Reduce != Mean || e.opts.Cap != 0 || e.opts.Harm != 0
	_, loss, kl := e.columns()
	var sets []int // of the targets
	for i, s := range e.opts.sets(e.targets) {
		sets = append(sets, slices.Repeat([]int{i}, s.Probes)...)
	}
	for q := lo; q < hi; q++ {
		s := slot{column: kl, question: -1, now: values[q]}
		switch {
		case q < e.targets:
			s.column = sets[q]
			if single {
				s.question = q
			}
		case q < e.targets+e.controls:
			s.column, s.question = loss, q
		}
		if n := len(p.slots); s.question >= 0 || n == 0 || p.slots[n-1].column != s.column {
			if s.question >= 0 {
				s.was = p.adds(s, 0)
			}
			p.slots = append(p.slots, s)
			p.columns = append(p.columns, s.column)
		}
		p.slot = append(p.slot, len(p.slots)-1)
	}
	p.columns = slices.Compact(p.columns)
	return p
}

// adds is what a slot's question adds to the column once its weighted value has changed.
func (p *portion) adds(s slot, change float64) float64 {
	f, base := &p.e.fitness, p.e.base
	if i := s.question - p.e.targets; i >= 0 {
		w := f.controls[i]
		return float64(w * f.loss(base.Controls[i], s.now+change/w))
	}
	w := f.targets[s.question]
	gain := f.gainOf(base.Targets[s.question], s.now+change/w)
	if f.Reduce == Min {
		return gain
	}
	return float64(w * gain)
}

// effects are the columns of some flips, whose changes are summed in sums: [slot][flip].
// Of a set whose smallest gain counts, a column is that; of others it is a change.
func (p *portion) effects(sums []float32) []float32 {
	flips := len(sums) / len(p.slots)
	data := make([]float32, 0, len(p.columns)*flips)
	total := make([]float64, flips)
	for from := 0; from < len(p.slots); {
		column, end := p.slots[from].column, from
		least := p.e.opts.Reduce == Min && p.slots[from].question >= 0 && p.slots[from].question < p.e.targets
		for i := range total {
			total[i] = 0
			if least {
				total[i] = math.Inf(1)
			}
		}
		for ; end < len(p.slots) && p.slots[end].column == column; end++ {
			s, changes := p.slots[end], sums[end*flips:][:flips]
			switch {
			case s.question < 0:
				for i, c := range changes {
					total[i] += float64(c)
				}
			case least:
				for i, c := range changes {
					total[i] = min(total[i], p.adds(s, float64(c)))
				}
			default:
				for i, c := range changes {
					total[i] += p.adds(s, float64(c)) - s.was
				}
			}
		}
		for _, x := range total {
			data = append(data, float32(x))
		}
		from = end
	}
	return data
}

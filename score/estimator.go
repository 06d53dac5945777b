package score

// estimator predicts the fitness from predicted changes of the questions' values, each
// times the question's weight. The changes are summed in slots: one for the mean of a
// set of targets, if only that counts, or one for each target; one for each control;
// and one for what is kept.
type estimator struct {
	e     *Evaluator
	slot  []int // of every question
	slots int
	now   float64 // the fitness as it is

	values   Values
	gains    []float64 // of the sets, as they are
	weights  []float64 // of the sets: the sums of those of their targets
	changed  []float64 // of the sets, as predicted
	targets  []float64 // as predicted, if each has a slot
	held     []float64 // of the controls, as predicted
	controls int       // the first control's slot
}

// newEstimator is on a patch with the given values.
func newEstimator(e *Evaluator, values Values) estimator {
	o := estimator{e: e, values: values}
	o.now = e.fitness.fitness(*e.base, o.values)
	o.gains = e.fitness.gains(nil, e.base.Targets, o.values.Targets)
	if e.opts.Reduce != Mean || e.opts.Cap != 0 || e.opts.Harm != 0 {
		o.targets = make([]float64, e.targets)
	}
	for set, s := range e.opts.sets(e.targets) {
		o.weights = append(o.weights, sum(e.fitness.targets[len(o.slot):len(o.slot)+s.Probes]))
		for range s.Probes {
			if o.targets == nil {
				o.slot = append(o.slot, set)
			} else {
				o.slot = append(o.slot, len(o.slot))
			}
		}
	}
	o.controls = len(o.gains)
	if o.targets != nil {
		o.controls = e.targets
	}
	o.slots = o.controls
	for range e.controls {
		o.slot = append(o.slot, o.slots)
		o.slots++
	}
	for len(o.slot) < len(e.questions) { // what is kept
		o.slot = append(o.slot, o.slots)
	}
	if e.tokens > 0 {
		o.slots++
	}
	return o
}

// fitness is the predicted one, given the changes of all slots: that of slot i is
// changes[i·stride].
func (o *estimator) fitness(changes []float32, stride int) float64 {
	f, base := &o.e.fitness, o.e.base
	if o.targets == nil {
		o.changed = o.changed[:0]
		for i, gain := range o.gains {
			o.changed = append(o.changed, gain+float64(changes[i*stride])/o.weights[i])
		}
	} else {
		for i, t := range o.values.Targets {
			o.targets[i] = t + float64(changes[i*stride])/f.targets[i]
		}
		o.changed = f.gains(o.changed[:0], base.Targets, o.targets)
	}
	o.held = o.held[:0]
	for i, c := range o.values.Controls {
		o.held = append(o.held, c+float64(changes[(o.controls+i)*stride])/f.controls[i])
	}
	var kl float64
	if o.e.tokens > 0 {
		kl = max(0, o.values.KL-base.KL+float64(changes[(o.slots-1)*stride])/o.e.tokens)
	}
	return f.total(o.changed, f.meanLoss(base.Controls, o.held), kl)
}

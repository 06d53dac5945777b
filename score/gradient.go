package score

import "math"

// gradient is the derivatives of the fitness by the values of the targets, then of
// the controls: one-sided where it has a kink. Floors are not among them.
func (o *weighted) gradient(base, now Values) []float64 {
	out := make([]float64, 0, len(now.Targets)+len(now.Controls))
	var weights float64
	sets := o.sets(len(now.Targets))
	for _, s := range sets {
		weights += s.Weight
	}
	for _, s := range sets {
		at := len(out)
		total := sum(o.targets[at : at+s.Probes])
		part := out[at : at+s.Probes]
		out = out[:at+s.Probes]
		worst, least := -1, math.Inf(1)
		for i := range part {
			t := now.Targets[at+i]
			if gain := o.gainOf(base.Targets[at+i], t); gain < least {
				worst, least = i, gain
			}
			part[i] = o.worthGradient(t) * s.Weight / weights
			if o.Harm > 0 && o.worth(t)-o.worth(base.Targets[at+i]) < -o.Slack {
				part[i] *= 1 + o.Harm
			}
			if o.Reduce == Mean {
				part[i] = part[i] * o.targets[at+i] / total
			}
		}
		if o.Reduce == Min {
			for i := range part {
				if i != worst {
					part[i] = 0
				}
			}
		}
	}
	total := sum(o.controls)
	for i, c := range now.Controls {
		each := o.Penalty * o.controls[i] / total
		switch edge := base.Controls[i] - o.Slack; {
		case c < edge:
			out = append(out, each)
		case c == edge:
			out = append(out, o.Tie*each)
		default:
			out = append(out, 0)
		}
	}
	return out
}

func (o Objective) worthGradient(t float64) float64 {
	switch {
	case o.Cap == 0:
		return 1
	case t < o.Cap:
		return 1 + capLeak
	}
	return capLeak
}

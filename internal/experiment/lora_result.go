package experiment

import (
	"slices"

	"bankai/internal/kernel"
	"bankai/internal/report"
)

// result compares all pieces with the first.
func (o LoRAOptions) result(pieces []loraPiece) *LoRA {
	l := &LoRA{
		Probes: o.Names[0], Controls: o.Names[1], HeldOut: o.Names[2], Text: o.Names[3],
		Projections: o.Projections, Layers: o.Layers, Costs: o.Costs, Rate: o.Rate, SignRate: o.SignRate, KL: o.KL, Guard: o.Guard,
	}
	if len(o.Costs) == 0 {
		l.Steps = o.Steps
	}
	if o.Problems != nil {
		l.Problems = o.Problems.Name
	}
	if len(o.Windows) > 0 {
		l.WindowText = o.Windows[0].Name
	}
	if last := len(pieces) - 1; last >= 0 && pieces[last].Timing != nil {
		l.Timing, pieces = pieces[last].Timing, pieces[:last]
	}
	for i, p := range pieces {
		v := o.against(pieces[0], p)
		switch {
		case i == 0:
			l.Base = v
			continue
		case i <= len(o.PatchCosts):
			v.Cost = o.PatchCosts[i-1]
		}
		l.Results = append(l.Results, v)
	}
	l.Duels = o.duels(l.Results, pieces)
	l.adjust()
	return l
}

// against is what a piece came to, compared with the model as it is.
func (o LoRAOptions) against(base, p loraPiece) Adaptation {
	v := p.Result
	v.Seen, v.HeldOut, v.Perplexity = changesOf(base.Seen, p.Seen), changesOf(base.HeldOut, p.HeldOut), p.Perplexity
	for k, right := range p.Also {
		v.Also = append(v.Also, FurtherSet{o.Also[k].Name, changesOf(base.Also[k], right)})
	}
	if o.Problems != nil {
		c := changesOf(base.Problems, p.Problems)
		v.Problems = &c
	}
	for k, known := range p.Windows {
		lost := make([]float64, len(known))
		for i := range lost {
			lost[i] = base.Windows[k][i] - known[i]
		}
		v.Windows = append(v.Windows, WindowShift{o.Windows[k].Window, perplexityOf(known), report.MeanOf(lost).Map(kernel.Exp64)})
	}
	return v
}

// duels sets every patch against one adapter of each training: the one that had the
// least work that is not less than the patch's, or the most work where that is not
// known or never reached.
func (o LoRAOptions) duels(results []Adaptation, pieces []loraPiece) (all []Duel) {
	for i := range o.Patches {
		for lo, hi := len(o.Patches), 0; lo < len(results); lo = hi {
			for hi = lo + 1; hi < len(results) && results[hi].Series == results[lo].Series && results[hi].Seed == results[lo].Seed; {
				hi++
			}
			k := hi - 1
			for known := i < len(o.PatchCosts); known && k > lo && results[k-1].Cost >= fairCost*o.PatchCosts[i]; {
				k--
			}
			c := CountsOf(pieces[i+1].HeldOut, pieces[k+1].HeldOut)
			all = append(all, Duel{
				Patch: results[i].Name, Adapter: results[k].Name, Seed: results[k].Seed,
				OnlyPatch: c.Broke, OnlyAdapter: c.Fixed, McNemar: NewMcNemar(c.Fixed, c.Broke),
			})
		}
	}
	return all
}

// fairCost is the share of a patch's work that counts as all of it: trainings and
// searches both end at the last step that their limit allows.
const fairCost = 0.95

// adjust corrects the p-values of the held-out set for the number of patches and
// adapters, those of the further sets for that number times the number of sets, and
// those of the problems and of the duels for their numbers.
func (l *LoRA) adjust() {
	var held, also, problems, duels []*McNemar
	for i := range l.Results {
		v := &l.Results[i]
		held = append(held, &v.HeldOut.McNemar)
		for k := range v.Also {
			also = append(also, &v.Also[k].McNemar)
		}
		if v.Problems != nil {
			problems = append(problems, &v.Problems.McNemar)
		}
	}
	for i := range l.Duels {
		duels = append(duels, &l.Duels[i].McNemar)
	}
	for _, tests := range [][]*McNemar{held, also, problems, duels} {
		AdjustHolm(tests)
	}
}

// changesOf counts what became of answers.
func changesOf(before, after []bool) Changes {
	c := CountsOf(before, after)
	return Changes{c, NewMcNemar(c.Fixed, c.Broke)}
}

// grouped are the results by name, in order: one of each patch, several of each
// kind and rank of adapters.
func (l *LoRA) grouped() (groups [][]Adaptation) {
	for _, v := range l.Results {
		at := slices.IndexFunc(groups, func(g []Adaptation) bool { return g[0].Name == v.Name })
		if at < 0 {
			groups = append(groups, []Adaptation{v})
			continue
		}
		groups[at] = append(groups[at], v)
	}
	return groups
}

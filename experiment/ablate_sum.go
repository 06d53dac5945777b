package experiment

import (
	"math"

	"bankai/evaluate"
	"bankai/internal/stats"
)

// sumUp works out the estimates from the runs.
func (x *Ablate) sumUp() {
	base := x.Settings[0].Runs
	var net, fromBase []*Number // p-values, and below their corrections
	var netHolm, fromHolm []*Number
	for i := range x.Settings {
		s := &x.Settings[i]
		s.sumUp()
		net, netHolm = append(net, &s.NetP), append(netHolm, &s.NetHolm)
		differences := make([]float64, len(s.Runs))
		for k, run := range s.Runs {
			differences[k] = float64(run.net() - base[k].net())
		}
		s.FromBase, s.FromBaseP, s.FromHolm = MeanOf(differences), Number(math.NaN()), Number(math.NaN())
		if i > 0 {
			s.FromBaseP = Number(stats.MeanTest(differences))
			fromBase, fromHolm = append(fromBase, &s.FromBaseP), append(fromHolm, &s.FromHolm)
		}
	}
	correct(net, netHolm)
	correct(fromBase, fromHolm)
}

// sumUp works out the means over the runs of a setting.
func (s *Ablated) sumUp() {
	mean := func(of func(r AblateRun) float64) Estimate {
		values := make([]float64, len(s.Runs))
		for i, r := range s.Runs {
			values[i] = of(r)
		}
		return MeanOf(values)
	}
	s.OwnGain = mean(func(r AblateRun) float64 { return gainShare(r.Own) })
	s.HeldGain = mean(func(r AblateRun) float64 { return gainShare(r.HeldOut) })
	s.Memorised = mean(func(r AblateRun) float64 { return gainShare(r.Own) - gainShare(r.HeldOut) })
	s.Fixed = mean(func(r AblateRun) float64 { return float64(r.HeldOut.Fixed) })
	s.Broke = mean(func(r AblateRun) float64 { return float64(r.HeldOut.Broke) })
	s.Net = mean(func(r AblateRun) float64 { return float64(r.net()) })
	s.HeldRight = mean(func(r AblateRun) float64 { return float64(r.HeldOut.After) / float64(r.HeldOut.Total) })
	s.Flips = mean(func(r AblateRun) float64 { return float64(r.Flips) })
	s.Bytes = mean(func(r AblateRun) float64 { return float64(r.Bytes) })
	s.Passes = mean(func(r AblateRun) float64 { return r.Cost })
	s.Seconds = mean(func(r AblateRun) float64 { return r.Took })
	values := make([]float64, len(s.Runs))
	for i, r := range s.Runs {
		values[i] = float64(r.net())
	}
	s.NetP, s.NetHolm = Number(stats.MeanTest(values)), Number(math.NaN())
}

// net is how many more held-out answers are right.
func (r AblateRun) net() int { return r.HeldOut.Fixed - r.HeldOut.Broke }

// gainShare is how many more answers are right, as a share of all.
func gainShare(c evaluate.Counts) float64 { return float64(c.After-c.Before) / float64(c.Total) }

// correct sets the p-values, corrected by Holm's method for how many of them are
// defined.
func correct(values, corrected []*Number) {
	var p []float64
	var to []*Number
	for i, v := range values {
		if !math.IsNaN(float64(*v)) {
			p, to = append(p, float64(*v)), append(to, corrected[i])
		}
	}
	for i, c := range stats.Holm(p) {
		*to[i] = Number(c)
	}
}

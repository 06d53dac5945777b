package experiment

import (
	"cmp"
	"math"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/evaluate"
)

// Overlap is how far patches invert the same bits.
type Overlap struct {
	Members []int  `json:"members"`
	Shared  uint64 `json:"shared"` // bits that two or more of them invert
	Union   uint64 `json:"union"`  // bits that at least one inverts
	Bits    uint64 `json:"bits"`   // bits that all of them together invert
}

// overlaps are those of every pair and, of three or more patches, of all.
func overlaps(m *engine.Model, patches []*bankai.Patch) (all []Overlap, err error) {
	for _, members := range combinations(len(patches))[len(patches):] {
		o := Overlap{Members: members}
		var some []*bankai.Patch
		for _, i := range members {
			some = append(some, patches[i])
		}
		if o.Union, err = coveredBits(m, 1, some...); err != nil {
			return nil, err
		}
		if o.Shared, err = coveredBits(m, 2, some...); err != nil {
			return nil, err
		}
		sum, err := xorOf(m, some...)
		if err != nil {
			return nil, err
		}
		o.Bits, _ = sum.Bits()
		all = append(all, o)
	}
	return all, nil
}

// Interference is how far patches together do something else than each does
// alone: of every probe, the gain of seq_logprob together less the sum of the
// gains alone.
type Interference struct {
	Members    []int    `json:"members"`
	Mean       Estimate `json:"mean"`        // nats
	FixedAlone int      `json:"fixed_alone"` // wrong answers that at least one fixes alone
	Lost       int      `json:"lost"`        // of those, still wrong together
	FixedJoint int      `json:"fixed_joint"` // wrong answers fixed together that none fixes alone
	BrokeJoint int      `json:"broke_joint"` // right answers broken together that none breaks alone
}

// Interfered is one probe under all patches together.
type Interfered struct {
	Set          string  `json:"set"`
	Name         string  `json:"name"`
	Prompt       string  `json:"prompt"`
	Sum          float64 `json:"sum"`          // of the gains alone, nats
	Together     float64 `json:"together"`     // gain
	Interference float64 `json:"interference"` // Together − Sum
}

// interfere compares together with alone. The measurements are those of the
// base and of each combination.
func (s *Stack) interfere(by []*evaluate.Measurement) {
	n := len(s.Patches)
	for c, combination := range s.Combinations[n:] {
		together := by[1+n+c]
		i := Interference{Members: combination.Members}
		var values []float64
		for k := range by[0].Right {
			sum, fixed, broke := alone(by, combination.Members, k)
			values = append(values, together.SeqLogprob[k]-by[0].SeqLogprob[k]-sum)
			was, is := by[0].Right[k], together.Right[k]
			i.FixedAlone += one(fixed)
			i.Lost += one(fixed && !is)
			i.FixedJoint += one(!was && is && !fixed)
			i.BrokeJoint += one(was && !is && !broke)
		}
		i.Mean = MeanOf(values)
		s.Interference = append(s.Interference, i)
	}
	last := len(by) - 1 // all together
	for k, g := range s.Generated.Answers {
		sum, _, _ := alone(by, allOf(n), k)
		together := by[last].SeqLogprob[k] - by[0].SeqLogprob[k]
		s.Probes = append(s.Probes, Interfered{g.Set, g.Name, g.Prompt, sum, together, together - sum})
	}
	slices.SortStableFunc(s.Probes, func(a, b Interfered) int {
		return cmp.Compare(math.Abs(b.Interference), math.Abs(a.Interference))
	})
}

// alone is what some patches do to a probe, each alone: the sum of their gains,
// and whether one of them fixes or breaks the answer.
func alone(by []*evaluate.Measurement, members []int, probe int) (sum float64, fixed, broke bool) {
	was := by[0]
	for _, m := range members {
		is := by[1+m]
		sum += is.SeqLogprob[probe] - was.SeqLogprob[probe]
		fixed = fixed || is.Right[probe] && !was.Right[probe]
		broke = broke || was.Right[probe] && !is.Right[probe]
	}
	return sum, fixed, broke
}

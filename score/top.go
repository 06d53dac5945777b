package score

import (
	"cmp"
	"slices"

	"bankai"
	"bankai/search"
)

// top keeps the n highest predictions; of equal ones, the first.
type top struct {
	n     int
	list  []search.Prediction
	worst float64 // of a full list: what does not exceed it is not kept
	full  bool
}

// add takes a prediction in. It keeps a list of up to twice n, so that a sort pays
// for n of them.
func (t *top) add(flip bankai.Flip, fitness float64) {
	if t.n == 0 || fitness != fitness || t.full && fitness <= t.worst {
		return
	}
	if t.list = append(t.list, search.Prediction{Flip: flip, Fitness: fitness}); len(t.list) >= 2*t.n {
		t.list = t.sorted()
		t.worst, t.full = t.list[t.n-1].Fitness, true
	}
}

// sorted are the n highest, the highest first.
func (t *top) sorted() []search.Prediction {
	slices.SortStableFunc(t.list, func(a, b search.Prediction) int { return cmp.Compare(b.Fitness, a.Fitness) })
	return t.list[:min(t.n, len(t.list))]
}

package score

import (
	"context"
	"math"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/search"
)

// predictionCost is the cost of a gradient in passes over all questions: one
// forward, two back.
const predictionCost = 3

// Predict implements Predictor by one forward and one backward pass, layer by
// layer from the top, so that only one layer's sums are held at a time. To first
// order in what a flip changes at its own site, and exactly through SwiGLU, it
// predicts the change of every item's value by every row and group, then applies
// the fitness to the predicted values: so a control costs only what it loses. Of
// bits, which are many and change little, the fitness itself is derived.
//
// The sums are those of [Block] after block, in their order, so that they have the same
// bits wherever the blocks are measured. Predictions of bits are made here in any case: a
// block would have to send a float for every weight. So are those of so many groups that
// sending what all blocks say of them would take longer than making them: see mostEffects.
func (e *Evaluator) Predict(ctx context.Context, cur *bankai.Patch, w search.Want) (f search.Predictions, cost float64, err error) {
	whole := e
	whole.mu.Lock()
	defer whole.mu.Unlock()
	e, err = e.part(w.Sample)
	if err != nil {
		return f, 0, err
	}
	sites := e.sites(w, cur.Flips())
	if m := whole.divided; m != nil && !sites.bits() && e.effectBytes(sites) <= mostEffects {
		f, err = e.predictThere(ctx, m, cur, w, sites)
		return f, e.predictionCost(sites), err
	}
	if whole.divided != nil && whole.halve() {
		if e, err = whole.part(w.Sample); err != nil {
			return f, 0, err
		}
	}
	err = e.on(ctx, cur, func() error {
		now := e.answered()
		r := newRanking(e, w, sites, now)
		d := newDerivation(e, sites, e.blocks(), now, r.add)
		d.gradient = e.gradient(now)
		d.matrixDone = r.finish
		if err := d.run(ctx); err != nil {
			return err
		}
		f = r.predictions(w)
		return nil
	})
	return f, e.predictionCost(sites), err
}

// predictionCost is what predictions of some matrices take, in forward-pass equivalents.
func (e *Evaluator) predictionCost(s sites) float64 {
	return float64(predictionCost * e.cost(e.all, s.lowest(e)))
}

// sites are the matrices of which predictions are made, by name.
type sites map[string]*site

// site is a matrix while what its flips change is added up.
type site struct {
	search.Matrix
	wanted [search.Granularities]bool
	held   []bankai.Flip
	asked  []bankai.Flip
}

// sites are those that a wish is about, on a patch of some flips.
func (e *Evaluator) sites(w search.Want, flips []bankai.Flip) sites {
	s := sites{}
	for size, n := range w.Best {
		for _, m := range w.Matrices {
			if n > 0 {
				s.of(m).wanted[size] = true
			}
		}
	}
	if !w.Held {
		flips = nil
	}
	for i, f := range slices.Concat(flips, w.Flips) {
		m, ok := e.matrix(f.Tensor)
		if !ok { // the embedding or the head, where predictions do not reach
			continue
		}
		at := s.of(m)
		at.wanted[search.GranularityOf(f)] = true
		if i < len(flips) {
			at.held = append(at.held, f)
		} else {
			at.asked = append(at.asked, f)
		}
	}
	return s
}

func (s sites) of(m search.Matrix) *site {
	if s[m.Name] == nil {
		s[m.Name] = &site{Matrix: m}
	}
	return s[m.Name]
}

// bits reports whether bits are among what is wanted.
func (s sites) bits() bool {
	for _, at := range s {
		if at.wanted[search.Bit] {
			return true
		}
	}
	return false
}

// mostEffects is the most bytes that blocks send of one prediction: 1 GiB, which is a minute
// and a half at 100 Mbit/s.
const mostEffects = 1 << 30

// effectBytes is how much all blocks of an evaluator's questions say of the flips of s.
func (e *Evaluator) effectBytes(s sites) (bytes int64) {
	columns, _, _ := e.columns()
	for _, flips := range s.subjects() {
		bytes += 4 * int64(columns) * int64(flips)
	}
	return bytes * int64(len(e.division().ends))
}

// subjects are what effects are said about, with the number of flips of each.
func (s sites) subjects() map[Subject]int {
	all := map[Subject]int{}
	for name, at := range s {
		for size, wanted := range at.wanted {
			if wanted {
				all[Subject{name, search.Granularity(size)}] = at.flips(search.Granularity(size))
			}
		}
	}
	return all
}

// lowest is the cut below all of them.
func (s sites) lowest(e *Evaluator) engine.Cut {
	var lowest engine.Cut = math.MaxInt
	for name := range s {
		lowest = min(lowest, e.model.CutBelow(name))
	}
	return lowest
}

// flips is how many flips of a size a matrix has. Those of groups are numbered by the
// group, then the row.
func (s *site) flips(size search.Granularity) int {
	if size == search.Group {
		return s.Rows * s.Groups
	}
	return s.Rows
}

// ranking adds up what blocks say of flips, and ranks these once all of a matrix is
// said.
type ranking struct {
	e         *Evaluator
	estimator estimator
	sites     sites
	totals    map[string]*[search.Granularities]totals

	best  [search.Granularities]top
	held  []search.Prediction
	flips map[bankai.Flip]float64 // of those asked for
}

func newRanking(e *Evaluator, w search.Want, s sites, now []float64) *ranking {
	r := &ranking{
		e: e, estimator: newEstimator(e, e.split(now)), sites: s,
		totals: map[string]*[search.Granularities]totals{}, flips: map[bankai.Flip]float64{},
	}
	for size, n := range w.Best {
		r.best[size].n = n
	}
	return r
}

// add takes in what a block says. Blocks come in their order.
func (r *ranking) add(said Effects) error {
	all := r.totals[said.Tensor]
	if all == nil {
		all = new([search.Granularities]totals)
		r.totals[said.Tensor] = all
	}
	if all[said.Size] == nil {
		all[said.Size] = r.e.newTotals(r.sites[said.Tensor].flips(said.Size))
	}
	all[said.Size].add(r.e, said)
	return nil
}

// bitSums are the derivatives of the fitness by the weights of a matrix.
type bitSums struct {
	derivatives []float32             // [row][column]: ∂F/∂ the weight
	weights     func(r int) []float32 // of a row; valid until the next call
}

// finish ranks the flips of a matrix, and lets go of its sums.
func (r *ranking) finish(name string, bits bitSums) {
	s, all := r.sites[name], r.totals[name]
	delete(r.totals, name)
	if all == nil {
		all = new([search.Granularities]totals)
	}
	if s.wanted[search.Row] && r.best[search.Row].n > 0 {
		for row := range s.Rows {
			f := bankai.Flip{Tensor: name, Row: uint32(row), N: bankai.ToEnd}
			r.best[search.Row].add(f, r.estimator.fitness(all[search.Row], row))
		}
	}
	if s.wanted[search.Group] && r.best[search.Group].n > 0 {
		for row := range s.Rows {
			for g := range s.Groups {
				f := bankai.Flip{Tensor: name, Row: uint32(row), Col: uint32(g) * bankai.GroupSize, N: bankai.GroupSize}
				r.best[search.Group].add(f, r.estimator.fitness(all[search.Group], g*s.Rows+row))
			}
		}
	}
	if s.wanted[search.Bit] && r.best[search.Bit].n > 0 {
		r.rankBits(s, bits)
	}
	for _, f := range s.held {
		r.held = append(r.held, search.Prediction{Flip: f, Fitness: r.once(s, all, f, bits)})
	}
	for _, f := range s.asked {
		r.flips[f] = r.once(s, all, f, bits)
	}
}

// rankBits takes in the best weight of every row of a matrix: flipping w changes the
// fitness by −2·w·∂fitness/∂w.
func (r *ranking) rankBits(s *site, bits bitSums) {
	for row := range s.Rows {
		w := bits.weights(row)
		best, at := math.Inf(-1), 0
		for c, derivative := range bits.derivatives[row*len(w):][:len(w)] {
			if f := r.estimator.now - 2*float64(w[c]*derivative); f > best {
				best, at = f, c
			}
		}
		r.best[search.Bit].add(bankai.Flip{Tensor: s.Name, Row: uint32(row), Col: uint32(at), N: 1}, best)
	}
}

// once is the fitness predicted for a patch once a flip is made, be it that it is taken
// out.
func (r *ranking) once(s *site, all *[search.Granularities]totals, f bankai.Flip, bits bitSums) float64 {
	row := int(f.Row)
	switch search.GranularityOf(f) {
	case search.Row:
		return r.estimator.fitness(all[search.Row], row)
	case search.Group:
		return r.estimator.fitness(all[search.Group], int(f.Col)/bankai.GroupSize*s.Rows+row)
	}
	w, sum := bits.weights(row), r.estimator.now
	from, end := uint64(f.Col), min(uint64(f.Col)+uint64(f.N), uint64(len(w)))
	for c := from; c < end; c++ {
		sum -= 2 * float64(w[c]*bits.derivatives[row*len(w)+int(c)])
	}
	return sum
}

// predictions are the results, once all matrices were ranked.
func (r *ranking) predictions(w search.Want) search.Predictions {
	var f search.Predictions
	if !w.Sample.All() {
		f.Now = r.estimator.now
	}
	for _, flip := range w.Flips {
		f.Flips = append(f.Flips, search.Prediction{Flip: flip, Fitness: r.flips[flip]})
	}
	for size := range r.best {
		f.Best[size] = slices.Clip(r.best[size].sorted())
	}
	held := top{n: len(r.held), list: r.held}
	f.Held = held.sorted()
	return f
}

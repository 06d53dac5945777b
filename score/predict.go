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
func (e *Evaluator) Predict(ctx context.Context, cur *bankai.Patch, w search.Want) (f search.Predictions, cost float64, err error) {
	whole := e
	whole.mu.Lock()
	defer whole.mu.Unlock()
	e, err = e.part(w.Sample)
	if err != nil {
		return f, 0, err
	}
	err = e.on(ctx, cur, func() error {
		p := newPredictor(e, w, cur.Flips())
		cost = float64(predictionCost * e.cost(e.all, p.lowest))
		if err := e.trunk.Gradient(ctx, e.weightings(e.trunk.Answers()), p.lowest, p.visit); err != nil {
			return err
		}
		f = p.predictions(w)
		return nil
	})
	return f, cost, err
}

// predictor adds up, layer by layer, what flips change, and ranks them.
type predictor struct {
	e         *Evaluator
	estimator estimator
	lowest    engine.Cut

	tensors  map[string]*site
	best     [search.Granularities]top
	held     []search.Prediction
	flips    map[bankai.Flip]float64 // of those asked for
	slots    []int                   // of every token of some questions
	weights  []float32               // of every token of some questions, for bits
	gradient []float64               // ∂fitness/∂ weight·value of every question
	row      []float32
}

// site is a matrix while its flips are summed up.
type site struct {
	search.Matrix
	wanted [search.Granularities]bool
	held   []bankai.Flip
	asked  []bankai.Flip
	rows   []float32 // [slot][row]
	groups []float32 // [slot][group][row]
	bits   []float32 // [row][column]: ∂fitness/∂ the weight
}

func newPredictor(e *Evaluator, w search.Want, flips []bankai.Flip) *predictor {
	now := e.answered()
	p := &predictor{e: e, estimator: newEstimator(e, e.split(now)), tensors: map[string]*site{}, gradient: e.gradient(now)}
	for size, n := range w.Best {
		p.best[size].n = n
		for _, m := range w.Matrices {
			if n > 0 {
				p.site(m).wanted[size] = true
			}
		}
	}
	if w.Held {
		for _, f := range flips {
			m, ok := e.matrix(f.Tensor)
			if !ok { // the embedding or the head, where predictions do not reach
				continue
			}
			s := p.site(m)
			s.held = append(s.held, f)
			s.wanted[search.GranularityOf(f)] = true
		}
	}
	p.flips = map[bankai.Flip]float64{}
	for _, f := range w.Flips {
		m, ok := e.matrix(f.Tensor)
		if !ok {
			continue
		}
		s := p.site(m)
		s.asked = append(s.asked, f)
		s.wanted[search.GranularityOf(f)] = true
	}
	p.lowest = math.MaxInt
	for name := range p.tensors {
		p.lowest = min(p.lowest, e.model.CutBelow(name))
	}
	return p
}

func (p *predictor) site(m search.Matrix) *site {
	if p.tensors[m.Name] == nil {
		p.tensors[m.Name] = &site{Matrix: m}
	}
	return p.tensors[m.Name]
}

// visit adds what one layer says of some questions.
func (p *predictor) visit(l *engine.LayerGradient) error {
	p.slots, p.weights = p.slots[:0], p.weights[:0]
	for _, q := range l.Questions {
		p.slots = append(p.slots, p.estimator.slot[q])
		p.weights = append(p.weights, float32(p.gradient[q]))
	}
	for k, proj := range l.Projections {
		s := p.tensors[proj.Tensor]
		if s == nil {
			continue
		}
		n := p.estimator.slots * s.Rows
		if s.wanted[search.Row] {
			s.rows = sized(s.rows, n)
			l.AddEffects(k, engine.WholeRow, p.slots, s.rows)
		}
		if s.wanted[search.Group] {
			s.groups = sized(s.groups, n*s.Groups)
			for g := range s.Groups {
				l.AddEffects(k, g, p.slots, s.groups[g*n:][:n])
			}
		}
		if s.wanted[search.Bit] {
			s.bits = sized(s.bits, s.Rows*s.Groups*bankai.GroupSize)
			l.AddOuter(k, 0, s.Rows, p.weights, s.bits)
		}
		if l.Last {
			p.finish(s, func(r int) []float32 {
				p.row = slices.Grow(p.row[:0], s.Groups*bankai.GroupSize)[:s.Groups*bankai.GroupSize]
				l.Weights(k, r, p.row)
				return p.row
			})
		}
	}
	return nil
}

// sized is s, or n zeros if that is nil.
func sized(s []float32, n int) []float32 {
	if s == nil {
		s = make([]float32, n)
	}
	return s
}

// finish ranks the flips of a matrix and lets go of its sums. weights gives the
// weights of a row.
func (p *predictor) finish(s *site, weights func(r int) []float32) {
	if s.wanted[search.Row] && p.best[search.Row].n > 0 {
		for r := range s.Rows {
			f := bankai.Flip{Tensor: s.Name, Row: uint32(r), N: bankai.ToEnd}
			p.best[search.Row].add(f, p.estimator.fitness(s.rows[r:], s.Rows))
		}
	}
	if s.wanted[search.Group] && p.best[search.Group].n > 0 {
		for r := range s.Rows {
			for g := range s.Groups {
				f := bankai.Flip{Tensor: s.Name, Row: uint32(r), Col: uint32(g) * bankai.GroupSize, N: bankai.GroupSize}
				p.best[search.Group].add(f, p.ofGroup(s, r, g))
			}
		}
	}
	if s.wanted[search.Bit] && p.best[search.Bit].n > 0 {
		p.rankBits(s, weights)
	}
	for _, f := range s.held {
		p.held = append(p.held, search.Prediction{Flip: f, Fitness: p.without(s, f, weights)})
	}
	for _, f := range s.asked {
		p.flips[f] = p.without(s, f, weights)
	}
	s.rows, s.groups, s.bits = nil, nil, nil
}

func (p *predictor) ofGroup(s *site, r, g int) float64 {
	return p.estimator.fitness(s.groups[g*p.estimator.slots*s.Rows+r:], s.Rows)
}

// rankBits takes in every weight of a matrix: flipping w changes the fitness by
// −2·w·∂fitness/∂w.
func (p *predictor) rankBits(s *site, weights func(r int) []float32) {
	t, from := &p.best[search.Bit], p.estimator.now
	for r := range s.Rows {
		w := weights(r)
		for c, derivative := range s.bits[r*len(w):][:len(w)] {
			if f := from - 2*float64(w[c]*derivative); !t.full || f > t.worst {
				t.add(bankai.Flip{Tensor: s.Name, Row: uint32(r), Col: uint32(c), N: 1}, f)
			}
		}
	}
}

// without is the fitness predicted for a patch that loses one of its flips.
func (p *predictor) without(s *site, f bankai.Flip, weights func(r int) []float32) float64 {
	row := int(f.Row)
	switch search.GranularityOf(f) {
	case search.Row:
		return p.estimator.fitness(s.rows[row:], s.Rows)
	case search.Group:
		return p.ofGroup(s, row, int(f.Col)/bankai.GroupSize)
	}
	w, sum := weights(row), p.estimator.now
	from, end := uint64(f.Col), min(uint64(f.Col)+uint64(f.N), uint64(len(w)))
	for c := from; c < end; c++ {
		sum -= 2 * float64(w[c]*s.bits[row*len(w)+int(c)])
	}
	return sum
}

// predictions are the results, once all layers were visited.
func (p *predictor) predictions(w search.Want) search.Predictions {
	var f search.Predictions
	if !w.Sample.All() {
		f.Now = p.estimator.now
	}
	for _, flip := range w.Flips {
		f.Flips = append(f.Flips, search.Prediction{Flip: flip, Fitness: p.flips[flip]})
	}
	for size := range p.best {
		f.Best[size] = slices.Clip(p.best[size].sorted())
	}
	held := top{n: len(p.held), list: p.held}
	f.Held = held.sorted()
	return f
}

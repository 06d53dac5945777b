package search

import (
	"context"
	"math"
	"slices"

	"bankai"
	"bankai/engine"
)

// forecastCost is the cost of a gradient in passes over all questions: one
// forward, two back.
const forecastCost = 3

// Forecast implements Forecaster by one forward and one backward pass, layer by
// layer from the top, so that only one layer's sums are held at a time. To first
// order in what a flip changes at its own site, and exactly through SwiGLU, it
// predicts the change of every probe's metric by every row and group, then applies
// the fitness to the predicted values: so a control costs only what it loses. Of
// bits, which are many and change little, the fitness itself is derived.
func (e *ModelEvaluator) Forecast(ctx context.Context, cur *bankai.Patch, w Want) (f Forecasts, cost float64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	err = e.on(ctx, cur, func() error {
		p := newPredictor(e, w, cur.Flips())
		cost = forecastCost * e.cost(e.all, e.trunk.Start(p.lowest))
		if err := e.trunk.Gradient(ctx, e.weightings(), p.lowest, p.visit); err != nil {
			return err
		}
		f = p.forecasts()
		return nil
	})
	return f, cost, err
}

// weightings are the values of the questions as functions of their answers.
func (e *ModelEvaluator) weightings() []engine.Weighting {
	out := make([]engine.Weighting, len(e.questions))
	for i, q := range e.questions {
		out[i] = q.weighting()
	}
	return out
}

// predictor adds up, layer by layer, what flips change, and ranks them.
type predictor struct {
	e       *ModelEvaluator
	want    Want
	outlook outlook
	lowest  engine.Cut

	tensors map[string]*site
	best    [len(granularityNames)]top
	held    []Forecast
	slots   []int     // of every token of some questions
	weights []float32 // of every token of some questions, for bits
	slopes  []float64 // ∂fitness/∂value of every question
	row     []float32
}

// site is a matrix while its flips are summed up.
type site struct {
	Matrix
	wanted [len(granularityNames)]bool
	held   []bankai.Flip
	rows   []float32 // [slot][row]
	groups []float32 // [slot][group][row]
	bits   []float32 // [row][column]: ∂fitness/∂ the weight
}

func newPredictor(e *ModelEvaluator, w Want, flips []bankai.Flip) *predictor {
	p := &predictor{e: e, want: w, outlook: newOutlook(e, e.split(e.answered())), tensors: map[string]*site{}, slopes: e.slopes()}
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
			s.wanted[granularityOf(f)] = true
		}
	}
	p.lowest = math.MaxInt
	for name := range p.tensors {
		p.lowest = min(p.lowest, e.model.CutBelow(name))
	}
	return p
}

func (p *predictor) site(m Matrix) *site {
	if p.tensors[m.Name] == nil {
		p.tensors[m.Name] = &site{Matrix: m}
	}
	return p.tensors[m.Name]
}

// visit adds what one layer says of some questions.
func (p *predictor) visit(l *engine.Slopes) error {
	p.slots, p.weights = p.slots[:0], p.weights[:0]
	for _, q := range l.Questions {
		p.slots = append(p.slots, p.outlook.slot[q])
		p.weights = append(p.weights, float32(p.slopes[q]))
	}
	for k, proj := range l.Projections {
		s := p.tensors[proj.Tensor]
		if s == nil {
			continue
		}
		n := p.outlook.slots * s.Rows
		if s.wanted[Row] {
			s.rows = sized(s.rows, n)
			l.AddEffects(k, engine.WholeRow, p.slots, s.rows)
		}
		if s.wanted[Group] {
			s.groups = sized(s.groups, n*s.Groups)
			for g := range s.Groups {
				l.AddEffects(k, g, p.slots, s.groups[g*n:][:n])
			}
		}
		if s.wanted[Bit] {
			s.bits = sized(s.bits, s.Rows*s.Groups*bankai.GroupSize)
			l.AddOuter(k, p.weights, s.bits)
		}
		if l.Last {
			if err := p.finish(s); err != nil {
				return err
			}
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

// finish ranks the flips of a matrix and lets go of its sums.
func (p *predictor) finish(s *site) error {
	if t := &p.best[Row]; t.n > 0 && s.rows != nil {
		for r := range s.Rows {
			t.add(bankai.Flip{Tensor: s.Name, Row: uint32(r), N: bankai.ToEnd}, p.outlook.fitness(s.rows[r:], s.Rows))
		}
	}
	n := p.outlook.slots * s.Rows
	if t := &p.best[Group]; t.n > 0 && s.groups != nil {
		for r := range s.Rows {
			for g := range s.Groups {
				f := bankai.Flip{Tensor: s.Name, Row: uint32(r), Col: uint32(g) * bankai.GroupSize, N: bankai.GroupSize}
				t.add(f, p.outlook.fitness(s.groups[g*n+r:], s.Rows))
			}
		}
	}
	if t := &p.best[Bit]; t.n > 0 && s.bits != nil {
		if err := p.rankBits(s, t); err != nil {
			return err
		}
	}
	for _, f := range s.held {
		fitness, err := p.without(s, f)
		if err != nil {
			return err
		}
		p.held = append(p.held, Forecast{f, fitness})
	}
	s.rows, s.groups, s.bits = nil, nil, nil
	return nil
}

// rankBits takes in every weight of a matrix: flipping w changes the fitness by
// −2·w·∂fitness/∂w.
func (p *predictor) rankBits(s *site, t *top) error {
	width, from := s.Groups*bankai.GroupSize, p.outlook.now
	for r := range s.Rows {
		w, err := p.weightsOf(s, r)
		if err != nil {
			return err
		}
		for c, slope := range s.bits[r*width:][:width] {
			if f := from - 2*float64(w[c]*slope); !t.full || f > t.worst {
				t.add(bankai.Flip{Tensor: s.Name, Row: uint32(r), Col: uint32(c), N: 1}, f)
			}
		}
	}
	return nil
}

func (p *predictor) weightsOf(s *site, r int) ([]float32, error) {
	if width := s.Groups * bankai.GroupSize; len(p.row) != width {
		p.row = make([]float32, width)
	}
	return p.row, p.e.model.Row(s.Name, r, p.row)
}

// without is the fitness predicted for a patch that loses one of its flips.
func (p *predictor) without(s *site, f bankai.Flip) (float64, error) {
	row := int(f.Row)
	switch granularityOf(f) {
	case Row:
		return p.outlook.fitness(s.rows[row:], s.Rows), nil
	case Group:
		n := p.outlook.slots * s.Rows
		return p.outlook.fitness(s.groups[int(f.Col)/bankai.GroupSize*n+row:], s.Rows), nil
	}
	w, err := p.weightsOf(s, row)
	sum := p.outlook.now
	for c := f.Col; c < f.Col+f.N && err == nil; c++ {
		sum -= 2 * float64(w[c]*s.bits[row*len(w)+int(c)])
	}
	return sum, err
}

// forecasts are the results, once all layers were visited.
func (p *predictor) forecasts() Forecasts {
	var f Forecasts
	for size := range p.best {
		f.Best[size] = slices.Clip(p.best[size].sorted())
	}
	held := top{n: len(p.held), list: p.held}
	f.Held = held.sorted()
	return f
}

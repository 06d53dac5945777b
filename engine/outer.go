package engine

import "bankai/internal/kernel"

// Blocks of the outer products: x of outerTokens tokens and outerCols columns
// stays in the first cache (16 KiB) while outerRows rows are added to; the
// derivatives of those, for a wave of tokens, stay in the second.
const (
	outerRows   = 64
	outerCols   = 64
	outerTokens = 64
)

// AddOuter adds Σ_t weight[t]·∂F/∂y[t, r]·x[t, j] to acc[(r−lo)·columns+j] for the
// rows [lo, hi) of projection k and every column j: the derivative, by each weight of
// those rows, of the sum of F that has the given weight for each row t of the
// slopes. Terms float32(float32(weight·∂F/∂y)·x) are added one by one in the order
// of t, so acc ends with the same bits however tokens come in waves; a row of
// weight 0 is left out.
func (s *Slopes) AddOuter(k, lo, hi int, weight, acc []float32) {
	o := &s.g.outer
	o.begin(s, s.Projections[k], weight)
	if len(o.at) == 0 {
		return
	}
	team := s.g.b.team
	team.run(o.cols/outerCols, 1, func(_, first, end int) {
		for c := first; c < end; c++ {
			o.pack(c)
		}
	})
	team.run(hi-lo, outerRows, func(worker, first, end int) {
		for r := first; r < end; r += outerRows {
			rows := min(outerRows, end-r)
			o.add(s.g.m.kernel, acc[r*o.cols:(r+rows)*o.cols], o.scaled(worker, lo+r, rows))
		}
	})
}

// outer is the memory of outer products.
type outer struct {
	y      Projection
	cols   int
	at     []int       // rows of the slopes that have a weight
	weight []float32   // theirs
	x      []float32   // their x: [block of columns][of at][outerCols]
	p      [][]float32 // per worker: weight·∂F/∂y, [outerRows][of at]
}

func (o *outer) begin(s *Slopes, y Projection, weight []float32) {
	o.y, o.cols = y, len(y.X)/len(s.Questions)
	o.at, o.weight = o.at[:0], o.weight[:0]
	for t, w := range weight {
		if w != 0 {
			o.at, o.weight = append(o.at, t), append(o.weight, w)
		}
	}
	o.x = resize(o.x, len(o.at)*o.cols)
	if o.p == nil {
		o.p = make([][]float32, s.g.m.workers)
	}
}

// pack puts a block of columns of x together.
func (o *outer) pack(block int) {
	n := len(o.at)
	for i, t := range o.at {
		copy(o.x[(block*n+i)*outerCols:][:outerCols], o.y.X[t*o.cols+block*outerCols:])
	}
}

// scaled are the weighted derivatives by n rows of y, from the r-th.
func (o *outer) scaled(worker, r, n int) []float32 {
	o.p[worker] = resize(o.p[worker], outerRows*len(o.at))
	p, rows := o.p[worker], len(o.y.DY)/(len(o.y.X)/o.cols)
	for i, t := range o.at {
		w := o.weight[i]
		for j, d := range o.y.DY[t*rows+r:][:n] {
			p[j*len(o.at)+i] = w * d
		}
	}
	return p
}

// add adds the products of p and x to some rows.
func (o *outer) add(k *kernel.Set, rows, p []float32) {
	n := len(o.at)
	for c := 0; c < o.cols; c += outerCols {
		for t := 0; t < n; t += outerTokens {
			end := min(t+outerTokens, n)
			x := o.x[c*n+t*outerCols : c*n+end*outerCols]
			for i := range len(rows) / o.cols {
				k.WeightedSum(rows[i*o.cols+c:][:outerCols], p[i*n+t:i*n+end], x)
			}
		}
	}
}

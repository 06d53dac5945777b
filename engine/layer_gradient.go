package engine

import "bankai/internal/kernel"

// LayerGradient is the gradient at one layer's MLP, or at its attention or delta-net, for
// the tokens of some questions. Every row belongs to one token, and so to one question and its F.
// It and its methods are for the call of visit that gets them, and for one
// goroutine at a time.
type LayerGradient struct {
	Layer       int
	Last        bool         // no other tokens follow there
	Questions   []int        // of every row, ascending
	Projections []Projection // gate, up and down; q, k, v and o; qkv, z, alpha and beta if they have bits, and out

	// Hidden is h = silu(gate)·up, the input of down, with ∂F/∂h: [tokens, FFN];
	// nil elsewhere.
	Hidden, DHidden []float32

	g         *gradient
	behind    []behind  // by projection; nil: all are as the zero value says
	quantized []float32 // the x that the batch's acts hold
}

// Projection is a matrix product y = W·x with ∂F/∂y. In fast precision x is what
// was then quantised to int8, and the derivatives are those of the function
// without that rounding, computed from int8 themselves. The y of down, o and out
// are differences of the residual stream.
type Projection struct {
	Tensor string
	X      []float32 // [tokens, columns]
	Y      []float32 // [tokens, rows]
	DY     []float32 // [tokens, rows]
}

// Answers are the scores of question q, one of Questions: known before anything of it
// is derived, so that its weight may depend on them.
func (s *LayerGradient) Answers(q int) []Answer { return s.g.answers[q] }

// Partial writes to dst what one group of columns contributes to the y of
// projection k: W[:, group]·x[:, group], [tokens, rows], in the model's precision.
// The y of down, o and out, as differences of the residual stream, are rounded to its
// size. Nothing is written that depends on other tokens.
func (s *LayerGradient) Partial(k, group int, dst []float32) {
	g, x := s.g, s.Projections[k].X
	w := g.m.matrices[s.Projections[k].Tensor]
	if len(s.quantized) == 0 || &s.quantized[0] != &x[0] {
		g.m.kernel.Reset(&g.b.acts, len(s.Questions), w.Cols, g.m.exact)
		g.b.each(len(s.Questions), func(_, t int) { g.m.kernel.SetToken(&g.b.acts, t, head(x, t, w.Cols)) })
		s.quantized = x
	}
	g.b.team.run(w.Tiles(), partialTiles, func(_, lo, hi int) {
		g.m.kernel.MatMulGroup(dst, w.Rows, w, &g.b.acts, group, lo, hi)
	})
}

// partialTiles is the number of tiles that a worker multiplies at a time.
const partialTiles = 16

// WholeRow as a group means all columns of a row.
const WholeRow = -1

// effectRows is the number of rows of a projection that a worker derives at a time.
const effectRows = 64

// AddEffects adds, for every row t of the gradient, what flipping row r of projection k
// would change F by: to sums[slots[t]·rows+r], in the order of t. Only the columns of
// one group are flipped, unless group is [WholeRow]. A negative slot leaves t out.
//
// That is the first-order change in what the flip does at its own site: y_r becomes
// y_r − 2·p_r, p being the flipped columns' part of y, so F changes by −2·p·∂F/∂y.
// Where a function of y_r alone follows that is far from linear, it is the first-order
// change in that function's value, which changes by a known amount: in silu of the gate
// of an MLP, of the queries, keys and values of a delta-net behind their convolution,
// and of its z; in the σ of its beta and of attention's gates; and in the decay that
// alpha makes.
func (s *LayerGradient) AddEffects(k, group int, slots []int, sums []float32) {
	g, p := s.g, s.Projections[k]
	rows := len(p.Y) / len(s.Questions)
	part := p.Y
	if group != WholeRow {
		g.effect = resize(g.effect, len(p.Y))
		part = g.effect
		s.Partial(k, group, part)
	}
	var b behind
	if s.behind != nil {
		b = s.behind[k]
	}
	if b.enter != nil {
		part = b.enter(part)
	}
	if b.add == nil {
		b.add = linear(p.DY)
	}
	g.b.team.run(rows, effectRows, func(worker, lo, end int) {
		for ; lo < end; lo += effectRows {
			n := min(effectRows, end-lo)
			for t, slot := range slots {
				if slot >= 0 {
					at := t*rows + lo
					b.add(worker, lo, at, part[at:at+n], sums[slot*rows+lo:][:n])
				}
			}
		}
	})
}

// behind is how the outputs of a projection act on F. The zero value says that ∂F/∂y is
// all that counts.
type behind struct {
	// enter is what parts of all outputs come to where a function takes them, linear as
	// they go there; nil: they do not change.
	enter func(part []float32) []float32
	// add adds to sum what F changes by if twice these parts are taken off: those of rows
	// from row on, at places of the gradient from at on.
	add func(worker, row, at int, part, sum []float32)
}

// linear adds what ∂F/∂y says.
func linear(dy []float32) func(worker, row, at int, part, sum []float32) {
	return func(_, _, at int, part, sum []float32) {
		for i, d := range dy[at : at+len(part)] {
			sum[i] -= 2 * float32(d*part[i])
		}
	}
}

// swiglu adds what changes of gate do to h = silu(gate)·up, given ∂F/∂h. No up stands
// for ones.
func (g *gradient) swiglu(gate, up, h, dh []float32) func(worker, row, at int, part, sum []float32) {
	return func(worker, _, at int, part, sum []float32) {
		n := len(part)
		flipped := g.rows[worker][:2*n]
		for i, p := range part {
			flipped[n+i] = gate[at+i] - 2*p
		}
		times := g.delta.ones
		if up != nil {
			times = up[at:]
		}
		g.m.kernel.SwiGLU(flipped[:n], flipped[n:], times[:n])
		for i, d := range dh[at : at+n] {
			sum[i] += float32(d * (flipped[i] - h[at+i]))
		}
	}
}

// Weights writes row r of projection k's matrix to dst, as it is patched in place.
func (s *LayerGradient) Weights(k, r int, dst []float32) {
	s.g.m.matrices[s.Projections[k].Tensor].Row(dst, r)
}

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
// gradient. Terms float32(float32(weight·∂F/∂y)·x) are added one by one in the order
// of t, so acc ends with the same bits however tokens come in waves; a row of
// weight 0 is left out.
func (s *LayerGradient) AddOuter(k, lo, hi int, weight, acc []float32) {
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
	at     []int       // rows of the gradient that have a weight
	weight []float32   // theirs
	x      []float32   // their x: [block of columns][of at][outerCols]
	p      [][]float32 // per worker: weight·∂F/∂y, [outerRows][of at]
}

func (o *outer) begin(s *LayerGradient, y Projection, weight []float32) {
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

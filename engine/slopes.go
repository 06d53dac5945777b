package engine

// Slopes are derivatives at one layer's MLP or attention, for the tokens of some
// questions. Every row belongs to one token, and so to one question and its F.
// They and their methods are for the call of visit that gets them, and for one
// goroutine at a time.
type Slopes struct {
	Layer       int
	Last        bool         // no other tokens follow at this MLP or attention
	Questions   []int        // of every row, ascending
	Projections []Projection // gate, up and down; or q, k, v and o

	// Hidden is h = silu(gate)·up, the input of down, with ∂F/∂h: [tokens, FFN];
	// nil at an attention.
	Hidden, DHidden []float32

	g         *gradient
	quantized []float32 // the x that the batch's acts hold
}

// Projection is a matrix product y = W·x with ∂F/∂y. In fast precision x is what
// was then quantised to int8, and the derivatives are those of the function
// without that rounding, computed from int8 themselves. The y of down and o are
// differences of the residual stream.
type Projection struct {
	Tensor string
	X      []float32 // [tokens, columns]
	Y      []float32 // [tokens, rows]
	DY     []float32 // [tokens, rows]
}

// Answers are the scores of question q, one of Questions: known before anything of it
// is derived, so that its weight may depend on them.
func (s *Slopes) Answers(q int) []Answer { return s.g.answers[q] }

// Partial writes to dst what one group of columns contributes to the y of
// projection k: W[:, group]·x[:, group], [tokens, rows], in the model's precision.
// The y of down and o, as differences of the residual stream, are rounded to its
// size. Nothing is written that depends on other tokens.
func (s *Slopes) Partial(k, group int, dst []float32) {
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

package kernel

import "sync"

const (
	// RowGroup is the number of rows whose gradients share one int8 scale in
	// the transposed product.
	RowGroup = 128
	// transposeTokens is the number of tokens that are done at once.
	transposeTokens = 4
)

// MatMulT writes the product with the transposed matrix, dx = wᵀ·dy: for every
// token t < tokens and the columns of the groups [group0, group1) of GroupSize,
//
//	dx[t, c] = Σ_r w[r, c]·dy[t, r].
//
// If y = w·x, and dy is the gradient of a loss with respect to y, dx is that
// with respect to x. dy is row-major [tokens, w.Rows] and finite, dx is
// row-major [tokens, w.Cols]; neither is kept. A result depends only on its own
// token and column, so any split of the groups over threads and any batch gives
// the same bits.
//
// In exact precision a sum adds float32(dy[t, r]·w[r, c]) in the order of r. In
// fast precision, dy times the scale of its row is quantised to int8 with one
// scale for RowGroup rows, and the sums over those are exact. The error of dx is
// then about 0.6% of its size if dy is normal and the scales of a column group are
// alike, and 1% if they spread over a factor of 64.
func (s *Set) MatMulT(dx []float32, w *Matrix, dy []float32, tokens int, exact bool, group0, group1 int) {
	for g := group0; g < group1; g++ {
		for t := range tokens {
			clear(dx[t*w.Cols+g*GroupSize:][:GroupSize])
		}
		if exact {
			s.transposeExact(dx, w, dy, tokens, g)
		} else {
			s.transpose.fast(dx, w, dy, tokens, g)
		}
	}
}

// transposer adds the transposed product in fast precision to the columns of group g.
type transposer interface {
	fast(dx []float32, w *Matrix, dy []float32, tokens, g int)
}

// transposeFunc is a transposer in plain Go.
type transposeFunc func(dx []float32, w *Matrix, dy []float32, tokens, g int)

func (f transposeFunc) fast(dx []float32, w *Matrix, dy []float32, tokens, g int) {
	f(dx, w, dy, tokens, g)
}

// expandRows is the number of rows whose weights are floats at a time: a multiple of
// the rows of every layout's tile.
const expandRows = 64

// floatPool holds those of one column group.
var floatPool = sync.Pool{New: func() any { return new([expandRows * GroupSize]float32) }}

// transposeExact adds to the columns of group g the rows of a few tiles after the
// other, as floats.
func (s *Set) transposeExact(dx []float32, w *Matrix, dy []float32, tokens, g int) {
	rows := floatPool.Get().(*[expandRows * GroupSize]float32)
	defer floatPool.Put(rows)
	tileRows := w.layout.rows
	for r := 0; r < w.Rows; r += expandRows {
		n := min(expandRows, w.Rows-r)
		for i := 0; i < n; i += tileRows {
			s.expand(rows[i*GroupSize:][:tileRows*GroupSize], w, (r+i)/tileRows, g)
		}
		for t := range tokens {
			s.weightedSum(dx[t*w.Cols+g*GroupSize:][:GroupSize], dy[t*w.Rows+r:][:n], rows[:n*GroupSize])
		}
	}
}

// rowBlock is the working memory of transposeKernels: one row group of one
// column group, with transposeTokens tokens.
type rowBlock struct {
	bits  [RowGroup * GroupSize / 8]byte // in an order of the set's own
	d     [RowGroup]float32              // the rows' scales
	q     [transposeTokens * RowGroup]int8
	scale [transposeTokens]float32
	sum   [transposeTokens]int32 // Σq

	// Copies where there are fewer tokens or rows than the kernels do.
	dy [transposeTokens * RowGroup]float32
	dx [transposeTokens * GroupSize]float32
}

var rowBlockPool = sync.Pool{New: func() any { return new(rowBlock) }}

// transposeKernels are the three steps of the fast product in assembly. Strides
// are in bytes.
type transposeKernels struct {
	// unpack reorders the bits of a column group of some tiles and converts
	// their scales.
	unpack func(bits *byte, d *float32, tile *byte, stride uintptr, tiles int)
	// quantize makes q, scale and sum of RowGroup gradients of transposeTokens
	// tokens.
	quantize func(q *int8, scale *float32, sum *int32, d, dy *float32, stride uintptr)
	// multiply adds the products to GroupSize columns of transposeTokens tokens.
	multiply multiplyFunc
}

type multiplyFunc func(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)

// fast adds to the columns of group g. All tokens are done for a row group before
// the next, so that the weights are read and reordered once.
func (k *transposeKernels) fast(dx []float32, w *Matrix, dy []float32, tokens, g int) {
	b := rowBlockPool.Get().(*rowBlock)
	defer rowBlockPool.Put(b)
	for r := 0; r < w.Rows; r += RowGroup {
		all := RowGroup / w.layout.rows
		tiles := min(all, w.Tiles()-r/w.layout.rows)
		if tiles < all {
			clear(b.bits[:])
			clear(b.d[:])
		}
		group, _ := w.group(r, g)
		k.unpack(&b.bits[0], &b.d[0], &group[0], uintptr(len(w.tile(0))), tiles)
		for t := 0; t < tokens; t += transposeTokens {
			n := min(transposeTokens, tokens-t)
			k.block(b, dx[t*w.Cols+g*GroupSize:], w.Cols, dy[t*w.Rows+r:], w.Rows, n, min(RowGroup, w.Rows-r))
		}
	}
}

// block does one row group of n tokens, whose rows of dx and dy are xstride and
// ystride floats apart.
func (k *transposeKernels) block(b *rowBlock, dx []float32, xstride int, dy []float32, ystride, n, rows int) {
	if n < transposeTokens || rows < RowGroup {
		b.dy = [transposeTokens * RowGroup]float32{}
		for t := range n {
			copy(b.dy[t*RowGroup:], dy[t*ystride:][:rows])
		}
		dy, ystride = b.dy[:], RowGroup
	}
	_ = dy[(transposeTokens-1)*ystride:][:RowGroup] // the kernels check no bounds
	k.quantize(&b.q[0], &b.scale[0], &b.sum[0], &b.d[0], &dy[0], uintptr(4*ystride))
	if n == transposeTokens {
		_ = dx[(n-1)*xstride:][:GroupSize]
		k.multiply(&dx[0], uintptr(4*xstride), &b.bits[0], &b.q[0], &b.scale[0], &b.sum[0])
		return
	}
	for t := range n {
		copy(b.dx[t*GroupSize:][:GroupSize], dx[t*xstride:])
	}
	k.multiply(&b.dx[0], 4*GroupSize, &b.bits[0], &b.q[0], &b.scale[0], &b.sum[0])
	for t := range n {
		copy(dx[t*xstride:], b.dx[t*GroupSize:][:GroupSize])
	}
}

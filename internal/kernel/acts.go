package kernel

// MaxBlock is the largest number of tokens a kernel multiplies at once.
const MaxBlock = 8

// Acts is a batch of activation vectors [Tokens, Cols] in the layout the
// kernels read. Tokens are cut into blocks of 8, 4, 2 and 1; inside a block the
// values of four neighbouring columns (one column in exact precision) lie
// together for all its tokens, so that a kernel reads memory in order.
//
// In fast precision a group of ActGroup values is stored as int8 with one
// scale, q = round(x·127/max|x|), as llama.cpp does for Q8_0; in exact
// precision values stay float32. The a-th of the four groups that share a
// weight's scale has its own scale divided by 2^a and its sum multiplied by it,
// to match the weights of 2·2^a that the kernels make: see Matrix.
type Acts struct {
	Tokens, Cols int
	exact        bool

	q     []int8    // [block][Cols/4][width][4]
	scale []float32 // [block][Cols/ActGroup][width], over 2^a
	nsum  []int32   // −2^a·Σq of the group, same shape
	f     []float32 // [block][Cols][width]

	blocks []block
}

// block is one block of an Acts: tokens [token, token+width).
type block struct {
	token, width int
	q            []int8
	scale        []float32
	nsum         []int32
	f            []float32
}

// actGroups is the number of activation groups to a weight's scale.
const actGroups = GroupSize / ActGroup

// at is where column col of the block's token t lies in q.
func (b *block) at(col, t int) int { return (col/maskCols*b.width+t)*maskCols + col%maskCols }

// group is the part of b that holds the columns of group g.
func (b *block) group(g int) block {
	lo, hi := g*GroupSize*b.width, (g+1)*GroupSize*b.width
	out := block{token: b.token, width: b.width}
	if b.f != nil {
		out.f = b.f[lo:hi]
		return out
	}
	out.q, out.scale, out.nsum = b.q[lo:hi], b.scale[lo/ActGroup:hi/ActGroup], b.nsum[lo/ActGroup:hi/ActGroup]
	return out
}

// Reset makes a hold tokens vectors of cols values, reusing its memory. cols
// must be a multiple of GroupSize. The values are undefined until SetToken.
func (a *Acts) Reset(tokens, cols int, exact bool) {
	a.Tokens, a.Cols, a.exact = tokens, cols, exact
	n := tokens * cols
	if exact {
		a.f = grow(a.f, n)
	} else {
		a.q = grow(a.q, n)
		a.scale = grow(a.scale, n/ActGroup)
		a.nsum = grow(a.nsum, n/ActGroup)
	}
	a.blocks = a.blocks[:0]
	for t, width := 0, MaxBlock; t < tokens; t += width {
		for width > tokens-t {
			width /= 2
		}
		a.blocks = append(a.blocks, a.at(t, width))
	}
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// Blocks is the number of token blocks.
func (a *Acts) Blocks() int { return len(a.blocks) }

// BlockOf returns the number of the block that holds token t.
func (a *Acts) BlockOf(t int) int {
	n := min(t/MaxBlock, len(a.blocks)-1)
	for t >= a.blocks[n].token+a.blocks[n].width {
		n++
	}
	return n
}

func (a *Acts) at(token, width int) block {
	b := block{token: token, width: width}
	lo, hi := token*a.Cols, (token+width)*a.Cols
	if a.exact {
		b.f = a.f[lo:hi]
		return b
	}
	b.q = a.q[lo:hi]
	b.scale = a.scale[lo/ActGroup : hi/ActGroup]
	b.nsum = a.nsum[lo/ActGroup : hi/ActGroup]
	return b
}

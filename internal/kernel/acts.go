package kernel

// MaxBlock is the largest number of tokens that any kernel multiplies at once.
const MaxBlock = 8

// actGroups is the number of activation groups to a weight's scale.
const actGroups = GroupSize / ActGroup

// actsForm is how a set wants the activations of fast precision.
type actsForm int

const (
	// plainActs are int8 and scales as they are.
	plainActs actsForm = iota
	// dotActs fit the weights of 2·2^a that kernels make of the layout dots: the
	// a-th of the four groups that share a weight's scale has its own scale divided
	// by 2^a, and −2^a·Σq beside it.
	dotActs
	// tableActs are tables of sums for the layout tables, in bytes.
	tableActs
	// byteActs are plainActs and, beside a token that is a block of its own, tables of
	// the sums of eight columns.
	byteActs
)

// maxBlock is the largest number of tokens in a block.
func (f actsForm) maxBlock() int {
	if f == tableActs || f == byteActs {
		return 4
	}
	return MaxBlock
}

// Acts is a batch of activation vectors [Tokens, Cols] in the form that the set
// which filled it multiplies. Tokens are cut into blocks of 8, 4, 2 and 1; inside a
// block the values of a few neighbouring columns (one column in exact precision)
// lie together for all its tokens, so that a kernel reads memory in order.
//
// In fast precision a group of ActGroup values is quantised to int8 with one
// scale, q = round(x·127/max|x|), as llama.cpp does for Q8_0; in exact precision
// values stay float32.
type Acts struct {
	Tokens, Cols int
	exact        bool

	q     []int8    // [block][Cols/4][width][4]
	scale []float32 // [block][Cols/ActGroup][width]
	nsum  []int32   // of dotActs, same shape
	table []byte    // of tableActs: [block][Cols/8][width][tableBytes]
	sums  []uint64  // of byteActs: [Cols/8][byteSums], for the block of one token if any
	f     []float32 // [block][Cols][width]

	blocks []block
}

// block is one block of an Acts: tokens [token, token+width). They may be a part of
// the stride tokens that lie together in memory.
type block struct {
	token, width, stride int
	q                    []int8
	scale                []float32
	nsum                 []int32
	table                []byte
	sums                 []uint64
	f                    []float32
}

const (
	// tableCols is the number of columns whose signs share a byte, and tableBytes
	// the size of the tables of their sums Σ±q, one for each half of the byte. A
	// sum plus tableBias is 32·high + low: 16 low parts, then 16 high ones. So the
	// parts of the eight sums of an activation group add up in bytes.
	tableCols  = 8
	tableBytes = 2 * 2 * 16
	tableBias  = 512
	// byteSums is the size of a table of byteActs: 256 sums, four to a number.
	byteSums = 256 / 4
)

// at is where column col of the block's token t lies in q.
func (b *block) at(col, t int) int { return (col/maskCols*b.stride+t)*maskCols + col%maskCols }

// groups is the part of b that holds the columns of the groups [lo, hi).
func (b *block) groups(lo, hi int) block {
	lo, hi = lo*GroupSize*b.stride, hi*GroupSize*b.stride
	return block{
		token: b.token, width: b.width, stride: b.stride,
		q: part(b.q, lo, hi), scale: part(b.scale, lo/ActGroup, hi/ActGroup), nsum: part(b.nsum, lo/ActGroup, hi/ActGroup),
		table: part(b.table, lo/tableCols*tableBytes, hi/tableCols*tableBytes), f: part(b.f, lo, hi),
		sums: part(b.sums, lo/tableCols*byteSums, hi/tableCols*byteSums),
	}
}

// bytes is the memory that the activations of b take, but for their scales.
func (b *block) bytes() int {
	return len(b.q) + len(b.table) + 4*len(b.f)
}

// part is s[lo:hi], as far as it goes, nil if there is no s.
func part[T any](s []T, lo, hi int) []T {
	if len(s) == 0 {
		return nil
	}
	return s[lo:min(hi, len(s))]
}

// one is token t of a block of tableActs alone.
func (b *block) one(t int) block {
	return block{token: b.token + t, width: 1, stride: b.stride, table: b.table[t*tableBytes:], scale: b.scale[t:]}
}

// Reset makes a hold tokens vectors of cols values for this set, reusing its
// memory. cols must be a multiple of GroupSize. The values are undefined until
// SetToken.
func (s *Set) Reset(a *Acts, tokens, cols int, exact bool) {
	a.Tokens, a.Cols, a.exact = tokens, cols, exact
	a.q, a.scale, a.nsum, a.table, a.sums, a.f = a.q[:0], a.scale[:0], a.nsum[:0], a.table[:0], a.sums[:0], a.f[:0]
	n := tokens * cols
	switch {
	case exact:
		a.f = grow(a.f, n)
	case s.acts == tableActs:
		a.table = grow(a.table, n/tableCols*tableBytes)
		a.scale = grow(a.scale, n/ActGroup)
	default:
		a.q = grow(a.q, n)
		a.scale = grow(a.scale, n/ActGroup)
		a.nsum = grow(a.nsum, n/ActGroup)
	}
	if s.acts == byteActs && !exact && tokens%2 == 1 {
		a.sums = grow(a.sums, cols/tableCols*byteSums)
	}
	a.blocks = a.blocks[:0]
	whole := block{width: 1, stride: 1, q: a.q, scale: a.scale, nsum: a.nsum, table: a.table, f: a.f} // as if it were one token
	for t, width := 0, s.acts.maxBlock(); t < tokens; t += width {
		for width > tokens-t {
			width /= 2
		}
		groups := cols / GroupSize
		b := whole.groups(t*groups, (t+width)*groups)
		b.token, b.width, b.stride = t, width, width
		if width == 1 {
			b.sums = a.sums
		}
		a.blocks = append(a.blocks, b)
	}
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// blockOf returns the number of the block that holds token t.
func (a *Acts) blockOf(t int) int {
	n := min(t/a.blocks[0].width, len(a.blocks)-1)
	for t >= a.blocks[n].token+a.blocks[n].width {
		n++
	}
	return n
}

// Part is some neighbouring tokens of an Acts: Tokens of them, from First on.
type Part struct {
	First, Tokens int
	exact         bool
	blocks        []block
}

// PartTokens is the largest number of tokens that a part of n tokens may hold.
func PartTokens(n int) int { return n + 2*(MaxBlock-1) }

// Part makes p hold the tokens [lo, hi) of x, reusing its memory. Where a kernel
// cannot take single tokens out of a block, p holds the others of the block too.
func (s *Set) Part(p *Part, x *Acts, lo, hi int) {
	p.blocks, p.exact = p.blocks[:0], x.exact
	for n := x.blockOf(lo); n < len(x.blocks) && x.blocks[n].token < hi; n++ {
		b := x.blocks[n]
		first, end := max(lo-b.token, 0), min(hi-b.token, b.width)
		if end-first == b.width || s.acts != tableActs || x.exact {
			p.blocks = append(p.blocks, b)
			continue
		}
		for t := first; t < end; t++ {
			p.blocks = append(p.blocks, b.one(t))
		}
	}
	last := p.blocks[len(p.blocks)-1]
	p.First = p.blocks[0].token
	p.Tokens = last.token + last.width - p.First
	for i := range p.blocks {
		p.blocks[i].token -= p.First
	}
}

// SetToken stores x as token t. In fast precision the values are quantised to int8.
func (s *Set) SetToken(a *Acts, t int, x []float32) {
	b := &a.blocks[a.blockOf(t)]
	if a.exact {
		for j, v := range x {
			b.f[j*b.width+t-b.token] = v
		}
		return
	}
	s.quantize(b, t-b.token, x)
}

package kernel

// KVLen is the number of positions of a block of a KVRun: a lane is a position.
const KVLen = Lanes

// KVRun holds the keys and values of one kv head at neighbouring positions as
// int8, in groups of ActGroup dimensions with a scale each, quantised as an Acts
// is. It is made of blocks of KVLen positions. In a score a lane is a position, so
// four dimensions of a key lie together for all positions; in a weighted sum a
// lane is a dimension, so two positions lie together.
type KVRun struct {
	K, V           []int8    // [block][d/4][KVLen][4] and [block][d/ActGroup][KVLen/2][ActGroup][2]
	KScale, VScale []float32 // [block][d/ActGroup][KVLen] each
}

// KVRunSizes returns how many int8 and float32 the keys of so many blocks of head
// dimension d, a multiple of ActGroup, are made of; the values take as many. They
// may be part of larger arrays: kernels are fastest when all begin at a cache line.
func KVRunSizes(d, blocks int) (bytes, floats int) {
	return blocks * KVLen * d, blocks * KVLen * d / ActGroup
}

// StoreKV quantises the key k and the value v, of d floats each, as position pos.
func (s *Set) StoreKV(r *KVRun, pos int, k, v []float32) {
	block, i := pos/KVLen*KVLen*len(k), pos%KVLen
	for a := range len(k) / ActGroup {
		lo, at := a*ActGroup, block/ActGroup+a*KVLen+i
		q, scale, _ := s.quantizeGroup(k[lo : lo+ActGroup])
		r.KScale[at] = scale
		for j := 0; j < ActGroup; j += maskCols {
			copy(r.K[block+(lo+j)*KVLen+i*maskCols:][:maskCols], q[j:])
		}
		q, r.VScale[at], _ = s.quantizeGroup(v[lo : lo+ActGroup])
		pair := r.V[block+(a*KVLen+i&^1)*ActGroup:][:2*ActGroup]
		for j, x := range q {
			pair[2*j+i&1] = x
		}
	}
}

// Queries holds query heads that share a kv head, quantised as its keys are.
type Queries struct {
	n, dim int
	q      []int8    // [dim/ActGroup][n][ActGroup]
	scale  []float32 // [dim/ActGroup][n]
	bias   []int32   // −128·Σq of the group, same shape: for kernels that read keys + 128
}

// Reset makes q hold n queries of d dimensions, reusing its memory. d must be a
// multiple of ActGroup. The values are undefined until SetQuery.
func (q *Queries) Reset(n, d int) {
	q.n, q.dim = n, d
	q.q = grow(q.q, n*d)
	q.scale = grow(q.scale, n*d/ActGroup)
	q.bias = grow(q.bias, n*d/ActGroup)
}

// SetQuery stores x, of d floats, as query i.
func (s *Set) SetQuery(q *Queries, i int, x []float32) {
	for a := range q.dim / ActGroup {
		at := a*q.n + i
		group, scale, sum := s.quantizeGroup(x[a*ActGroup : (a+1)*ActGroup])
		copy(q.q[at*ActGroup:], group[:])
		q.scale[at], q.bias[at] = scale, -128*sum
	}
}

// kvBlock is one block of a run.
type kvBlock struct {
	run   *KVRun
	block int
}

func (b kvBlock) keys(d int) (k *int8, scale *float32) {
	i := b.block * KVLen * d
	return &b.run.K[i], &b.run.KScale[i/ActGroup]
}

func (b kvBlock) values(d int) (v *int8, scale *float32) {
	i := b.block * KVLen * d
	return &b.run.V[i], &b.run.VScale[i/ActGroup]
}

// kvAhead is how many blocks ahead a kernel fetches into the cache.
const kvAhead = 2

// ahead is the block to be fetched while block j of n is read, if those of next
// follow; next may be nil.
func (r *KVRun) ahead(j, n, d int, next *KVRun) kvBlock {
	j += kvAhead
	if j >= n && next != nil {
		r, j = next, j-n
	}
	return kvBlock{r, min(j, len(r.K)/(KVLen*d)-1)}
}

// Scores writes out[i·stride+p] = q_i·k_p for every query i and the positions p of
// the first n blocks of r. Per group, ascending, the exact integer dot is
// multiplied by the key's scale, then by the query's, and added. next is the run
// that will be read after r, nil if none.
func (s *Set) Scores(out []float32, stride int, q *Queries, r *KVRun, n int, next *KVRun) {
	for j := range n {
		s.scores(out[j*KVLen:], stride, q, kvBlock{r, j}, r.ahead(j, n, q.dim, next))
	}
}

// AddValues adds Σ_p w[i·stride+p]·v_p, over the positions p of the first blocks
// of r, to out[i·d:], d = len(out)/n, for i < n. Per block and group the products
// of the weights and the values' scales are quantised to int16, so that the sum
// over the positions is an exact integer; their error is 1/65,534 of the largest.
// next is the run that will be read after r, nil if none.
func (s *Set) AddValues(out, w []float32, stride, n int, r *KVRun, blocks int, next *KVRun) {
	for j := range blocks {
		s.addValues(out, w[j*KVLen:], stride, n, kvBlock{r, j}, r.ahead(j, blocks, len(out)/n, next))
	}
}

package kernel

// KVLen is the number of positions of a KVBlock: a lane is a position.
const KVLen = Lanes

// KVBlock holds the keys and values of KVLen neighbouring positions of one kv
// head as int8, in groups of ActGroup dimensions with a scale each, quantised as
// an Acts is. In a score a lane is a position, so four dimensions of a key lie
// together for all positions; in a weighted sum a lane is a dimension, so two
// positions lie together.
type KVBlock struct {
	K, V           []int8    // [d/4][KVLen][4] and [d/ActGroup][KVLen/2][ActGroup][2]
	KScale, VScale []float32 // [d/ActGroup][KVLen] each
}

// KVBlockSizes returns how many int8 and float32 the keys of a KVBlock of head
// dimension d, a multiple of ActGroup, are made of; the values take as many. They
// may be part of larger arrays: kernels are fastest when all begin at a cache
// line, and by half again when the keys of neighbouring blocks of a head follow
// each other in memory, and so do the values.
func KVBlockSizes(d int) (bytes, floats int) { return KVLen * d, KVLen * d / ActGroup }

// dim is the head dimension.
func (b *KVBlock) dim() int { return len(b.K) / KVLen }

// StoreKV quantises the key k and the value v, of d floats each, as position i.
func (s *Set) StoreKV(b *KVBlock, i int, k, v []float32) {
	for a := range b.dim() / ActGroup {
		lo, at := a*ActGroup, a*KVLen+i
		q, scale, _ := s.quantizeGroup(k[lo : lo+ActGroup])
		b.KScale[at] = scale
		for j := 0; j < ActGroup; j += maskCols {
			copy(b.K[(lo+j)*KVLen+i*maskCols:][:maskCols], q[j:])
		}
		q, b.VScale[at], _ = s.quantizeGroup(v[lo : lo+ActGroup])
		pair := b.V[(a*KVLen+i&^1)*ActGroup:][:2*ActGroup]
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

// Scores writes out[i·stride+p] = q_i·k_p for every query i and the KVLen
// positions p of b. Per group, ascending, the exact integer dot is multiplied by
// the key's scale, then by the query's, and added. The keys of next, a block
// to be read soon after b or nil, are brought into the cache meanwhile.
func (s *Set) Scores(out []float32, stride int, q *Queries, b, next *KVBlock) {
	if next == nil {
		next = b
	}
	s.scores(out, stride, q, b, next)
}

// AddValues adds Σ_p w[i·stride+p]·v_p to out[i·d:], for i < n. Per group the
// products of the weights and the values' scales are quantised to int16, so that
// the sum over the positions is an exact integer; their error is 1/65,534 of the
// largest. next is as in Scores.
func (s *Set) AddValues(out, w []float32, stride, n int, b, next *KVBlock) {
	if next == nil {
		next = b
	}
	s.addValues(out, w, stride, n, b, next)
}

package engine

import (
	"slices"

	"bankai/internal/kernel"
)

// kvBlockLen is the number of positions in a block of the key-value cache.
const kvBlockLen = kernel.KVLen

// nearBlocks is how many blocks back from its own a token reads keys and values
// as float32; in fast precision, older ones are read as int8, a quarter of the
// memory. Probes and their answers fit in.
const nearBlocks = 8

// kvBlock holds keys and values of kvBlockLen positions in every layer. Sequences
// that part share the full blocks before that place. A block is near to some and
// far from others of them, if they differ in length: the floats go when it is near
// to none, the int8 when none holds it.
type kvBlock struct {
	refs   int       // sequences that hold it
	near   int       // of those, the ones whose tokens to come read floats
	floats kvFloats  // none before a pass writes them, and none when near is 0
	chunk  *farChunk // where it is as int8, nil if nowhere yet
	slot   int       // its place there
	filled int       // layers that are in
}

// newBlock is a sequence's next block, as yet without memory.
func newBlock() *kvBlock { return &kvBlock{refs: 1, near: 1} }

// kvFloats are keys and values, each [layer][kv head][position][HeadDim].
type kvFloats struct{ k, v []float32 }

// cache hands out and takes back blocks. It belongs to one Batch.
type cache struct {
	layers, kvHeads, headDim int
	// once: sequences live for one pass, in which a layer's keys and values may
	// overwrite those of the layer before. layers is then 1.
	once   bool
	int8   bool // old blocks are read as int8
	floats stock[kvFloats]
	far    stock[*farChunk]
}

func newCache(m *Model, once bool) cache {
	c := m.config
	layers := c.Layers
	if once {
		layers = 1
	}
	n := layers * c.KVHeads * kvBlockLen * c.HeadDim
	return cache{
		layers: layers, kvHeads: c.KVHeads, headDim: c.HeadDim, once: once,
		int8:   !m.exact && c.HeadDim%kernel.ActGroup == 0,
		floats: stock[kvFloats]{make: func() kvFloats { return kvFloats{make([]float32, n), make([]float32, n)} }},
		far:    stock[*farChunk]{make: func() *farChunk { return newFarChunk(layers*c.KVHeads, c.HeadDim) }},
	}
}

// leave is called when a block becomes far from a sequence.
func (c *cache) leave(b *kvBlock) {
	if b.near--; b.near == 0 && b.floats.k != nil {
		c.floats.put(b.floats)
		b.floats = kvFloats{}
	}
}

// put takes a block back from a sequence, which has left it.
func (c *cache) put(b *kvBlock) {
	if b.refs--; b.refs == 0 && b.chunk != nil {
		c.vacate(b)
	}
}

// settle ends a pass.
func (c *cache) settle() {
	c.floats.settle()
	c.far.settle()
}

// head numbers the kv heads of all layers that the cache holds.
func (c *cache) head(layer, head int) int {
	if c.once {
		layer = 0
	}
	return layer*c.kvHeads + head
}

// at is the offset of a layer's keys (or values) of one kv head.
func (c *cache) at(layer, head int) int { return c.head(layer, head) * kvBlockLen * c.headDim }

// Seq is one sequence of tokens: its patch and its key-value cache. It belongs
// to the Batch that made it.
type Seq struct {
	batch   *Batch
	cache   *cache
	overlay *Overlay
	blocks  []*kvBlock
	far     farKV
	n       int
	own     int // the first block that is not shared with the sequence s parted from
}

// NewSeq starts an empty sequence under an overlay; nil is the model as it is.
func (b *Batch) NewSeq(o *Overlay) *Seq { return &Seq{batch: b, cache: &b.cache, overlay: o} }

// Len is the number of tokens processed so far.
func (s *Seq) Len() int { return s.n }

// Fork returns a copy of s that shares the cache of its tokens.
func (s *Seq) Fork() *Seq {
	f := s.branch(s.n)
	if s.n%kvBlockLen > 0 {
		from, to := s.blocks[f.own].floats, f.blocks[f.own].floats
		copy(to.k, from.k)
		copy(to.v, from.v)
	}
	return f
}

// branch returns a continuation of s behind its first n tokens, of which s has the
// blocks but which need not be processed yet: a pass that holds them writes the
// keys and values of the last, partly filled block to the branch too.
func (s *Seq) branch(n int) *Seq {
	f := &Seq{batch: s.batch, cache: s.cache, overlay: s.overlay, n: n, own: n / kvBlockLen}
	f.blocks = slices.Clone(s.blocks[:f.own])
	for i, b := range f.blocks {
		b.refs++
		if i >= s.cache.farBlocks(n) {
			b.near++
		}
	}
	f.reserve(0)
	return f
}

// put stores the keys and values of one layer and position, [KVHeads, HeadDim].
func (s *Seq) put(layer, pos int, k, v []float32) {
	c := s.cache
	to := s.blocks[pos/kvBlockLen].floats
	for h := range c.kvHeads {
		at := c.at(layer, h) + pos%kvBlockLen*c.headDim
		copy(to.k[at:], head(k, h, c.headDim))
		copy(to.v[at:], head(v, h, c.headDim))
	}
}

// advance counts n more tokens as processed, and leaves the blocks whose floats no
// token to come reads.
func (s *Seq) advance(n int) {
	c := s.cache
	for _, b := range s.blocks[c.farBlocks(s.n):c.farBlocks(s.n+n)] {
		c.leave(b)
	}
	s.n += n
}

// Release gives the cache back to the batch; s is then empty.
func (s *Seq) Release() {
	c := s.cache
	for i, b := range slices.Backward(s.blocks) { // so the last in a farChunk goes first
		if i >= c.farBlocks(s.n) {
			c.leave(b)
		}
		c.put(b)
	}
	s.blocks, s.far, s.n = nil, farKV{}, 0
}

// extend lets s have the blocks of n more tokens.
func (s *Seq) extend(n int) {
	for len(s.blocks) < blocksOf(s.n+n) {
		s.blocks = append(s.blocks, newBlock())
	}
}

// reserve makes room for n more tokens.
func (s *Seq) reserve(n int) {
	s.extend(n)
	c := s.cache
	for _, b := range s.blocks[s.n/kvBlockLen : blocksOf(s.n+n)] {
		if b.floats.k == nil {
			b.floats = c.floats.get()
		}
	}
	s.age(c.farBlocks(s.n + n))
}

// blocksOf is how many blocks so many tokens take.
func blocksOf(tokens int) int { return (tokens + kvBlockLen - 1) / kvBlockLen }

package engine

import "bankai/internal/kernel"

// kvBlockLen is the number of positions in a block of the key-value cache.
const kvBlockLen = kernel.KVLen

// nearBlocks is how many blocks back from its own a token reads keys and values
// as float32; in fast precision, older ones are read as int8, a quarter of the
// memory. Probes and their answers fit in.
const nearBlocks = 8

// kvBlock holds keys and values of kvBlockLen positions in every layer, each
// [layer][kv head][position][HeadDim]. Forked sequences share full blocks. A
// block far behind all tokens to come holds none any more.
type kvBlock struct {
	refs int
	k, v []float32
}

// cache hands out and takes back blocks. It belongs to one Batch.
type cache struct {
	layers, kvHeads, headDim int
	// once: sequences live for one pass, in which a layer's keys and values may
	// overwrite those of the layer before. layers is then 1.
	once    bool
	int8    bool // old blocks are read as int8
	free    []*kvBlock
	freeFar []*farChunk
}

func newCache(m *Model, once bool) cache {
	c := m.config
	layers := c.Layers
	if once {
		layers = 1
	}
	return cache{
		layers: layers, kvHeads: c.KVHeads, headDim: c.HeadDim, once: once,
		int8: !m.exact && c.HeadDim%kernel.ActGroup == 0,
	}
}

func (c *cache) get() *kvBlock {
	if b := take(&c.free); b != nil {
		b.refs = 1
		return b
	}
	n := c.layers * c.kvHeads * kvBlockLen * c.headDim
	return &kvBlock{refs: 1, k: make([]float32, n), v: make([]float32, n)}
}

// take removes the last element of a free list, nil if it is empty.
func take[T any](free *[]*T) *T {
	n := len(*free) - 1
	if n < 0 {
		return nil
	}
	x := (*free)[n]
	*free = (*free)[:n]
	return x
}

func (c *cache) put(b *kvBlock) {
	if b.refs--; b.refs == 0 && b.k != nil {
		c.free = append(c.free, b)
	}
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
	own     int // the first block that is not shared with the sequence s branched from
}

// NewSeq starts an empty sequence under an overlay; nil is the model as it is.
func (b *Batch) NewSeq(o *Overlay) *Seq { return &Seq{batch: b, cache: &b.cache, overlay: o} }

// Len is the number of tokens processed so far.
func (s *Seq) Len() int { return s.n }

// Fork returns a copy of s that shares the cache of its tokens.
func (s *Seq) Fork() *Seq {
	f := &Seq{batch: s.batch, cache: s.cache, overlay: s.overlay, n: s.n}
	full := s.n / kvBlockLen
	for _, b := range s.blocks[:full] {
		b.refs++
		f.blocks = append(f.blocks, b)
	}
	if s.n%kvBlockLen > 0 {
		c := s.cache.get()
		copy(c.k, s.blocks[full].k)
		copy(c.v, s.blocks[full].v)
		f.blocks = append(f.blocks, c)
	}
	f.far = s.far.fork(s.cache)
	return f
}

// branch returns a continuation of s behind its first n tokens, for which s has
// room but which need not be processed yet: a pass that holds them writes the
// keys and values of the last, partly filled block to the branch too.
func (s *Seq) branch(n int) *Seq {
	f := &Seq{batch: s.batch, cache: s.cache, overlay: s.overlay, n: n, own: n / kvBlockLen}
	for _, b := range s.blocks[:f.own] {
		b.refs++
		f.blocks = append(f.blocks, b)
	}
	f.reserve(0)
	return f
}

// put stores the keys and values of one layer and position, [KVHeads, HeadDim].
func (s *Seq) put(layer, pos int, k, v []float32) {
	c := s.cache
	block := s.blocks[pos/kvBlockLen]
	for h := range c.kvHeads {
		at := c.at(layer, h) + pos%kvBlockLen*c.headDim
		copy(block.k[at:], head(k, h, c.headDim))
		copy(block.v[at:], head(v, h, c.headDim))
	}
}

// advance counts n more tokens as processed, and frees the floats that no token
// to come reads.
func (s *Seq) advance(n int) {
	c := s.cache
	was := c.farBlocks(s.n)
	s.n += n
	for i := was; i < min(c.farBlocks(s.n), s.far.complete()); i++ {
		if b := s.blocks[i]; b.refs == 1 && b.k != nil {
			c.free = append(c.free, &kvBlock{k: b.k, v: b.v})
			b.k, b.v = nil, nil
		}
	}
}

// Release gives the cache back to the batch; s is then empty.
func (s *Seq) Release() {
	for _, b := range s.blocks {
		s.cache.put(b)
	}
	s.far.release(s.cache)
	s.blocks, s.n = nil, 0
}

// reserve makes room for n more tokens.
func (s *Seq) reserve(n int) {
	for len(s.blocks)*kvBlockLen < s.n+n {
		s.blocks = append(s.blocks, s.cache.get())
	}
}

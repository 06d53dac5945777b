package engine

import (
	"math/rand/v2"
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

// cache hands out and takes back blocks of keys and values, and the states of delta-nets.
// It belongs to one Batch.
type cache struct {
	layers, kvHeads, headDim int // layers that have keys and values: see attention.kvLayer
	// once: sequences live for one pass, in which a layer's keys and values may
	// overwrite those of the layer before. layers is then 1.
	once   bool
	int8   bool // old blocks are read as int8
	floats stock[kvFloats]
	far    stock[*farChunk]

	delta stock[deltaFloats]
	// deltaBytes is the size of one of delta; 0 if no layer has a delta-net.
	deltaBytes int64

	limit int64       // bytes beyond which evict is asked, before more is handed out; 0: none
	evict func() bool // makes room, if it can
}

func newCache(m *Model, once bool) cache {
	c := m.config
	layers, deltaLayers := m.kvLayers, m.deltaLayers
	if once {
		layers, deltaLayers = min(layers, 1), min(deltaLayers, 1)
	}
	windows, memories := 0, 0
	if d := c.Delta; d != nil {
		windows = deltaLayers * (d.Taps - 1) * d.Channels()
		memories = deltaLayers * d.ValueHeads * d.HeadDim * d.HeadDim
	}
	n := layers * c.KVHeads * kvBlockLen * c.HeadDim
	return cache{
		layers: layers, kvHeads: c.KVHeads, headDim: c.HeadDim, once: once,
		int8:   !m.exact && c.HeadDim%kernel.ActGroup == 0,
		floats: stock[kvFloats]{make: func() kvFloats { return kvFloats{make([]float32, n), make([]float32, n)} }},
		far:    stock[*farChunk]{make: func() *farChunk { return newFarChunk(layers*c.KVHeads, c.HeadDim) }},
		delta: stock[deltaFloats]{make: func() deltaFloats {
			return deltaFloats{make([]float32, windows), make([]float32, memories)}
		}},
		deltaBytes: 4 * int64(windows+memories),
	}
}

// ensure makes room for blocks as floats, chunks and states of delta-nets, as far as that
// is to be had.
func (c *cache) ensure(blocks, chunks, states int) {
	for c.limit > 0 && c.bytes(c.floats.used+blocks, c.far.used+chunks, c.delta.used+states) > c.limit && c.evict() {
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
	c.delta.settle()
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

// keyValues is the state of the attention blocks: the keys and values of a sequence.
type keyValues struct {
	cache  *cache
	blocks []*kvBlock
	far    farKV
	own    int // the first block that is not shared with the sequence that this one parted from
}

func newKeyValues(b *Batch, once bool) state {
	if once {
		return &keyValues{cache: &b.once}
	}
	return &keyValues{cache: &b.cache}
}

// kv are the keys and values of a sequence.
func (s *Seq) kv() *keyValues { return s.states[s.batch.model.kvState].(*keyValues) }

// fork shares the full blocks of s, also those that are not processed yet, and copies
// the last, partly filled one. A pass that holds tokens of that writes its keys and
// values to the fork too.
func (s *keyValues) fork(n int) state {
	s.extend(n)
	f := &keyValues{cache: s.cache, own: n / kvBlockLen}
	f.blocks = slices.Clone(s.blocks[:f.own])
	for i, b := range f.blocks {
		b.refs++
		if i >= s.cache.farBlocks(n) {
			b.near++
		}
	}
	f.reserve(n, 0)
	if n%kvBlockLen > 0 {
		from, to := s.blocks[f.own].floats, f.blocks[f.own].floats
		copy(to.k, from.k)
		copy(to.v, from.v)
	}
	return f
}

// put stores the keys and values of one layer and position, [KVHeads, HeadDim].
func (s *keyValues) put(layer, pos int, k, v []float32) {
	c := s.cache
	to := s.blocks[pos/kvBlockLen].floats
	for h := range c.kvHeads {
		at := c.at(layer, h) + pos%kvBlockLen*c.headDim
		copy(to.k[at:], head(k, h, c.headDim))
		copy(to.v[at:], head(v, h, c.headDim))
	}
}

// advance leaves the blocks whose floats no token to come reads.
func (s *keyValues) advance(n, more int) {
	c := s.cache
	for _, b := range s.blocks[c.farBlocks(n):c.farBlocks(n+more)] {
		c.leave(b)
	}
}

func (s *keyValues) release(n int) {
	c := s.cache
	for i, b := range slices.Backward(s.blocks) { // so the last in a farChunk goes first
		if i >= c.farBlocks(n) {
			c.leave(b)
		}
		c.put(b)
	}
	s.blocks, s.far = nil, farKV{}
}

// extend lets s have the blocks of n tokens.
func (s *keyValues) extend(n int) {
	for len(s.blocks) < blocksOf(n) {
		s.blocks = append(s.blocks, newBlock())
	}
}

func (s *keyValues) reserve(n, more int) {
	s.extend(n + more)
	c := s.cache
	for _, b := range s.blocks[n/kvBlockLen : blocksOf(n+more)] {
		if b.floats.k == nil {
			c.ensure(1, 0, 0)
			b.floats = c.floats.get()
		}
	}
	s.age(c.farBlocks(n + more))
}

// random puts in keys and values between -1 and 1.
func (s *keyValues) random(b *Batch, p *pass) {
	n := p.spans[0].seq.n
	for layer := range s.cache.layers {
		b.each(len(p.spans[0].tokens), func(_, t int) { s.putRandom(layer, n+t) })
		b.fillFar(p, layer)
	}
}

func (s *keyValues) putRandom(layer, pos int) {
	rng := rand.New(rand.NewPCG(uint64(layer), uint64(pos)))
	kv := make([]float32, 2*s.cache.kvHeads*s.cache.headDim)
	for i := range kv {
		kv[i] = 2*rng.Float32() - 1
	}
	s.put(layer, pos, kv[:len(kv)/2], kv[len(kv)/2:])
}

// blocksOf is how many blocks a number of tokens takes.
func blocksOf(tokens int) int { return (tokens + kvBlockLen - 1) / kvBlockLen }

// farBlocks is how many of its first blocks a token at pos reads as int8: those
// that are far from a sequence of pos tokens. It depends on nothing else, lest the
// bits depend on how a sequence is processed.
func (c *cache) farBlocks(pos int) int {
	if !c.int8 {
		return 0
	}
	return max(0, pos/kvBlockLen-nearBlocks+1)
}

// farRun is how many blocks lie together in memory, for reading in one go, and in
// what steps a sequence's memory grows. Attention over 2,048 positions is as fast
// as with 32; with 4 it takes a sixth longer, with 1 half as long again.
const farRun = 8

// farChunk holds the keys and values of farRun neighbouring blocks as int8, a run
// for every [layer][kv head]. Whoever holds a block holds those before it, so they
// leave in the reverse order of their coming.
type farChunk struct {
	used int // blocks
	runs []kernel.KVRun
}

func newFarChunk(heads, headDim int) *farChunk {
	bytes, floats := kernel.KVRunSizes(headDim, farRun)
	q, scale := make([]int8, 2*heads*bytes), make([]float32, 2*heads*floats)
	f := &farChunk{runs: make([]kernel.KVRun, heads)}
	for i := range f.runs {
		f.runs[i] = kernel.KVRun{K: q[:bytes], V: q[bytes : 2*bytes], KScale: scale[:floats], VScale: scale[floats : 2*floats]}
		q, scale = q[2*bytes:], scale[2*floats:]
	}
	return f
}

// place finds a block's place as int8: behind the block before it, unless another
// sequence's is there.
func (c *cache) place(b, before *kvBlock) {
	if before != nil && before.slot+1 == before.chunk.used && before.chunk.used < farRun {
		b.chunk = before.chunk
	} else {
		c.ensure(0, 1, 0)
		b.chunk = c.far.get()
	}
	b.slot = b.chunk.used
	b.chunk.used++
}

// vacate gives a block's place back.
func (c *cache) vacate(b *kvBlock) {
	if b.chunk.used--; b.chunk.used == 0 {
		c.far.put(b.chunk)
	}
	b.chunk = nil
}

// farKV is where a sequence's first blocks are as int8.
type farKV struct {
	parts  []farPart
	blocks int
}

// farPart is the first blocks of a chunk.
type farPart struct {
	chunk  *farChunk
	blocks int
}

// age has places found for the first n blocks. Those that s shares may have theirs,
// from a sequence that has come further.
func (s *keyValues) age(n int) {
	for f := &s.far; f.blocks < n; f.blocks++ {
		b := s.blocks[f.blocks]
		if b.chunk == nil {
			var before *kvBlock
			if f.blocks > 0 {
				before = s.blocks[f.blocks-1]
			}
			s.cache.place(b, before)
		}
		if b.slot == 0 {
			f.parts = append(f.parts, farPart{chunk: b.chunk})
		}
		f.parts[len(f.parts)-1].blocks++
	}
}

// each calls do for the first n blocks of a head, counted over all layers, a run
// at a time: its first position, how many blocks of it, and the run that follows.
func (f *farKV) each(head, n int, do func(pos int, r *kernel.KVRun, blocks int, next *kernel.KVRun)) {
	for i, pos := 0, 0; n > 0; i++ {
		part, next := f.parts[i], (*kernel.KVRun)(nil)
		if part.blocks < n {
			next = &f.parts[i+1].chunk.runs[head]
		}
		do(pos, &part.chunk.runs[head], min(part.blocks, n), next)
		pos += part.blocks * kvBlockLen
		n -= part.blocks
	}
}

// fillFar brings the blocks that the pass makes far into their int8 form, for one
// layer. Sequences that share a block have it done once.
func (b *Batch) fillFar(p *pass, layer int) {
	var c *cache
	var blocks []*kvBlock
	for _, s := range p.spans {
		kv, n := s.seq.kv(), s.seq.n
		c = kv.cache // all are of one cache
		for _, block := range kv.blocks[c.farBlocks(n):c.farBlocks(n+len(s.tokens))] {
			if block.filled <= layer {
				block.filled = layer + 1
				blocks = append(blocks, block)
			}
		}
	}
	if len(blocks) == 0 {
		return
	}
	b.team.run(len(blocks)*c.kvHeads, 1, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			c.fill(b.model.kernel, blocks[i/c.kvHeads], layer, i%c.kvHeads)
		}
	})
}

// fill brings one block and kv head into its int8 form.
func (c *cache) fill(set *kernel.Set, b *kvBlock, layer, kvHead int) {
	run, at := &b.chunk.runs[c.head(layer, kvHead)], c.at(layer, kvHead)
	for n := range kvBlockLen {
		set.StoreKV(run, b.slot*kvBlockLen+n, head(b.floats.k[at:], n, c.headDim), head(b.floats.v[at:], n, c.headDim))
	}
}

// stock hands out pieces of memory of one size and takes them back. Of those that
// came back it keeps as many as the last passes needed: enough that passes of a
// kind ask for no new memory, and not what one long prompt took.
type stock[T any] struct {
	make         func() T
	free         []T
	used         int // pieces handed out
	peak, before int // the most handed out in this window of passes, and in the one before
	passes       int // of this window
}

// stockWindow is the number of passes of a window. The 16 tokens after which a
// sequence asks for a block are to be well within.
const stockWindow = 64

func (s *stock[T]) get() T {
	s.used++
	s.peak = max(s.peak, s.used)
	n := len(s.free) - 1
	if n < 0 {
		return s.make()
	}
	x := s.free[n]
	s.keep(n)
	return x
}

func (s *stock[T]) put(x T) {
	s.used--
	s.free = append(s.free, x)
}

// settle ends a pass: pieces that were not needed for a window's time go.
func (s *stock[T]) settle() {
	s.keep(max(s.peak, s.before) - s.used)
	if s.passes++; s.passes == stockWindow {
		s.before, s.peak, s.passes = s.peak, s.used, 0
	}
}

// keep drops all free pieces but the first n.
func (s *stock[T]) keep(n int) {
	if n < len(s.free) {
		clear(s.free[n:])
		s.free = s.free[:n]
	}
}

package engine

import "bankai/internal/kernel"

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
func (s *Seq) age(n int) {
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
	var blocks []*kvBlock
	for _, s := range p.spans {
		c, n := s.seq.cache, s.seq.n
		for _, block := range s.seq.blocks[c.farBlocks(n):c.farBlocks(n+len(s.tokens))] {
			if block.filled <= layer {
				block.filled = layer + 1
				blocks = append(blocks, block)
			}
		}
	}
	if len(blocks) == 0 {
		return
	}
	c := p.spans[0].seq.cache // all are of one cache
	b.team.run(len(blocks)*c.kvHeads, 1, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			c.fill(b.model.kernel, blocks[i/c.kvHeads], layer, i%c.kvHeads)
		}
	})
}

// fill does so for one block and kv head.
func (c *cache) fill(set *kernel.Set, b *kvBlock, layer, kvHead int) {
	run, at := &b.chunk.runs[c.head(layer, kvHead)], c.at(layer, kvHead)
	for n := range kvBlockLen {
		set.StoreKV(run, b.slot*kvBlockLen+n, head(b.floats.k[at:], n, c.headDim), head(b.floats.v[at:], n, c.headDim))
	}
}

package engine

import (
	"slices"

	"bankai/internal/kernel"
)

// farBlocks is how many of its first blocks a token at pos reads as int8. It
// depends on nothing else, lest the bits depend on how a sequence is processed.
func (c *cache) farBlocks(pos int) int {
	if !c.int8 {
		return 0
	}
	return max(0, pos/kvBlockLen-nearBlocks+1)
}

// farRun is how many blocks lie together in memory, for reading in one go.
const farRun = 16

// farKV is a sequence's old keys and values as int8.
type farKV struct {
	chunks []*farChunk
	filled []int // blocks that are in, by layer
}

// farChunk holds farRun blocks: [layer][kv head][block], and in memory the keys
// of a head's blocks one after the other, then their values. Forked sequences
// share full ones.
type farChunk struct {
	refs   int
	blocks []kernel.KVBlock
}

func (c *cache) getFar() *farChunk {
	if n := len(c.freeFar); n > 0 {
		f := c.freeFar[n-1]
		c.freeFar = c.freeFar[:n-1]
		f.refs = 1
		return f
	}
	bytes, floats := kernel.KVBlockSizes(c.headDim)
	n := c.layers * c.kvHeads
	q, scale := make([]int8, n*2*farRun*bytes), make([]float32, n*2*farRun*floats)
	f := &farChunk{refs: 1, blocks: make([]kernel.KVBlock, n*farRun)}
	for head := range n {
		for j := range farRun {
			k, v := 2*head*farRun+j, (2*head+1)*farRun+j
			f.blocks[head*farRun+j] = kernel.KVBlock{
				K: q[k*bytes : (k+1)*bytes], V: q[v*bytes : (v+1)*bytes],
				KScale: scale[k*floats : (k+1)*floats], VScale: scale[v*floats : (v+1)*floats],
			}
		}
	}
	return f
}

// block is block j of a head, counted over all layers; nil if it is not in yet.
func (f *farKV) block(head, j, n int) *kernel.KVBlock {
	if j >= n {
		return nil
	}
	return &f.chunks[j/farRun].blocks[head*farRun+j%farRun]
}

// complete is how many blocks are in in all layers.
func (f *farKV) complete() int {
	if f.filled == nil {
		return 0
	}
	return slices.Min(f.filled)
}

// fork shares full chunks and copies what is in the last.
func (f *farKV) fork(c *cache) farKV {
	out := farKV{filled: slices.Clone(f.filled)}
	for i, chunk := range f.chunks {
		if (i+1)*farRun <= f.complete() {
			chunk.refs++
			out.chunks = append(out.chunks, chunk)
			continue
		}
		own := c.getFar()
		for n := range own.blocks {
			from, to := &chunk.blocks[n], &own.blocks[n]
			copy(to.K, from.K)
			copy(to.V, from.V)
			copy(to.KScale, from.KScale)
			copy(to.VScale, from.VScale)
		}
		out.chunks = append(out.chunks, own)
	}
	return out
}

func (f *farKV) release(c *cache) {
	for _, chunk := range f.chunks {
		if chunk.refs--; chunk.refs == 0 {
			c.freeFar = append(c.freeFar, chunk)
		}
	}
	*f = farKV{}
}

// fillFar brings the blocks that tokens of the pass read as int8 into that form,
// for one layer.
func (b *Batch) fillFar(p *pass, layer int) {
	type place struct {
		seq   *Seq
		block int
	}
	var places []place
	c, set := &b.cache, b.model.kernel
	for _, s := range p.spans {
		f, n := &s.seq.far, c.farBlocks(s.seq.n+len(s.tokens)-1)
		if n == 0 {
			continue
		}
		if f.filled == nil {
			f.filled = make([]int, c.layers)
		}
		for len(f.chunks)*farRun < n {
			f.chunks = append(f.chunks, c.getFar())
		}
		for ; f.filled[layer] < n; f.filled[layer]++ {
			places = append(places, place{s.seq, f.filled[layer]})
		}
	}
	b.team.run(len(places)*c.kvHeads, 1, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			s, j, h := places[i/c.kvHeads].seq, places[i/c.kvHeads].block, i%c.kvHeads
			to, from, at := s.far.block(layer*c.kvHeads+h, j, j+1), s.blocks[j], c.at(layer, h)
			for n := range kvBlockLen {
				set.StoreKV(to, n, head(from.k[at:], n, c.headDim), head(from.v[at:], n, c.headDim))
			}
		}
	})
}

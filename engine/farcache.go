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
const farRun = 32

// farKV is a sequence's old keys and values as int8.
type farKV struct {
	chunks []*farChunk
	filled []int // blocks that are in, by layer
}

// farChunk holds farRun blocks of every head, [layer][kv head]. Forked sequences
// share full ones.
type farChunk struct {
	refs int
	runs []kernel.KVRun
}

func (c *cache) getFar() *farChunk {
	if f := take(&c.freeFar); f != nil {
		f.refs = 1
		return f
	}
	bytes, floats := kernel.KVRunSizes(c.headDim, farRun)
	n := c.layers * c.kvHeads
	q, scale := make([]int8, 2*n*bytes), make([]float32, 2*n*floats)
	f := &farChunk{refs: 1, runs: make([]kernel.KVRun, n)}
	for i := range f.runs {
		f.runs[i] = kernel.KVRun{K: q[:bytes], V: q[bytes : 2*bytes], KScale: scale[:floats], VScale: scale[floats : 2*floats]}
		q, scale = q[2*bytes:], scale[2*floats:]
	}
	return f
}

// each calls do for the first n blocks of a head, counted over all layers, a run
// at a time: its first position, and how many blocks of it.
func (f *farKV) each(head, n int, do func(pos int, r *kernel.KVRun, blocks int)) {
	for i := 0; i < n; i += farRun {
		do(i*kvBlockLen, &f.chunks[i/farRun].runs[head], min(farRun, n-i))
	}
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
		for n := range own.runs {
			from, to := &chunk.runs[n], &own.runs[n]
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
	for _, s := range p.spans {
		first, n := s.seq.far.room(s.seq.cache, layer, s.seq.cache.farBlocks(s.seq.n+len(s.tokens)-1))
		for j := first; j < n; j++ {
			places = append(places, place{s.seq, j})
		}
	}
	c, set := b.model.config, b.model.kernel
	b.team.run(len(places)*c.KVHeads, 1, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			s, j, h := places[i/c.KVHeads].seq, places[i/c.KVHeads].block, i%c.KVHeads
			to, from, at := &s.far.chunks[j/farRun].runs[s.cache.head(layer, h)], s.blocks[j], s.cache.at(layer, h)
			for n := range kvBlockLen {
				set.StoreKV(to, j%farRun*kvBlockLen+n, head(from.k[at:], n, c.HeadDim), head(from.v[at:], n, c.HeadDim))
			}
		}
	})
}

// room makes room for n blocks, and returns the range of those that a layer has
// yet to fill.
func (f *farKV) room(c *cache, layer, n int) (first, end int) {
	if n == 0 {
		return 0, 0
	}
	if f.filled == nil {
		f.filled = make([]int, c.layers)
	}
	for len(f.chunks)*farRun < n {
		f.chunks = append(f.chunks, c.getFar())
	}
	if c.once {
		return 0, n
	}
	first = min(f.filled[layer], n)
	f.filled[layer] = max(f.filled[layer], n)
	return first, n
}

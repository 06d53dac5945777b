package engine

import "bankai/internal/kernel"

// attendWork is about how many multiplications of the attention a worker takes
// at a time.
const attendWork = 1 << 17

// attend replaces the queries by the attention's output.
func (b *Batch) attend(p *pass, i int) {
	c := b.model.config
	work := 1
	for _, k := range p.tokens {
		work += 2 * (k.pos + 1) * c.Heads * c.HeadDim
	}
	n := len(p.tokens) * c.KVHeads
	b.team.run(n, max(1, n*attendWork/work), func(worker, lo, hi int) {
		for j := lo; j < hi; j++ {
			b.attendHeads(p, worker, i, j/c.KVHeads, j%c.KVHeads)
		}
	})
}

// attendHeads does so for token t and the query heads that share a kv head.
func (b *Batch) attendHeads(p *pass, worker, i, t, kvHead int) {
	c, k := b.model.config, b.model.kernel
	seq, n := p.spans[p.tokens[t].span].seq, p.tokens[t].pos+1
	heads, at := c.Heads/c.KVHeads, seq.cache.at(i, kvHead)
	q := b.q[(t*c.Heads+kvHead*heads)*c.HeadDim:][:heads*c.HeadDim] // and the output
	scores, sums := b.scores[worker][:heads*n], b.scores[worker][heads*n:heads*(n+1)]
	far, first := seq.cache.farBlocks(n-1), seq.cache.head(i, kvHead)
	if far > 0 {
		queries := &b.queries[worker]
		queries.Reset(heads, c.HeadDim)
		for h := range heads {
			k.SetQuery(queries, h, head(q, h, c.HeadDim))
		}
		seq.far.each(first, far, func(pos int, r *kernel.KVRun, blocks int, next *kernel.KVRun) {
			k.Scores(scores[pos:], n, queries, r, blocks, next)
		})
	}
	for h := range heads {
		for lo := far * kvBlockLen; lo < n; lo += kvBlockLen {
			hi := min(lo+kvBlockLen, n)
			k.Dots(scores[h*n+lo:h*n+hi], head(q, h, c.HeadDim), seq.blocks[lo/kvBlockLen].floats.k[at:])
		}
		all := scores[h*n : (h+1)*n]
		sums[h] = k.ExpSum(all, k.Max(all))
	}
	clear(q)
	seq.far.each(first, far, func(pos int, r *kernel.KVRun, blocks int, next *kernel.KVRun) {
		k.AddValues(q, scores[pos:], n, heads, r, blocks, next)
	})
	for h := range heads {
		out := head(q, h, c.HeadDim)
		for lo := far * kvBlockLen; lo < n; lo += kvBlockLen {
			hi := min(lo+kvBlockLen, n)
			k.WeightedSum(out, scores[h*n+lo:h*n+hi], seq.blocks[lo/kvBlockLen].floats.v[at:])
		}
		for j := range out {
			out[j] /= sums[h]
		}
	}
}

// head is the i-th slice of d floats.
func head(x []float32, i, d int) []float32 { return x[i*d : (i+1)*d] }

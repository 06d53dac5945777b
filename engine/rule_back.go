package engine

import "bankai/internal/weights"

// ruleChunk is the number of tokens whose memories are held at a time.
const ruleChunk = 64

// ruleBack is a worker's way back through the rule of a value head. With S the memory
// before a token and S′ behind it,
//
//	r = v − αSᵀk, S′ = αS + k(βr)ᵀ, o = S′ᵀq
//
// and from the last token to the first, beginning with 0,
//
//	∂q = S′·∂o, ∂S′ += q·∂oᵀ, ∂r = β·∂S′ᵀk = ∂v, ∂β = ∂S′ᵀk·r
//	∂k = ∂S′·βr − αS·∂r, ∂α = ⟨∂S′ − k·∂rᵀ, S⟩, ∂S = α(∂S′ − k·∂rᵀ)
//
// That takes the memory before every token. One in ruleChunk of them is kept from a first
// pass over a question; the others are made anew from there, a chunk at a time. So a
// worker holds ruleChunk+1 memories, and one for every ruleChunk tokens of the longest
// question: for heads of 128, 4 MiB and 1 KiB a token, however many layers there are.
type ruleBack struct {
	d      *deltaNet
	g      *gradient
	worker int
	head   int // of values

	kept    []float32 // memories before the chunks of the prompt, behind it, and before the chunks of an answer
	states  []float32 // of a chunk: before its first token, and behind every one
	held    rowRange  // the rows of that chunk
	ds, sum []float32 // ∂F/∂ the memory, and what the answers add to it

	read, do, dn, r, dr, er []float32 // of a token
	dq, dk, p               []float32
	zero, unused            []float32
}

func (x *ruleBack) resize(c *weights.Delta) {
	n := c.HeadDim
	x.states = resize(x.states, (ruleChunk+1)*n*n)
	x.ds, x.sum = resize(x.ds, n*n), resize(x.sum, n*n)
	for _, s := range []*[]float32{&x.read, &x.do, &x.dn, &x.r, &x.dr, &x.er, &x.dq, &x.dk, &x.p, &x.zero, &x.unused} {
		*s = resize(*s, n)
	}
}

// key goes back, for one question, through the value heads that share a key head: from
// deltaBack.dy to its ds, which is 0 at first, its dz, and the derivatives by α and β.
func (x *ruleBack) key(d *deltaNet, g *gradient, worker int, t tree, key int) {
	c := g.m.config.Delta
	x.d, x.g, x.worker = d, g, worker
	x.resize(c)
	for x.head = key; x.head < c.ValueHeads; x.head += c.KeyHeads {
		x.question(t)
	}
	x.d, x.g = nil, nil
}

// state is the memory behind i tokens of the chunk.
func (x *ruleBack) state(i int) []float32 { return head(x.states, i, len(x.ds)) }

func (x *ruleBack) question(t tree) {
	x.kept = x.kept[:0]
	clear(x.state(0))
	x.forward(t.prompt)
	mark := len(x.kept)
	x.kept = append(x.kept, x.state(x.held.hi-x.held.lo)...)
	clear(x.sum)
	for _, a := range t.answers {
		if a.lo == a.hi {
			continue
		}
		x.kept = x.kept[:mark+len(x.ds)]
		copy(x.state(0), x.kept[mark:])
		x.forward(a)
		clear(x.ds)
		x.back(a, mark+len(x.ds))
		x.g.m.kernel.Add(x.sum, x.ds)
	}
	x.ds, x.sum = x.sum, x.ds
	x.back(t.prompt, 0)
}

// forward takes the memory state(0) over some rows, and keeps it before every chunk.
func (x *ruleBack) forward(rows rowRange) {
	for lo := rows.lo; lo < rows.hi; lo += ruleChunk {
		if lo > rows.lo {
			copy(x.state(0), x.state(ruleChunk))
		}
		x.kept = append(x.kept, x.state(0)...)
		x.run(rowRange{lo, min(lo+ruleChunk, rows.hi)})
	}
}

// run fills in the states of a chunk from its first on, and what is read from them.
func (x *ruleBack) run(chunk rowRange) {
	for i := range chunk.hi - chunk.lo {
		q, k, v, at := x.token(chunk.lo + i)
		copy(x.state(i+1), x.state(i))
		b := &x.g.delta
		x.g.m.kernel.DeltaRule(head(b.o, at, len(q)), x.state(i+1), q, k, v, b.alpha.x[at], b.beta.x[at])
	}
	x.held = chunk
}

// token is what the rule reads at a row, and the row's place among those of all heads.
func (x *ruleBack) token(row int) (q, k, v []float32, at int) {
	c := x.g.m.config.Delta
	q, k, v = x.parts(x.g.delta.u, row)
	return q, k, v, row*c.ValueHeads + x.head
}

// parts are the query, the key and the value of the head in a row of all channels.
func (x *ruleBack) parts(u []float32, row int) (q, k, v []float32) {
	c := x.g.m.config.Delta
	u = head(u, row, c.Channels())
	key := x.head % c.KeyHeads
	return head(u, key, c.HeadDim), head(u, c.KeyHeads+key, c.HeadDim), head(u, 2*c.KeyHeads+x.head, c.HeadDim)
}

// back goes from ds behind the last of some rows to that before the first. kept tells where
// their chunks' memories are.
func (x *ruleBack) back(rows rowRange, kept int) {
	size := len(x.ds)
	for i := (rows.hi - rows.lo - 1) / ruleChunk; i >= 0; i-- {
		lo := rows.lo + i*ruleChunk
		chunk := rowRange{lo, min(lo+ruleChunk, rows.hi)}
		if x.held != chunk {
			copy(x.state(0), x.kept[kept+i*size:][:size])
			x.run(chunk)
		}
		for r := chunk.hi - 1; r >= chunk.lo; r-- {
			x.tokenBack(r, x.state(r-chunk.lo), x.state(r-chunk.lo+1))
		}
	}
}

// tokenBack goes back over one row, the memory being before and after.
func (x *ruleBack) tokenBack(row int, before, after []float32) {
	b, set := &x.g.delta, x.g.m.kernel
	q, k, v, at := x.token(row)
	n := len(q)
	alpha, beta := b.alpha.x[at], b.beta.x[at]
	x.readBack(at)

	dq, dk, dv := x.parts(b.ds, row)
	set.Dots(x.dq, x.do, after)
	set.Add(dq, x.dq)
	for i := range q {
		set.WeightedSum(head(x.ds, i, n), q[i:i+1], x.do)
	}

	clear(x.r)
	set.WeightedSum(x.r, k, before)
	clear(x.dr)
	set.WeightedSum(x.dr, k, x.ds)
	for i, had := range x.r {
		x.r[i] = v[i] - float32(alpha*had)
		x.er[i] = beta * x.r[i]
	}
	b.beta.dx[at] = set.Dot(x.dr, x.r)
	for i, d := range x.dr {
		x.dr[i] = beta * d
	}
	copy(dv, x.dr)

	set.Dots(x.dk, x.er, x.ds)
	set.Dots(x.p, x.dr, before)
	for i, p := range x.p {
		x.dk[i] -= float32(alpha * p)
	}
	set.Add(dk, x.dk)
	b.alpha.dx[at] = set.Dot(x.ds, before) - set.Dot(k, x.p)

	// The rule itself, mending towards nothing, is its own way back.
	set.DeltaRule(x.unused, x.ds, k, k, x.zero, alpha, beta)
}

// readBack goes back through the gate z and the norm of what the head read, to do.
func (x *ruleBack) readBack(at int) {
	b, m, n := &x.g.delta, x.g.m, len(x.do)
	o, y := head(b.o, at, n), head(b.y, at, n)
	z := head(x.g.tape.output(x.d.below, tapedZ), at, n)
	copy(x.read, o)
	m.rmsNorm(o, x.read, x.d.headNorm)
	m.kernel.SwiGLU(y, z, o)
	m.kernel.SwiGLUGrad(head(b.dz, at, n), x.dn, head(b.dy, at, n), z, o)
	clear(x.do)
	x.g.normBack(x.worker, x.do, x.read, x.d.headNorm, x.dn)
}

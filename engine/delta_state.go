package engine

import "math/rand/v2"

// deltaFloats is what a sequence carries for the delta-nets: for each of them the last
// inputs of the convolution, [Taps−1][Channels], and the memories of the value heads,
// [ValueHeads][HeadDim][HeadDim], a row for every dimension of keys.
type deltaFloats struct{ windows, memories []float32 }

// deltaState is the state of the delta-nets. Every token overwrites it, so a sequence that
// parts from another has its own.
type deltaState struct {
	cache       *cache
	deltaFloats     // none before the first token
	n           int // tokens that it has seen
}

func newDeltaState(b *Batch, once bool) state {
	if once {
		return &deltaState{cache: &b.once}
	}
	return &deltaState{cache: &b.cache}
}

// reserve takes memory from the cache. What it holds is cleared by the blocks, with the
// first token.
func (s *deltaState) reserve(_, _ int) {
	if s.memories == nil {
		s.cache.ensure(0, 0, 1)
		s.deltaFloats = s.cache.delta.get()
	}
}

func (s *deltaState) advance(_, more int) { s.n += more }

func (s *deltaState) fork(n int) state {
	f := &deltaState{cache: s.cache, n: n}
	if n == 0 {
		return f
	}
	f.reserve(n, 0)
	if n == s.n { // otherwise the pass that processes the others fills it in
		copy(f.windows, s.windows)
		copy(f.memories, s.memories)
	}
	return f
}

func (s *deltaState) release(int) {
	if s.memories != nil {
		s.cache.delta.put(s.deltaFloats)
	}
	s.deltaFloats, s.n = deltaFloats{}, 0
}

// random makes up memories of about the size that they have in use.
func (s *deltaState) random(*Batch, *pass) {
	if s.n > 0 {
		return
	}
	rng := rand.New(rand.NewPCG(0, 0))
	for _, x := range [][]float32{s.windows, s.memories} {
		for i := range x {
			x[i] = rng.Float32() - 0.5
		}
	}
}

// deltaLayer is the part of a state for one delta-net.
type deltaLayer struct {
	window, memories []float32
	size             int // of one memory
}

// delta is what a sequence carries for a delta-net.
func (s *Seq) delta(d *deltaNet) deltaLayer {
	st := s.states[s.batch.model.deltaState].(*deltaState)
	layer := d.deltaLayer
	if st.cache.once {
		layer = 0
	}
	c := s.batch.model.config.Delta
	size := c.HeadDim * c.HeadDim
	return deltaLayer{
		head(st.windows, layer, (c.Taps-1)*c.Channels()), head(st.memories, layer, c.ValueHeads*size), size,
	}
}

// of is the memory of a value head.
func (l deltaLayer) of(h int) []float32 { return head(l.memories, h, l.size) }

// leaveWindows gives the sequences that part from others in this pass the last inputs
// before, and clears those of new sequences. m are all inputs.
func (d *deltaNet) leaveWindows(p *pass, m []float32) {
	for _, family := range p.families() {
		for _, r := range family {
			window := r.seq.delta(d).window
			if r.seq.n == 0 {
				clear(window)
			}
			for _, f := range r.forks {
				if n := f.n - r.seq.n; 0 < n && n <= len(r.tokens) {
					d.slide(f.delta(d).window, window, m, r.lo, n)
				}
			}
		}
	}
}

// slideWindows takes the windows of all sequences past their tokens.
func (d *deltaNet) slideWindows(p *pass, m []float32) {
	for _, family := range p.families() {
		for _, r := range family {
			window := r.seq.delta(d).window
			d.slide(window, window, m, r.lo, len(r.tokens))
		}
	}
}

// slide writes to to, which may be from, the window behind n more tokens: rows of m from
// the lo-th on.
func (d *deltaNet) slide(to, from, m []float32, lo, n int) {
	width := d.qkv.Rows
	stay := max(0, len(d.taps)-1-n) // rows of from
	copy(to, from[len(from)-stay*width:])
	fresh := len(d.taps) - 1 - stay
	copy(to[stay*width:], m[(lo+n-fresh)*width:(lo+n)*width])
}

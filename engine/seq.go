package engine

// state is what a sequence carries from its tokens to those to come, for all blocks of
// one kind.
type state interface {
	// reserve makes room for more tokens behind n, which a pass is about to process.
	reserve(n, more int)
	// advance is told that these are processed.
	advance(n, more int)
	// fork is the state of a continuation behind n tokens, which shares memory or has a
	// copy. Not all of the tokens need be processed: a pass that processes the others
	// brings the forks of its spans up to date, too.
	fork(n int) state
	// release gives the memory of n tokens back, and leaves the state of none.
	release(n int)
	// random makes up the state behind the tokens of the pass, for measuring.
	random(b *Batch, p *pass)
}

// Seq is one sequence of tokens: its patch, and what its tokens leave to those to come,
// such as keys and values. It belongs to the Batch that made it.
type Seq struct {
	batch   *Batch
	overlay *Overlay
	states  []state // as in Model.states
	n       int
}

// NewSeq starts an empty sequence under an overlay; nil is the model as it is.
func (b *Batch) NewSeq(o *Overlay) *Seq { return b.newSeq(o, false) }

// newSeq starts one that lives for one pass only, if once is true.
func (b *Batch) newSeq(o *Overlay, once bool) *Seq {
	s := &Seq{batch: b, overlay: o}
	for _, start := range b.model.states {
		s.states = append(s.states, start(b, once))
	}
	return s
}

// Len is the number of tokens processed so far.
func (s *Seq) Len() int { return s.n }

// Fork returns a copy of s that shares the cache of its tokens.
func (s *Seq) Fork() *Seq { return s.branch(s.n) }

// branch returns a continuation of s behind its first n tokens, which need not be
// processed yet.
func (s *Seq) branch(n int) *Seq {
	f := &Seq{batch: s.batch, overlay: s.overlay, n: n}
	for _, st := range s.states {
		f.states = append(f.states, st.fork(n))
	}
	return f
}

// reserve makes room for n more tokens.
func (s *Seq) reserve(n int) {
	for _, st := range s.states {
		st.reserve(s.n, n)
	}
}

// advance counts n more tokens as processed.
func (s *Seq) advance(n int) {
	for _, st := range s.states {
		st.advance(s.n, n)
	}
	s.n += n
}

// Release gives the cache back to the batch; s is then empty.
func (s *Seq) Release() {
	for _, st := range s.states {
		st.release(s.n)
	}
	s.n = 0
}

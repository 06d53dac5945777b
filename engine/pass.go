package engine

import (
	"context"
	"fmt"
	"slices"

	"bankai/internal/kernel"
)

// span is a run of tokens of one sequence, to be processed together.
type span struct {
	seq    *Seq
	forks  []*Seq // branches of seq that wait for these tokens
	tokens []int32
	want   int // tokens from this index on want logits
	tag    int // tells the caller whose logits they are
	index  int // of the first token, for the same purpose
	row    int // of the first token in a job's streams
}

// cut takes the first n tokens off s.
func (s *span) cut(n int) span {
	head := *s
	head.tokens = s.tokens[:n]
	s.tokens, s.want, s.index, s.row = s.tokens[n:], s.want-n, s.index+n, s.row+n
	return head
}

// job is what the passes of one call have in common.
type job struct {
	source
	sink
	scoring
}

// source is where the residual stream of passes comes from: from the embedding of
// their tokens, or, above cut 0, from where it was kept.
type source struct {
	from   Cut
	stream []float32 // [rows, Hidden]; unused at cut 0
}

// sink is where passes lead: to logits, or to a cut below, and whatever is kept of
// them on the way.
type sink struct {
	to   Cut // where they end, without logits; 0: with them
	emit func(rows []logitRow, logits []float32)
	keep map[Cut][]float32 // residual streams to fill, [rows, Hidden]
	// watch is called at every cut that a pass comes to, when its residual stream is in
	// Batch.x; nil: nobody looks.
	watch func(p *pass, c Cut)
	grad  *gradient // goes back from there, nil if nothing does
}

// scoring says what is made of the logits of questions.
type scoring struct {
	record  bool // the questions' references are yet to be made
	byToken bool // the scores of an answer are those of its tokens
}

// logitRow says whose logits a row holds: of the span tag, for its token index.
type logitRow struct{ tag, index int }

// token is one token of a pass.
type token struct {
	id, span, pos int  // the vocabulary's id; the span; the position in the sequence
	index, row    int  // see span
	wanted        bool // its logits are
}

// pass is what a forward pass knows of its tokens.
type pass struct {
	job
	spans    []span
	tokens   []token
	overlaid []region // where outputs need correcting
	longest  int      // tokens of a sequence, after the pass
	cos, sin []float32
	kin      [][]spanRows // see families
}

// region is a run of rows that one overlay covers.
type region struct {
	overlay *Overlay
	lo, hi  int
}

// feed processes spans, in order, in passes of at most b.max tokens.
func (b *Batch) feed(ctx context.Context, j job, spans []span) error {
	if err := b.check(spans); err != nil {
		return err
	}
	m := b.model
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, s := range spans {
		if o := s.seq.overlay; o != nil && o.version != m.version {
			return ErrStaleOverlay
		}
	}
	b.team = m.workers.start()
	defer b.team.stop()
	var part []span
	n := 0
	for _, s := range spans {
		for len(s.tokens) > 0 {
			part = append(part, s.cut(min(len(s.tokens), b.max-n)))
			if n += len(part[len(part)-1].tokens); n < b.max {
				continue
			}
			if err := b.forward(ctx, b.newPass(j, part, n)); err != nil {
				return err
			}
			part, n = part[:0], 0
		}
	}
	if n == 0 {
		return nil
	}
	return b.forward(ctx, b.newPass(j, part, n))
}

// check refuses what would read or write outside the model.
func (b *Batch) check(spans []span) error {
	seen := make(map[*Seq]bool, len(spans))
	for _, s := range spans {
		n := len(s.tokens)
		switch {
		case s.seq == nil || s.seq.batch != b:
			return fmt.Errorf("input %d: the sequence belongs to another batch", s.tag)
		case s.seq.overlay != nil && s.seq.overlay.model != b.model.here():
			return fmt.Errorf("input %d: %w", s.tag, &OtherModelError{"overlay"})
		case seen[s.seq]:
			return fmt.Errorf("input %d: the sequence is in this step twice", s.tag)
		case s.want < 0 || s.want > n:
			return fmt.Errorf("input %d: logits of %d positions wanted, but there are %d tokens", s.tag, n-s.want, n)
		}
		seen[s.seq] = true
		if err := b.model.checkTokens(s.tokens, s.seq.n); err != nil {
			return fmt.Errorf("input %d: %w", s.tag, err)
		}
	}
	return nil
}

// checkTokens refuses tokens that the model does not know, or has no room for
// behind n others.
func (m *Model) checkTokens(ids []int32, n int) error {
	c := m.config
	if n += len(ids); c.Context > 0 && n > c.Context {
		return &TooLongError{n, c.Context}
	}
	for _, id := range ids {
		if id < 0 || int(id) >= c.Vocab {
			return &TokenError{id, c.Vocab}
		}
	}
	return nil
}

// newPass prepares memory for the n tokens of spans.
func (b *Batch) newPass(j job, spans []span, n int) *pass {
	width := b.model.config.Hidden
	p := &pass{job: j, spans: spans, tokens: make([]token, 0, n)}
	for i, s := range spans {
		s.seq.reserve(len(s.tokens))
		p.longest = max(p.longest, s.seq.n+len(s.tokens))
		for k, id := range s.tokens {
			p.tokens = append(p.tokens, token{int(id), i, s.seq.n + k, s.index + k, s.row + k, k >= s.want})
		}
	}
	p.overlaid = p.regions(p.tokens)
	p.cos, p.sin = b.model.rope.upTo(p.longest)
	b.x, b.y = resize(b.x, n*width), resize(b.y, n*width)
	return p
}

func resize(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

// overlay is that of a token.
func (p *pass) overlay(k token) *Overlay { return p.spans[k.span].seq.overlay }

// regions lists the runs of tokens under one overlay each.
func (p *pass) regions(tokens []token) (all []region) {
	for t, k := range tokens {
		o := p.overlay(k)
		if o == nil {
			continue
		}
		if n := len(all); n > 0 && all[n-1].overlay == o && all[n-1].hi == t {
			all[n-1].hi = t + 1
			continue
		}
		all = append(all, region{o, t, t + 1})
	}
	return all
}

// narrow keeps only the tokens whose logits are wanted: above the last block that
// mixes tokens, nothing depends on the others. x is the residual stream.
func (p *pass) narrow(x []float32, width int) {
	p.pack(x, width)
	n := len(p.tokens)
	p.tokens = slices.DeleteFunc(p.tokens, func(k token) bool { return !k.wanted })
	if len(p.tokens) < n {
		p.overlaid = p.regions(p.tokens)
	}
}

// pack moves the rows of x that narrow will keep to where they then belong.
func (p *pass) pack(x []float32, width int) {
	n := 0
	for t, k := range p.tokens {
		if !k.wanted {
			continue
		}
		if n < t {
			copy(x[n*width:(n+1)*width], x[t*width:])
		}
		n++
	}
}

// spanRows is a span and the row of its first token.
type spanRows struct {
	*span
	lo int
}

// families are the spans, those together whose sequences part from another one of the
// pass, which comes first.
func (p *pass) families() [][]spanRows {
	if p.kin != nil {
		return p.kin
	}
	of, lo := map[*Seq]int{}, 0
	for i := range p.spans {
		s := &p.spans[i]
		n, ok := of[s.seq]
		if !ok {
			n = len(p.kin)
			p.kin = append(p.kin, nil)
		}
		p.kin[n] = append(p.kin[n], spanRows{s, lo})
		for _, f := range s.forks {
			of[f] = n
		}
		lo += len(s.tokens)
	}
	return p.kin
}

// forward runs one pass through the model.
func (b *Batch) forward(ctx context.Context, p *pass) error {
	m := b.model
	end := m.lastCut()
	if p.to > 0 {
		end = p.to
	}
	if p.from > m.mixing {
		p.narrow(b.x, 0)
	}
	b.enter(p)
	for c := max(p.from, 1); c < end; c++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.leave(p, c)
		m.above(c).forward(b, p)
	}
	b.leave(p, end)
	b.finish(p)
	if p.to == 0 {
		b.emitLogits(p)
	}
	if p.grad != nil {
		return p.grad.back(ctx, p)
	}
	return nil
}

// finish counts the tokens of a pass as processed.
func (b *Batch) finish(p *pass) {
	for _, s := range p.spans {
		s.seq.advance(len(s.tokens))
	}
	b.cache.settle()
	b.once.settle()
}

// enter begins the residual stream: with the embeddings, or as it was kept.
func (b *Batch) enter(p *pass) {
	m, width := b.model, b.model.config.Hidden
	b.each(len(p.tokens), func(_, t int) {
		x, k := b.x[t*width:(t+1)*width], p.tokens[t]
		if p.from > 0 {
			copy(x, p.stream[k.row*width:])
			return
		}
		p.overlay(k).of(m.embedding).embed(x, m.embedding, k.id)
	})
}

// leave keeps the residual stream at a cut where it is wanted, and shows it.
func (b *Batch) leave(p *pass, c Cut) {
	if p.watch != nil {
		p.watch(p, c)
	}
	kept, width := p.keep[c], b.model.config.Hidden
	if kept == nil {
		return
	}
	for t, k := range p.tokens {
		copy(kept[k.row*width:][:width], b.x[t*width:])
	}
}

// logitFloats bounds the memory of the logits of one emission (16 MiB).
const logitFloats = 4 << 20

// emitLogits computes the wanted logits, a few rows at a time.
func (b *Batch) emitLogits(p *pass) {
	m, vocab := b.model, b.model.config.Vocab
	var rows []logitRow
	var at []int // their places in the pass
	var tokens []token
	for t, k := range p.tokens {
		if k.wanted {
			rows, at, tokens = append(rows, logitRow{p.spans[k.span].tag, k.index}), append(at, t), append(tokens, k)
		}
	}
	step := max(kernel.MaxBlock, logitFloats/vocab/kernel.MaxBlock*kernel.MaxBlock)
	for lo := 0; lo < len(rows); lo += step {
		hi := min(lo+step, len(rows))
		b.normed(hi-lo, func(i int) int { return at[lo+i] }, m.outputNorm)
		b.logits = resize(b.logits, (hi-lo)*vocab)
		b.project(b.logits, m.head, p.regions(tokens[lo:hi]))
		p.emit(rows[lo:hi], b.logits)
		if p.grad != nil {
			p.grad.head(at[lo:hi])
		}
	}
}

package engine

import (
	"context"
	"fmt"
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
	from    Cut               // where the passes begin
	to      Cut               // where they end, without logits; 0: with them
	stream  []float32         // the residual stream there, [rows, Hidden]; unused at cut 0
	keep    map[Cut][]float32 // residual streams to fill, [rows, Hidden]
	emit    func(rows []logitRow, logits []float32)
	grad    *gradient // what comes back, if anything does
	record  bool      // the questions' references are yet to be made
	byToken bool      // the scores of an answer are those of its tokens
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
	cos, sin []float32
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
		case s.seq.overlay != nil && s.seq.overlay.model != b.model:
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
	c := b.model.config
	p := &pass{job: j, spans: spans, tokens: make([]token, 0, n)}
	longest := 0
	for i, s := range spans {
		s.seq.reserve(len(s.tokens))
		longest = max(longest, s.seq.n+len(s.tokens))
		for k, id := range s.tokens {
			p.tokens = append(p.tokens, token{int(id), i, s.seq.n + k, s.index + k, s.row + k, k >= s.want})
		}
	}
	p.overlaid = p.regions()
	p.cos, p.sin = b.model.rope.upTo(longest)
	for w := range b.rows {
		b.rows[w] = resize(b.rows[w], max(c.Hidden, c.FFN))
		b.scores[w] = resize(b.scores[w], c.Heads/c.KVHeads*(longest+1))
	}
	b.x, b.y = resize(b.x, n*c.Hidden), resize(b.y, n*c.Hidden)
	b.q = resize(b.q, n*c.Heads*c.HeadDim)
	b.k, b.v = resize(b.k, n*c.KVHeads*c.HeadDim), resize(b.v, n*c.KVHeads*c.HeadDim)
	b.gate, b.up = resize(b.gate, n*c.FFN), resize(b.up, n*c.FFN)
	return p
}

func resize(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

// overlay is that of token t.
func (p *pass) overlay(t int) *Overlay { return p.spans[p.tokens[t].span].seq.overlay }

// regions lists the runs of tokens under one overlay each.
func (p *pass) regions() (all []region) {
	for t := range p.tokens {
		o := p.overlay(t)
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

// narrow keeps only the tokens whose logits are wanted: above the last layer's
// keys and values, nothing depends on the others. x is the residual stream.
func (p *pass) narrow(x []float32, width int) {
	n := 0
	for t, k := range p.tokens {
		if !k.wanted {
			continue
		}
		if n < t {
			copy(x[n*width:(n+1)*width], x[t*width:])
		}
		p.tokens[n] = k
		n++
	}
	if n < len(p.tokens) {
		p.tokens = p.tokens[:n]
		p.overlaid = p.regions()
	}
}

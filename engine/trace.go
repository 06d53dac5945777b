package engine

import (
	"context"
	"math"

	"bankai/internal/kernel"
	"bankai/internal/weights"
)

// Trace tells where a patch acts on a text: token by token, what a model computes under an
// overlay beside what it computes as it is.
type Trace struct {
	// Cuts are the places where the residual streams were compared, from right above the
	// embedding to right below the head.
	Cuts []TracedCut
	// KL is Σ_v p·(ln p − ln q) at every token, in nats, where p are the probabilities of
	// the token behind it as the model is, and q those under the overlay. It is exactly 0
	// where the logits are the same. Rounding is below 1e-6 nats and 1e-5 of the value, so a
	// very small one may come out below 0.
	KL []float64
	// Base is what the model says as it is, and Patched what it says under the overlay.
	Base, Patched Said
}

// Said is what a model says behind every token of a text.
type Said struct {
	LogProbs  []float64 // ln p of the token that follows, nats; of all tokens but the last
	Likeliest []int32   // the likeliest token to follow, of equal ones that of the smallest id
}

// TracedCut compares the residual streams at one cut.
type TracedCut struct {
	Cut   Cut
	Layer int    // of the block right below; −1 above the embedding
	Part  string // what is right below: "embedding", "attention", "delta-net" or "mlp"

	// Difference is ‖x' − x‖₂ / ‖x‖₂ at every token, x being the stream of the model as it
	// is and x' that under the overlay. It is exactly 0 where they are the same, as below
	// the lowest matrix that is patched, and +Inf where x alone is 0.
	Difference []float32

	// What a token's stream would say here of the token that follows if the blocks above
	// were left out: ln p, nats, through the output norm and the head, those that the
	// overlay patches being patched. This is the logit lens (nostalgebraist, 2020). At all
	// tokens but the last; nil where it was not asked for, and inside of layers.
	BaseLens, PatchedLens []float64
}

// TraceOptions say what a trace tells beside the differences.
type TraceOptions struct {
	Lens bool // the logit lens above the embedding and every layer, at one run of the head each
}

// traceTokens is how many tokens of a text pass through the model at once, once as it is and
// once patched. Other work that waits for the processor waits for one such pass at most.
const traceTokens = 64

// Trace runs the model over a prompt, as it is and under an overlay, by one pass each. A nil
// overlay gives a trace without differences. The result has the same bits on every kernel
// set and number of threads.
func (m *Model) Trace(ctx context.Context, prompt []int32, o *Overlay, options TraceOptions) (*Trace, error) {
	if len(prompt) == 0 {
		return nil, ErrEmptyPrompt
	}
	if err := m.checkTokens(prompt, 0); err != nil {
		return nil, err
	}
	if err := m.checkOverlay(o); err != nil {
		return nil, err
	}
	t := m.newTracer(prompt, o, options)
	seqs := []*Seq{t.b.NewSeq(nil)}
	if o != nil {
		seqs = append(seqs, t.b.NewSeq(o))
	}
	defer func() {
		for _, s := range seqs {
			s.Release()
		}
	}()
	for lo := 0; lo < len(prompt); lo += traceTokens {
		part := prompt[lo:min(lo+traceTokens, len(prompt))]
		spans := make([]span, len(seqs))
		for i, s := range seqs {
			spans[i] = span{seq: s, tokens: part, tag: i, index: lo}
		}
		if err := t.b.feed(ctx, job{sink: sink{to: m.lastCut(), watch: t.at}}, spans); err != nil {
			return nil, err
		}
	}
	return t.trace, nil
}

// tracer fills a trace as passes go up.
type tracer struct {
	m       *Model
	b       *Batch
	prompt  []int32
	overlay *Overlay
	sides   int // of a pass: the model as it is, and under the overlay if there is one
	trace   *Trace
}

// newTracer makes room for the trace of a prompt.
func (m *Model) newTracer(prompt []int32, o *Overlay, options TraceOptions) *tracer {
	n := len(prompt)
	said := func() Said { return Said{make([]float64, n-1), make([]int32, n)} }
	t := &tracer{m: m, b: m.NewBatch(2 * traceTokens), prompt: prompt, overlay: o, sides: 1}
	t.trace = &Trace{KL: make([]float64, n), Base: said(), Patched: said()}
	if o != nil {
		t.sides = 2
	}
	for c := Cut(1); c <= m.lastCut(); c++ {
		at := TracedCut{Cut: c, Layer: -1, Part: weights.Embedding.String(), Difference: make([]float32, n)}
		if c > 1 {
			below := m.above(c - 1)
			at.Layer, at.Part = int(c-2)/2, partOf(below).String()
		}
		if options.Lens && c%2 == 1 { // above whole layers, which have two blocks each
			at.BaseLens, at.PatchedLens = make([]float64, n-1), make([]float64, n-1)
		}
		t.trace.Cuts = append(t.trace.Cuts, at)
	}
	return t
}

// partOf is what a block is of a layer.
func partOf(b block) weights.Part {
	switch b.(type) {
	case *attention:
		return weights.Attention
	case *deltaNet:
		return weights.DeltaNet
	}
	return weights.MLP
}

// at looks at the streams of a pass at a cut: first those of the model as it is, then those
// of the same tokens under the overlay.
func (t *tracer) at(p *pass, c Cut) {
	cut := &t.trace.Cuts[c-1]
	width, n, first := t.m.config.Hidden, len(p.tokens)/t.sides, p.tokens[0].index
	if t.sides == 2 {
		t.b.each(n, func(_, i int) {
			cut.Difference[first+i] = relativeDifference(head(t.b.x, n+i, width), head(t.b.x, i, width))
		})
	}
	if last := c == t.m.lastCut(); last || cut.BaseLens != nil {
		t.read(n, func(i int, base, patched []float32, scratch []float32) {
			if cut.BaseLens != nil {
				t.follow(cut.BaseLens, cut.PatchedLens, first+i, base, patched)
			}
			if last {
				t.say(first+i, base, patched, scratch)
			}
		})
	}
}

// relativeDifference is ‖x − base‖₂ / ‖base‖₂. The sums are float64, in the order of the
// elements.
func relativeDifference(x, base []float32) float32 {
	var apart, size float64
	for i, b := range base {
		d := float64(x[i]) - float64(b)
		apart += float64(d * d)
		size += float64(float64(b) * float64(b))
	}
	if apart == 0 {
		return 0
	}
	return float32(math.Sqrt(apart) / math.Sqrt(size))
}

// read computes the logits of the stream of n tokens, as it is at the cut that a pass has
// come to, and calls f for each of them, from several goroutines. Without an overlay both
// rows are one.
func (t *tracer) read(n int, f func(i int, base, patched, scratch []float32)) {
	b, vocab := t.b, t.m.config.Vocab
	step := max(kernel.MaxBlock, logitFloats/vocab/kernel.MaxBlock*kernel.MaxBlock) / t.sides
	for lo := 0; lo < n; lo += step {
		k := min(step, n-lo)
		b.normed(t.sides*k, func(i int) int { return i/k*n + lo + i%k }, t.m.outputNorm)
		b.logits = resize(b.logits, t.sides*k*vocab)
		var overlaid []region
		if t.sides == 2 {
			overlaid = []region{{t.overlay, k, 2 * k}}
		}
		b.project(b.logits, t.m.head, overlaid)
		b.team.run(k, logitGrain/vocab, func(worker, from, to int) {
			for i := from; i < to; i++ {
				f(lo+i, head(b.logits, i, vocab), head(b.logits, (t.sides-1)*k+i, vocab), b.row(worker, vocab))
			}
		})
	}
}

// follow sets the log-probabilities of the token behind token i, if there is one.
func (t *tracer) follow(ofBase, ofPatched []float64, i int, base, patched []float32) {
	if i+1 == len(t.prompt) {
		return
	}
	next := t.prompt[i+1]
	ofBase[i] = float64(base[next]) - t.m.LogSumExp(base)
	ofPatched[i] = float64(patched[next]) - t.m.LogSumExp(patched)
}

// say sets what is said behind token i. scratch has room for a row.
func (t *tracer) say(i int, base, patched, scratch []float32) {
	r := t.trace
	t.follow(r.Base.LogProbs, r.Patched.LogProbs, i, base, patched)
	r.Base.Likeliest[i], r.Patched.Likeliest[i] = t.m.likeliestOf(base), t.m.likeliestOf(patched)
	lse := t.m.LogSumExp(base)
	copy(scratch, base)
	softmax(t.m.kernel, scratch, lse)
	r.KL[i] = expected(scratch, base, lse) - expected(scratch, patched, t.m.LogSumExp(patched))
}

// likeliestOf is the token that greedy decoding chooses.
func (m *Model) likeliestOf(logits []float32) int32 {
	most := m.kernel.Max(logits)
	for id, v := range logits {
		if v == most {
			return int32(id)
		}
	}
	return 0 // of logits that are no numbers
}

package engine

import (
	"context"

	"bankai/internal/kernel"
)

// Batch runs sequences together. It owns their key-value caches and the memory
// of a pass, and must not be used by two goroutines at once.
type Batch struct {
	model *Model
	max   int // tokens in one pass
	cache cache
	once  cache // of sequences that live for one pass
	team  *team // while a step runs

	// One pass: n tokens, [n, width] each.
	x      []float32 // residual stream, Hidden
	y      []float32 // Hidden: a projection's output on its way to x
	acts   kernel.Acts
	floats []float32   // what acts was set to, if the model has an adapter
	rows   [][]float32 // per worker: for a row on its way to acts
	logits []float32
	attentionMemory
	deltaMemory
	mlpMemory

	// What overlays change in a product, computed apart.
	fixes []correction
	fixed []float32
	parts []kernel.Part // per worker: the tokens of a correction
}

// Input asks for one step of a sequence: its next tokens, and for how many of
// the last of them the logits are wanted (0: none, 1: the next-token logits).
type Input struct {
	Seq    *Seq
	Tokens []int32
	Logits int
}

// NewBatch returns an empty batch. maxTokens bounds the memory of a pass: longer
// input is processed in parts, with the same result. 0 means 512.
func (m *Model) NewBatch(maxTokens int) *Batch {
	if maxTokens <= 0 {
		maxTokens = 512
	}
	return &Batch{
		model: m, max: maxTokens,
		cache: newCache(m, false),
		once:  newCache(m, true),
		rows:  make([][]float32, m.workers),
		parts: make([]kernel.Part, m.workers),
		attentionMemory: attentionMemory{
			scores:  make([][]float32, m.workers),
			queries: make([]kernel.Queries, m.workers),
		},
	}
}

// ask scores questions in one of the model's own batches, of the usual size, which the next
// questions use again: those that come a few at a time would otherwise pay for new memory
// each time.
func (m *Model) ask(ctx context.Context, j job, qs []asked) ([][]Answer, error) {
	b, ok := m.batches.Get().(*Batch)
	if !ok {
		b = m.NewBatch(0)
	}
	defer m.batches.Put(b)
	return b.score(ctx, j, qs)
}

// Step feeds tokens to sequences and returns, per input, its logits: [Logits,
// Vocab], row-major. After an error no sequence has advanced past its last
// complete part, and the sequences should be released.
func (b *Batch) Step(ctx context.Context, in []Input) ([][]float32, error) {
	out := make([][]float32, len(in))
	err := b.Each(ctx, in, func(i, _ int, logits []float32) { out[i] = append(out[i], logits...) })
	return out, err
}

// Each is Step with the logits handed to f one row at a time: of input i, for
// its token pos. f must not keep the row.
func (b *Batch) Each(ctx context.Context, in []Input, f func(i, pos int, logits []float32)) error {
	vocab := b.model.config.Vocab
	emit := func(rows []logitRow, logits []float32) {
		for n, r := range rows {
			f(r.tag, r.index, logits[n*vocab:(n+1)*vocab])
		}
	}
	return b.feed(ctx, job{sink: sink{emit: emit}}, spansOf(in))
}

// spansOf lays out inputs. The tag of a span is the input's index.
func spansOf(in []Input) []span {
	spans := make([]span, len(in))
	for i, input := range in {
		spans[i] = span{seq: input.Seq, tokens: input.Tokens, want: len(input.Tokens) - input.Logits, tag: i}
	}
	return spans
}

// tokenGrain is the number of tokens a worker takes at a time.
const tokenGrain = 8

// each calls f for every row of a pass, in parallel.
func (b *Batch) each(n int, f func(worker, t int)) {
	b.team.run(n, tokenGrain, func(worker, lo, hi int) {
		for t := lo; t < hi; t++ {
			f(worker, t)
		}
	})
}

// row is a worker's memory for a row on its way to acts.
func (b *Batch) row(worker, width int) []float32 {
	b.rows[worker] = resize(b.rows[worker], width)
	return b.rows[worker]
}

// head is the i-th slice of d floats.
func head(x []float32, i, d int) []float32 { return x[i*d : (i+1)*d] }

// logitGrain is how many logits a worker takes at a time, unless a row has more.
const logitGrain = 4096

// eachRow feeds spans and calls f once for each row of logits, from several
// goroutines.
func (b *Batch) eachRow(ctx context.Context, j job, spans []span, f func(r logitRow, logits []float32)) error {
	vocab := b.model.config.Vocab
	j.emit = func(rows []logitRow, logits []float32) {
		b.team.run(len(rows), logitGrain/vocab, func(_, lo, hi int) {
			for n, r := range rows[lo:hi] {
				f(r, logits[(lo+n)*vocab:][:vocab])
			}
		})
	}
	return b.feed(ctx, j, spans)
}

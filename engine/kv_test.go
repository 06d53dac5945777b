package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bankai/internal/kernel"
	"bankai/internal/weights"
)

// feedAll feeds ids to s in steps of at most so many, and returns their logits.
func feedAll(t *testing.T, s *Seq, ids []int32, step int) (logits []float32) {
	t.Helper()
	for part := range slices.Chunk(ids, step) {
		out, err := s.batch.Step(context.Background(), []Input{{s, part, len(part)}})
		if err != nil {
			t.Fatal(err)
		}
		logits = append(logits, out[0]...)
	}
	return logits
}

// However a sequence is cut into steps it has the same bits, and between them the
// same memory: its newest blocks as floats, the older ones as int8.
func TestStepsDoNotChangeTheCache(t *testing.T) {
	for name, shape := range allShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			m := testModel(t, shape, Options{Precision: precision})
			ids := randomIDs(rand.New(rand.NewPCG(30, 1)), 330, shape.Vocab)
			want := logitsOf(t, m, nil, ids)
			for _, step := range []int{1, 7, 16, 64, len(ids)} {
				what := fmt.Sprintf("%s, %v, steps of %d", name, precision, step)
				b := m.NewBatch(0)
				s := b.NewSeq(nil)
				var got []float32
				for part := range slices.Chunk(ids, step) {
					got = append(got, feedAll(t, s, part, step)...)
					if held := b.cache.floats.used; precision == Fast && held > nearBlocks {
						t.Fatalf("%s: %d tokens hold %d blocks of floats", what, s.Len(), held)
					}
					if used, want := b.Memory().Used, m.SeqBytes(s.Len()); used != want {
						t.Fatalf("%s: %d tokens take %d bytes, want %d", what, s.Len(), used, want)
					}
				}
				sameBits(t, what, got, want)
				s.Release()
				if used := b.Memory().Used; used != 0 {
					t.Errorf("%s: released, but %d bytes are in use", what, used)
				}
			}
		}
	}
}

// On the 8B's shape a sequence grows by 5 MB for 16 tokens of floats and 11 MB for
// 128 of int8; in all, by 87 KB a token.
func TestSeqBytes(t *testing.T) {
	m := &Model{config: weights.Config{KVHeads: 8, HeadDim: 128}, kvLayers: 36}
	for n := 1; n <= 8192; n++ {
		if grown := m.SeqBytes(n) - m.SeqBytes(n-1); grown > 16e6 {
			t.Errorf("token %d takes %d bytes", n, grown)
		}
	}
	for tokens, megabytes := range map[int]int64{0: 0, 1: 4, 127: 37, 129: 48, 2048: 202, 8192: 712} {
		if got := m.SeqBytes(tokens) / 1e6; got != megabytes {
			t.Errorf("%d tokens: %d MB, want %d", tokens, got, megabytes)
		}
	}
}

// On the 27B's shape the delta-nets' state takes 157 MB whatever the length; 8,192 tokens
// beside the 3.8 GB of weights are far from 8 GB.
func TestSeqBytesOfAHybrid(t *testing.T) {
	m := &Model{
		config: weights.Config{
			KVHeads: 4, HeadDim: 256,
			Delta: &weights.Delta{KeyHeads: 16, ValueHeads: 48, HeadDim: 128, Taps: 4},
		},
		kvLayers: 16, deltaLayers: 48,
	}
	if got := m.SeqBytes(0); got != 156_893_184 {
		t.Errorf("the state takes %d bytes, want 156,893,184", got)
	}
	for tokens, megabytes := range map[int]int64{1: 158, 2048: 247, 8192: 473} {
		if got := m.SeqBytes(tokens) / 1e6; got != megabytes {
			t.Errorf("%d tokens: %d MB, want %d", tokens, got, megabytes)
		}
	}
}

// A fork costs its last, partly filled block, and what it adds.
func TestForksShareTheCache(t *testing.T) {
	const common = 250
	shape := shapes["tied, head_dim 64"]
	m := testModel(t, shape, Options{})
	rng := rand.New(rand.NewPCG(31, 1))
	ids := randomIDs(rng, common, shape.Vocab)
	b := m.NewBatch(0)
	s := b.NewSeq(nil)
	feedAll(t, s, ids, common)
	alone := b.Memory().Used
	snapshot := s.Fork()
	if more := b.Memory().Used - alone; more != m.SeqBytes(1) {
		t.Errorf("a fork takes %d bytes, want those of one block, %d", more, m.SeqBytes(1))
	}

	// What all have left is free, though three hold it; what was common when it
	// became far is there once.
	fork := s.Fork()
	for i, seq := range []*Seq{s, fork} {
		step := []int{5, 16}[i]
		more := randomIDs(rng, 250, shape.Vocab)
		whole := logitsOf(t, m, nil, append(slices.Clone(ids), more...))
		sameBits(t, fmt.Sprintf("continued in steps of %d", step), feedAll(t, seq, more, step), whole[common*shape.Vocab:])
	}
	if held := b.cache.floats.used; held > 3*nearBlocks {
		t.Errorf("three sequences hold %d blocks of floats", held)
	}
	most := m.cacheChunks(common+128) + 2*(m.cacheChunks(common+250)-m.cacheChunks(common)+1)
	if got := b.cache.far.used; got > most {
		t.Errorf("three sequences hold %d chunks of int8, more than %d", got, most)
	}
	snapshot.Release()
	s.Release()
	if held := b.cache.floats.used; held > nearBlocks {
		t.Errorf("the last sequence holds %d blocks of floats", held)
	}
	fork.Release()
	if used := b.Memory().Used; used != 0 {
		t.Errorf("all are released, but %d bytes are in use", used)
	}
}

// cacheChunks is how many chunks of int8 a sequence of so many tokens has.
func (m *Model) cacheChunks(tokens int) int {
	c := newCache(m, false)
	return (c.farBlocks(tokens) + farRun - 1) / farRun
}

// Forks that come and go behind a snapshot reuse the places of those before.
func TestPlacesAreReused(t *testing.T) {
	shape := shapes["tied, head_dim 64"]
	m := testModel(t, shape, Options{})
	ids := randomIDs(rand.New(rand.NewPCG(32, 1)), 200, shape.Vocab)
	b := m.NewBatch(0)
	snapshot := b.NewSeq(nil)
	feedAll(t, snapshot, ids, 200)
	var used []int64
	for range 3 {
		f := snapshot.Fork()
		feedAll(t, f, ids, 200)
		used = append(used, b.Memory().Used)
		f.Release()
	}
	if used[1] != used[0] || used[2] != used[0] {
		t.Errorf("one fork after another takes %v bytes", used)
	}
}

// Answers share their prompt's keys and values, in one pass and in many; and of a
// prompt of many passes only the newest are floats.
func TestAnswersShareThePrompt(t *testing.T) {
	shape := shapes["untied, head_dim 128"]
	m := testModel(t, shape, Options{})
	rng := rand.New(rand.NewPCG(33, 1))
	q := Question{Prompt: randomIDs(rng, 403, shape.Vocab)}
	for range 4 {
		q.Answers = append(q.Answers, randomIDs(rng, 20, shape.Vocab))
	}
	var want [][]Answer
	for _, pass := range []int{512, 64, 16} {
		b := m.NewBatch(pass)
		got, err := b.score(context.Background(), job{}, []asked{{Question: q}})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("passes of %d: %v, want %v", pass, got, want)
		}
		c, blocks := &b.once, blocksOf(len(q.Prompt))
		if pass < len(q.Prompt) {
			c, blocks = &b.cache, nearBlocks+blocksOf(pass)+1
		}
		if most := blocks + len(q.Answers)*(blocksOf(20)+1); c.floats.peak > most {
			t.Errorf("passes of %d: %d blocks of floats, more than %d", pass, c.floats.peak, most)
		}
		if most := m.cacheChunks(len(q.Prompt) + 20); c.far.peak > most {
			t.Errorf("passes of %d: %d chunks of int8, more than %d", pass, c.far.peak, most)
		}
		if used := b.Memory().Used; used != 0 {
			t.Errorf("passes of %d: %d bytes are still in use", pass, used)
		}
	}
}

// cancelled is a context that is cancelled once it was asked so many times.
type cancelled struct {
	context.Context
	after int
}

func (c *cancelled) Err() error {
	if c.after--; c.after < 0 {
		return context.Canceled
	}
	return nil
}

// A step that is cancelled between two layers leaves those that share its cache as
// they were.
func TestCancelledForkLeavesItsOrigin(t *testing.T) {
	shape := shapes["untied, head_dim 128"]
	m := testModel(t, shape, Options{})
	ids := randomIDs(rand.New(rand.NewPCG(34, 1)), 300, shape.Vocab)
	want := logitsOf(t, m, nil, ids)
	for after := range 2 * shape.Layers {
		b := m.NewBatch(0)
		s := b.NewSeq(nil)
		feedAll(t, s, ids[:200], 200)
		f := s.Fork()
		if _, err := b.Step(&cancelled{context.Background(), after}, []Input{{f, ids[:100], 0}}); err != context.Canceled {
			t.Fatal(err)
		}
		f.Release()
		sameBits(t, fmt.Sprintf("after %d sublayers", after), feedAll(t, s, ids[200:], 9), want[200*shape.Vocab:])
		if used, want := b.Memory().Used, m.SeqBytes(s.Len()); used != want {
			t.Errorf("after %d sublayers: %d bytes, want %d", after, used, want)
		}
	}
}

// What a long prompt took goes while tokens are generated behind it, and the rest
// when it is told to.
func TestFreeMemory(t *testing.T) {
	shape := shapes["tied, head_dim 64"]
	m := testModel(t, shape, Options{})
	ids := randomIDs(rand.New(rand.NewPCG(35, 1)), 380, shape.Vocab)
	b := m.NewBatch(0)
	s := b.NewSeq(nil)
	feedAll(t, s, ids, 380)
	if free := len(b.cache.floats.free); free < 15 {
		t.Fatalf("%d blocks are free after the prompt", free)
	}
	feedAll(t, s, ids[:2*stockWindow], 1)
	if free := len(b.cache.floats.free); free > 1 {
		t.Errorf("%d blocks are still free later", free)
	}
	s.Release()
	if b.Memory().Free == 0 {
		t.Error("a released sequence leaves nothing to the next")
	}
	b.Trim()
	if got := b.Memory(); got != (Memory{}) {
		t.Errorf("%+v after Trim", got)
	}
}

// Passes that take as much as those before them ask for no new memory.
func TestStock(t *testing.T) {
	made := 0
	s := stock[int]{make: func() int { made++; return made }}
	pass := func(n int) {
		var pieces []int
		for range n {
			pieces = append(pieces, s.get())
		}
		s.settle()
		for _, x := range pieces {
			s.put(x)
		}
	}
	for range 5 * stockWindow {
		pass(7)
		pass(3)
	}
	if made != 7 || len(s.free) != 7 {
		t.Errorf("%d pieces made, %d free, want 7", made, len(s.free))
	}
	for range 2 * stockWindow {
		pass(3)
	}
	pass(3)
	if len(s.free) != 3 || s.used != 0 {
		t.Errorf("%d pieces are free, %d in use, when 3 are needed", len(s.free), s.used)
	}
}

// Random keys and values take the room and the path of computed ones.
func TestFillRandom(t *testing.T) {
	shape := shapes["tied, head_dim 64"]
	m := testModel(t, shape, Options{})
	b := m.NewBatch(100)
	s := b.NewSeq(nil)
	s.FillRandom(333)
	if used, want := b.Memory().Used, m.SeqBytes(333); s.Len() != 333 || used != want {
		t.Errorf("%d tokens in %d bytes, want 333 in %d", s.Len(), used, want)
	}
	again := m.NewBatch(0).NewSeq(nil)
	again.FillRandom(333)
	got := feedAll(t, s, []int32{1, 2, 3}, 1)
	sameBits(t, "filled again", feedAll(t, again, []int32{1, 2, 3}, 3), got)
	if most := kernel.Generic.Max(got); !(most < 1e6) {
		t.Errorf("the largest logit is %v", most)
	}
}

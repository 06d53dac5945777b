package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bankai"
	"bankai/internal/testmodel"
)

// randomQuestions have prompts and answers of many lengths: answers of one token
// need no pass of their own, prompts of 16 fill a block of the cache.
func randomQuestions(rng *rand.Rand, n, vocab int) []Question {
	qs := make([]Question, n)
	for i := range qs {
		qs[i].Prompt = randomIDs(rng, 1+rng.IntN(40), vocab)
		if i == 0 {
			qs[i].Prompt = randomIDs(rng, 16, vocab)
		}
		for range 1 + rng.IntN(3) {
			qs[i].Answers = append(qs[i].Answers, randomIDs(rng, 1+rng.IntN(20), vocab))
		}
	}
	return qs
}

// Teacher-forced scoring is what step-by-step decoding says, one token at a time.
func TestScoreIsStepwiseDecoding(t *testing.T) {
	for name, shape := range allShapes() {
		m := testModel(t, shape, Options{})
		rng := rand.New(rand.NewPCG(4, 4))
		qs := randomQuestions(rng, 7, shape.Vocab)
		for _, n := range []int{130, 300} { // old positions are read as int8
			qs = append(qs, Question{Prompt: randomIDs(rng, n, shape.Vocab), Answers: [][]int32{randomIDs(rng, 18, shape.Vocab), randomIDs(rng, 2, shape.Vocab)}})
		}
		got, err := m.Score(context.Background(), qs)
		if err != nil {
			t.Fatal(err)
		}
		small, err := scoreInPasses(m, 50, qs)
		if err != nil || !reflect.DeepEqual(small, got) {
			t.Errorf("%s: in passes of 50 tokens the scores differ (%v)", name, err)
		}
		for i, q := range qs {
			for k, a := range q.Answers {
				var want Answer
				b := m.NewBatch(0)
				s := b.NewSeq(nil)
				next := q.Prompt
				for n, id := range a {
					logits, err := b.Step(context.Background(), []Input{{s, next, 1}})
					if err != nil {
						t.Fatal(err)
					}
					j := m.judged(logits[0], m.LogSumExp(logits[0]), id)
					j.Rank = m.rank(logits[0], id)
					if n == 0 {
						want = j
					} else {
						want = sumOf([]Answer{want, j})
					}
					next = a[n : n+1]
				}
				if got[i][k] != want {
					t.Errorf("%s: question %d, answer %d: %+v, want %+v", name, i, k, got[i][k], want)
				}
			}
		}
	}
}

// scoreInPasses is Model.Score with smaller passes.
func scoreInPasses(m *Model, max int, qs []Question) ([][]Answer, error) {
	all := make([]asked, len(qs))
	for i, q := range qs {
		all[i].Question = q
	}
	return m.NewBatch(max).score(context.Background(), job{}, all)
}

// A patch scored from a kept stream gets the bits of the whole pass, whatever
// the tensor, the cuts that are kept, and what runs beside it.
func TestTrunkEqualsScore(t *testing.T) {
	ctx := context.Background()
	for name, shape := range someShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			w, m := testBench(t, shape, Options{Precision: precision})
			qs := randomQuestions(rand.New(rand.NewPCG(5, 5)), 20, shape.Vocab)
			if err := w.Apply(patchOf(m, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 3, N: bankai.ToEnd})); err != nil {
				t.Fatal(err)
			}
			all := make([]Cut, m.lastCut())
			for i := range all {
				all[i] = Cut(i + 1)
			}
			var branches []Branch
			var asked []Question
			for _, tensor := range m.Weights().Tensors() {
				if m.matrices[tensor.Name] == nil {
					continue
				}
				o, err := m.Overlay(patchOf(m, bankai.Flip{Tensor: tensor.Name, Row: uint32(5 % tensor.Rows), N: bankai.ToEnd}))
				if err != nil {
					t.Fatal(err)
				}
				for i := len(branches) % 7; i < len(qs); i += 7 {
					branches = append(branches, Branch{i, o, m.CutBelow(tensor.Name)})
					asked = append(asked, Question{Prompt: qs[i].Prompt, Answers: qs[i].Answers, Overlay: o})
				}
			}
			want, err := m.Score(ctx, asked)
			if err != nil {
				t.Fatal(err)
			}
			for _, cuts := range [][]Cut{all, all[len(all)-1:], {2}, nil} {
				got, err := newTrunk(t, m, qs, cuts).Score(ctx, branches)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s %v, cuts %v: a branch scores otherwise than the whole pass", name, precision, cuts)
				}
			}
		}
	}
}

// A trunk that follows a patch in place is as one made there.
func TestTrunkMove(t *testing.T) {
	ctx := context.Background()
	shape := shapes["untied, head_dim 128"]
	w, m := testBench(t, shape, Options{})
	qs := randomQuestions(rand.New(rand.NewPCG(6, 6)), 10, shape.Vocab)
	for _, tensor := range []string{"token_embd.weight", "blk.0.attn_v.weight", "blk.1.ffn_down.weight", "blk.2.ffn_gate.weight", "output.weight"} {
		cuts := []Cut{1, 3, 4, 6, 7}
		p := patchOf(m, bankai.Flip{Tensor: tensor, Row: 7, N: bankai.ToEnd})
		moved := newTrunk(t, m, qs, cuts)
		if err := w.Apply(p); err != nil {
			t.Fatal(err)
		}
		made := newTrunk(t, m, qs, cuts)
		if err := moved.Move(ctx, m.CutBelow(tensor)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(moved.Answers(), made.Answers()) {
			t.Errorf("%s: other answers", tensor)
		}
		for _, c := range cuts {
			if c < m.lastCut()-1 { // above, only the tokens whose logits are wanted have a stream
				sameBits(t, fmt.Sprintf("%s: the stream at cut %d", tensor, c), moved.streams[c], made.streams[c])
			}
		}
	}
}

func patchOf(m *Model, flips ...bankai.Flip) *bankai.Patch {
	return bankai.New(m.Digest(), bankai.Meta{}, flips...)
}

func newTrunk(t *testing.T, m *Model, qs []Question, cuts []Cut) *Trunk {
	t.Helper()
	trunk, err := m.NewTrunk(context.Background(), qs, cuts...)
	if err != nil {
		t.Fatal(err)
	}
	return trunk
}

// Work counts what the kernels multiply: the layers for all tokens, the last
// one's for those whose logits are wanted, and the head for those. That may be more
// than an int of 32 bits counts.
func TestWork(t *testing.T) {
	m := testModel(t, testmodel.Shape{Layers: 2, Hidden: 128, FFN: 256, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 320}, Options{})
	for _, prompt := range []int64{5, 100_000} {
		q := Question{Prompt: make([]int32, prompt), Answers: [][]int32{make([]int32, 1), make([]int32, 4)}}
		tokens, logits := prompt+3, int64(4)
		attention := func(kv, qo int64) int64 { return 2*kv*128*128 + 2*qo*256*128 }
		mlp := func(n int64) int64 { return 3 * n * 256 * 128 }
		last := attention(tokens, logits) + mlp(logits)
		for from, want := range map[Cut]int64{
			0: attention(tokens, tokens) + mlp(tokens) + last, 1: attention(tokens, tokens) + mlp(tokens) + last,
			2: mlp(tokens) + last, 3: last, 4: mlp(logits), 5: 0,
		} {
			want += logits * 320 * 128
			if got := m.Work(q, from); got != float64(want) {
				t.Errorf("%d tokens from cut %d: %v products, want %d", tokens, from, got, want)
			}
		}
	}
}

// What was tried and is adopted is as if the trunk had been moved there.
func TestAdopt(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{})
	rng := rand.New(rand.NewPCG(23, 23))
	var qs []Question
	for range 9 {
		qs = append(qs, Question{Prompt: randomIDs(rng, 9, 300), Answers: [][]int32{randomIDs(rng, 4, 300), randomIDs(rng, 2, 300)}})
	}
	flip := func(tensor string, row uint32) *bankai.Patch {
		return bankai.New(m.Digest(), bankai.Meta{}, bankai.Flip{Tensor: tensor, Row: row, N: bankai.ToEnd})
	}
	ctx := context.Background()
	adopted, moved := newTrunk(t, m, qs, []Cut{1, 2, 4}), newTrunk(t, m, qs, []Cut{1, 2, 4})
	if adopted.Adopt() {
		t.Error("adopted what was never tried")
	}
	for i, tensor := range []string{"blk.1.ffn_up.weight", "blk.0.attn_v.weight", "blk.0.ffn_down.weight"} {
		p := flip(tensor, uint32(i))
		for _, other := range []*bankai.Patch{flip("blk.0.ffn_gate.weight", 3), p} { // the last one counts
			o, err := m.Overlay(other)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := adopted.Try(ctx, o, m.CutBelow(other.Flips()[0].Tensor)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Apply(p); err != nil {
			t.Fatal(err)
		}
		if err := moved.Move(ctx, m.CutBelow(tensor)); err != nil {
			t.Fatal(err)
		}
		if !adopted.Adopt() || adopted.Adopt() {
			t.Error("a try can be adopted once")
		}
		if !reflect.DeepEqual(adopted.Answers(), moved.Answers()) {
			t.Errorf("%s: adopted answers differ", tensor)
		}
		for c, want := range moved.streams {
			if !slices.Equal(adopted.streams[c], want) {
				t.Errorf("%s: the stream at cut %d differs", tensor, c)
			}
		}
	}
}

package main

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/anatomy"
	"bankai/internal/enginetest"
	"bankai/measure"
)

// The perplexity is that of the definition: every token of a line but the first,
// judged by the logits before it.
func TestPerplexity(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	lines := []string{"hello the end", "a", "x = 1"}
	var sum float64
	n := 0
	for _, line := range lines {
		ids := m.Tokenizer().Encode(line + "\n")
		b := m.NewBatch(0)
		rows, err := b.Step(context.Background(), []engine.Input{{Seq: b.NewSeq(nil), Tokens: ids, Logits: len(ids)}})
		if err != nil {
			t.Fatal(err)
		}
		vocab := m.Config().Vocab
		for i, id := range ids[1:] {
			row := rows[0][i*vocab : (i+1)*vocab]
			sum += float64(row[id]) - m.LogSumExp(row)
			n++
		}
	}
	want := math.Exp(-sum / float64(n))
	got, err := measure.Perplexity(context.Background(), m, nil, lines)
	if err != nil || math.Abs(got-want) > 1e-9*want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// A line of any length is scored, in parts.
func TestPerplexityOfALongLine(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	long := strings.Repeat("z", 1500)
	if p, err := measure.Perplexity(context.Background(), m, nil, []string{long}); err != nil || !(p > 1) {
		t.Errorf("got %v, %v", p, err)
	}
	if p, err := measure.Perplexity(context.Background(), m, nil, []string{"", ""}); err == nil {
		t.Errorf("a text without a token to predict has perplexity %v", p)
	}
}

// The table of a patch has all its flips, whatever it flips.
func TestFlipTable(t *testing.T) {
	p := bankai.New(bankai.Digest{}, bankai.Meta{},
		bankai.Flip{Tensor: "blk.11.ffn_up.weight", Row: 1, N: bankai.ToEnd},
		bankai.Flip{Tensor: "blk.11.ffn_up.weight", Row: 2, Col: 128, N: 128},
		bankai.Flip{Tensor: "blk.3.attn_q.weight", Row: 9, N: bankai.ToEnd},
		bankai.Flip{Tensor: "token_embd.weight", Row: 9, Col: 3, N: 2},
	)
	tensors := anatomy.FlipsByTensor(p)
	var names []string
	flips := 0
	for _, x := range tensors {
		names = append(names, x.Tensor)
		flips += x.Flips
	}
	if want := []string{"blk.3.attn_q.weight", "blk.11.ffn_up.weight", "token_embd.weight"}; !slices.Equal(names, want) || flips != p.Len() {
		t.Errorf("got %v with %d flips, want %v with %d", names, flips, want, p.Len())
	}
	if tensors[1].Bits != nil || tensors[1].Rows != 1 || *tensors[2].Bits != 2 || tensors[2].Layer != nil {
		t.Errorf("got %+v", tensors)
	}
	var b strings.Builder
	writeFlipTable(&b, tensors)
	want := `
Flips, by layer and projection:
  layer  q_proj  up_proj
      3       1        ·
     11       ·        2
  token_embd.weight: 1 flip
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if writeFlipTable(&b, nil); b.Len() > 0 {
		t.Errorf("an empty patch has the table %q", b.String())
	}
}

func TestTopLogits(t *testing.T) {
	got := topLogits([]float32{1, 3, -2, 3}, 3)
	if want := []idLogit{{1, 3}, {3, 3}, {0, 1}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := topLogits([]float32{1}, 5); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

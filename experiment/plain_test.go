package experiment

import (
	"math"
	"slices"
	"testing"

	"bankai"
	"bankai/engine"
)

// plainLogProbs is ln p of every token behind each of ids, from the logits of one
// pass, in float64 loops.
func plainLogProbs(t *testing.T, m *engine.Model, ids []int32) [][]float64 {
	t.Helper()
	b := m.NewBatch(0)
	seq := b.NewSeq(nil)
	defer seq.Release()
	out, err := b.Step(t.Context(), []engine.Input{{Seq: seq, Tokens: ids, Logits: len(ids)}})
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]float64
	for logits := range slices.Chunk(out[0], m.Config().Vocab) {
		top, sum := float64(slices.Max(logits)), 0.0
		for _, l := range logits {
			sum += math.Exp(float64(l) - top)
		}
		row := make([]float64, len(logits))
		for i, l := range logits {
			row[i] = float64(l) - top - math.Log(sum)
		}
		rows = append(rows, row)
	}
	return rows
}

// patched is the model with a patch in its own weights.
func patched(t *testing.T, m *engine.Model, p *bankai.Patch) *engine.Model {
	t.Helper()
	w := m.Workbench()
	if err := w.Apply(p); err != nil {
		t.Fatal(err)
	}
	return w.Model
}

// somePatch flips a few rows of the golden model.
func somePatch() *bankai.Patch {
	return bankai.New(bankai.Digest{}, bankai.Meta{},
		bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 5, N: bankai.ToEnd},
		bankai.Flip{Tensor: "blk.1.attn_q.weight", Row: 60, N: bankai.ToEnd})
}

// Perplexity and divergence are those of plain loops over the logits of the model
// as it is, and with the patch in its weights.
func TestPerplexityOfPlainLogits(t *testing.T) {
	m := loaded(t, goldenModel, engine.Options{})
	for _, stride := range []int{16, 5} {
		overlay, err := m.Overlay(somePatch())
		if err != nil {
			t.Fatal(err)
		}
		o := TextOptions{Name: "ids", IDs: readGolden(t).IDs, Window: 16, Stride: stride, Patch: Patching{Overlay: overlay}}
		got, err := MeasurePerplexity(t.Context(), &Run{Model: m}, o)
		if err != nil {
			t.Fatal(err)
		}
		var before, after, kl []float64
		for start := 0; start+16 <= len(o.IDs); start += stride {
			ids := o.IDs[start : start+16]
			p := plainLogProbs(t, m, ids)
			q := plainLogProbs(t, patched(t, m, somePatch()), ids)
			for at := max(16/2, 16-stride-1); at < 15; at++ {
				before, after = append(before, p[at][ids[at+1]]), append(after, q[at][ids[at+1]])
				sum := 0.0
				for v := range p[at] {
					sum += math.Exp(p[at][v]) * (p[at][v] - q[at][v])
				}
				kl = append(kl, sum)
			}
		}
		mean := func(values []float64) (sum float64) {
			for _, v := range values {
				sum += v / float64(len(values))
			}
			return sum
		}
		slices.Sort(kl)
		for name, pair := range map[string][2]float64{
			"perplexity":         {got.Before.Value, math.Exp(-mean(before))},
			"patched":            {got.Patched.After.Value, math.Exp(-mean(after))},
			"mean divergence":    {got.Patched.KL.Value, mean(kl)},
			"largest divergence": {got.Patched.Most, kl[len(kl)-1]},
			"tokens":             {float64(got.Tokens), float64(len(before))},
		} {
			if math.Abs(pair[0]-pair[1]) > 1e-7+1e-6*math.Abs(pair[1]) {
				t.Errorf("stride %d: %s is %v, by plain loops %v", stride, name, pair[0], pair[1])
			}
		}
	}
}

func overlayOf(t *testing.T, m *engine.Model, p *bankai.Patch) *engine.Overlay {
	t.Helper()
	o, err := m.Overlay(p)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

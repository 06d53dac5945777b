package engine

import (
	"math"
	"math/rand/v2"
	"testing"

	"bankai/internal/testmodel"
)

// hybrids are models with delta-nets: 1, 2 and 3 value heads a key head, heads of 64, 128
// and 256, all or a quarter of a head's dimensions rotating, tied and not, ending with a
// delta-net, without attention, with floats for alpha and beta, and with a block that
// guesses further tokens.
var hybrids = map[string]testmodel.Shape{
	"2 values a key": testmodel.TinyHybrid,
	"3 values a key, tied, a delta-net on top": {
		Layers: 5, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 331, Tied: true,
		Hybrid: &testmodel.Hybrid{KeyHeads: 2, ValueHeads: 6, State: 64, Rotary: 16},
	},
	"1 value a key, wide heads, float gates": {
		Layers: 4, Hidden: 256, FFN: 384, Heads: 4, KVHeads: 2, HeadDim: 256, Vocab: 320,
		Hybrid: &testmodel.Hybrid{KeyHeads: 2, ValueHeads: 2, State: 128, Rotary: 64, FloatGates: true},
	},
	"guesses ahead, whole heads rotate": {
		Layers: 4, Hidden: 128, FFN: 128, Heads: 2, KVHeads: 2, HeadDim: 128, Vocab: 320,
		Hybrid: &testmodel.Hybrid{KeyHeads: 1, ValueHeads: 2, State: 256, Rotary: 128, Ahead: 1},
	},
	"no attention": {
		Layers: 3, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 320, Tied: true,
		Hybrid: &testmodel.Hybrid{KeyHeads: 1, ValueHeads: 2, State: 64, Rotary: 32},
	},
}

// In exact precision every logit is that of the formulas in float64.
func TestHybridIsTheFormulas(t *testing.T) {
	for name, shape := range hybrids {
		m := testModel(t, shape, Options{Precision: Exact})
		ids := randomIDs(rand.New(rand.NewPCG(60, 1)), 40, shape.Vocab)
		got := logitsOf(t, m, nil, ids)
		f := reference{m: m, weights: map[string][]float32{}}
		for pos, want := range f.sequence(ids, 0) {
			row := head(got, pos, shape.Vocab)
			sum := m.LogSumExp(row)
			for v, p := range want {
				if d := math.Abs(float64(row[v]) - sum - p); d > 1e-4 {
					t.Fatalf("%s: at position %d, ln p(%d) is %v, want %v", name, pos, v, float64(row[v])-sum, p)
				}
			}
		}
	}
}

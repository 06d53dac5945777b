package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// bitShapes are small, for emulated processors: tied and untied heads, 1 to 3 query
// heads per key-value head, both head sizes, and rows of one group and of several.
var bitShapes = map[string]testmodel.Shape{
	"two layers":    {Layers: 2, Hidden: 128, FFN: 128, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 320, Tied: true},
	"wide heads":    {Layers: 1, Hidden: 256, FFN: 128, Heads: 1, KVHeads: 1, HeadDim: 128, Vocab: 320},
	"three queries": {Layers: 1, Hidden: 128, FFN: 256, Heads: 6, KVHeads: 2, HeadDim: 64, Vocab: 331, Tied: true},
	"hybrid": {
		Layers: 4, Hidden: 128, FFN: 128, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 320,
		Hybrid: &testmodel.Hybrid{KeyHeads: 2, ValueHeads: 4, State: 64, Rotary: 16},
	},
}

// pinned are the digests of what TestBits computes, by shape, precision and what
// it is.
var pinned = map[string]string{
	"hybrid, exact, alone":           "db07440bb5556d8f",
	"hybrid, exact, gradient":        "1951ae6deed6c857",
	"hybrid, exact, overlaid":        "2905c5c0c9cc0b1f",
	"hybrid, exact, trace":           "e0e68eded44a13c9",
	"hybrid, fast, alone":            "d78200dbf173ce5b",
	"hybrid, fast, gradient":         "2733533faa68cbb3",
	"hybrid, fast, overlaid":         "e215ce98d566f4bd",
	"hybrid, fast, trace":            "0ddbf5f62937ae4e",
	"three queries, exact, alone":    "9777dbf4f35627bc",
	"three queries, exact, gradient": "03548691c0a34893",
	"three queries, exact, overlaid": "5f30f03b77f23962",
	"three queries, exact, trace":    "3a31f2d33802a0c1",
	"three queries, fast, alone":     "25cbcb16675b1493",
	"three queries, fast, gradient":  "0d2ddb2a48480de0",
	"three queries, fast, overlaid":  "d74c8bdbfa5e3735",
	"three queries, fast, trace":     "912e243db8bd6d19",
	"two layers, exact, alone":       "e616571a6ec669d2",
	"two layers, exact, gradient":    "5cc78cb9ebaffc39",
	"two layers, exact, overlaid":    "2eca4d338e996d07",
	"two layers, exact, trace":       "4c426d91d3cfd4f8",
	"two layers, fast, alone":        "632c4f62fbf1eabd",
	"two layers, fast, gradient":     "b55df978df83f28f",
	"two layers, fast, overlaid":     "272fb277a69c1c15",
	"two layers, fast, trace":        "3f2c5d7598caff54",
	"wide heads, exact, alone":       "c4a3e7c147a02367",
	"wide heads, exact, gradient":    "0c3225524b8a0b62",
	"wide heads, exact, overlaid":    "d603cb1ce7d05ef2",
	"wide heads, exact, trace":       "4461107ce9e9ef2b",
	"wide heads, fast, alone":        "137c048ab86a4d62",
	"wide heads, fast, gradient":     "aa6302a8e06047e5",
	"wide heads, fast, overlaid":     "4af3c6b7dbb064b6",
	"wide heads, fast, trace":        "33d6cb5211d8ad47",
}

// TestBits pins results to the bit, on every kernel set that runs here. CI runs it
// on other processors too, emulated ones, under WebAssembly, on 32 bits, and with
// GOAMD64=v3, where the compiler may fuse multiplications into additions. A change
// of the arithmetic changes these digests: then say so in the changelog.
func TestBits(t *testing.T) {
	for _, set := range kernel.Available() {
		t.Run(set.Name, func(t *testing.T) {
			for name, shape := range bitShapes {
				for _, precision := range []Precision{Fast, Exact} {
					m := testModel(t, shape, Options{Precision: precision, Kernel: set.Name})
					digests := map[string]string{"alone": digestAlone(t, m), "overlaid": digestOverlaid(t, m), "gradient": digestGradient(t, m), "trace": digestTrace(t, m)}
					for what, digest := range digests {
						what = name + ", " + precision.String() + ", " + what
						if digest != pinned[what] {
							t.Errorf("%s: the digest is %q, want %q", what, digest, pinned[what])
						}
					}
				}
			}
		})
	}
}

// digestAlone is of the logits of a sequence that is long enough to read old keys
// and values as int8, as those further back than 128 positions are.
func digestAlone(t *testing.T, m *Model) string {
	ids := make([]int32, 300)
	for i := range ids {
		ids[i] = int32(i * 53 % m.Config().Vocab)
	}
	return digestOf(logitsOf(t, m, nil, ids))
}

// digestOverlaid is of the logits of sequences in one batch, each under another
// patch: of rows, groups and bits, in every kind of matrix. The one with all of
// them is long.
func digestOverlaid(t *testing.T, m *Model) string {
	rng := rand.New(rand.NewPCG(11, 11))
	b := m.NewBatch(64)
	var in []Input
	patches := testPatches(m)
	for _, what := range slices.Sorted(maps.Keys(patches)) {
		o, err := m.Overlay(patches[what])
		if err != nil {
			t.Fatal(err)
		}
		n := 10
		if what == "mixed" {
			n = 140
		}
		in = append(in, Input{b.NewSeq(o), randomIDs(rng, n, m.Config().Vocab), n})
	}
	logits, err := b.Step(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return digestOf(logits...)
}

// digestGradient is of the derivatives and the log-probabilities that they are of.
func digestGradient(t *testing.T, m *Model) string {
	derived, answers := gradientOf(t, m, weightedQuestions(rand.New(rand.NewPCG(12, 12)), 3, m.Config().Vocab))
	h := sha256.New()
	for _, tensor := range slices.Sorted(maps.Keys(derived)) {
		write(h, derived[tensor].DY)
	}
	for _, question := range answers {
		for _, a := range question {
			write(h, a.LogProb)
		}
	}
	return short(h)
}

// digestOf is the beginning of the SHA-256 of floats, little-endian.
// digestTrace is of all figures of a trace.
func digestTrace(t *testing.T, m *Model) string {
	trace := traced(t, m, randomIDs(rand.New(rand.NewPCG(12, 12)), 20, m.Config().Vocab), overlayOf(t, m, testPatches(m)["mixed"]))
	h := sha256.New()
	for _, cut := range trace.Cuts {
		write(h, cut.Difference)
		write(h, cut.BaseLens)
		write(h, cut.PatchedLens)
	}
	write(h, trace.KL)
	for _, said := range []Said{trace.Base, trace.Patched} {
		write(h, said.LogProbs)
		write(h, said.Likeliest)
	}
	return short(h)
}

func digestOf(floats ...[]float32) string {
	h := sha256.New()
	for _, x := range floats {
		write(h, x)
	}
	return short(h)
}

func write(h hash.Hash, x any) {
	if err := binary.Write(h, binary.LittleEndian, x); err != nil {
		panic(err)
	}
}

func short(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:8]) }

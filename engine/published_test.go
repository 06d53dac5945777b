package engine

import (
	"math"
	"testing"

	"bankai/internal/gguf"
	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// publishedShape has what the published files have and round numbers hide: 5 more
// tokens than a multiple of 16, so that the head ends in the middle of every kernel's
// block.
var publishedShape = testmodel.Shape{Layers: 2, Hidden: 256, FFN: 384, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 341}

// A model with the metadata of the published 8B (positions stretched 4 times by YaRN)
// gives the logits of the float64 reference in exact precision, last token included,
// and every kernel set the bits of the plain one in both precisions.
func TestPublishedModel(t *testing.T) {
	data := testmodel.Published(publishedShape, 1).Bytes()
	ids := []int32{340, 12, 7, 336, 100, 3, 339, 41}
	exact := load(t, data, Options{Precision: Exact, Kernel: "generic"})
	got := logitsOf(t, exact, nil, ids)
	ref := &reference{m: exact, weights: map[string][]float32{}}
	for pos, want := range ref.sequence(ids, 0) {
		row := got[pos*publishedShape.Vocab:][:publishedShape.Vocab]
		var sum float64
		for _, l := range row {
			sum += math.Exp(float64(l))
		}
		for id, lp := range want {
			if d := math.Abs(float64(row[id]) - math.Log(sum) - lp); d > 1e-4 {
				t.Fatalf("position %d: the log-probability of token %d is %v off", pos, id, d)
			}
		}
	}
	for _, precision := range []Precision{Exact, Fast} {
		want := logitsOf(t, load(t, data, Options{Precision: precision, Kernel: "generic"}), nil, ids)
		for _, set := range kernel.Available() {
			m := load(t, data, Options{Precision: precision, Kernel: set.Name})
			sameBits(t, set.Name+" "+precision.String(), logitsOf(t, m, nil, ids), want)
		}
	}
}

// Without its YaRN the model answers otherwise, from the second token on: the setting
// counts although the digest is the same.
func TestYarnChangesTheAnswers(t *testing.T) {
	stretched := load(t, testmodel.Published(publishedShape, 1).Bytes(), Options{Precision: Exact})
	plain := load(t, testmodel.Bytes(publishedShape, 1), Options{Precision: Exact})
	if stretched.Digest() != plain.Digest() {
		t.Fatal("the digests differ")
	}
	a, b := logitsOf(t, stretched, nil, []int32{5, 6, 7}), logitsOf(t, plain, nil, []int32{5, 6, 7})
	var most float64
	for i := publishedShape.Vocab; i < len(a); i++ {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	if most < 0.01 {
		t.Errorf("no logit differs by more than %v", most)
	}
}

// Scales that no kernel may round away or take for positive: zeros of both signs,
// subnormal, negative and the largest numbers.
func TestUnusualScales(t *testing.T) {
	for name, half := range map[string]uint16{"+0": 0, "-0": 0x8000, "subnormal": 1, "-0.5": 0xb800, "above 1": 0x4100, "65504": 0x7bff} {
		t.Run(name, func(t *testing.T) {
			m := testmodel.New(publishedShape, 1)
			up := m.Tensor("blk.1.ffn_up.weight").Data
			for i := 0; i < len(up); i += gguf.BlockBytes {
				up[i], up[i+1] = byte(half), byte(half>>8)
			}
			data := m.Bytes()
			for _, precision := range []Precision{Exact, Fast} {
				want := logitsOf(t, load(t, data, Options{Precision: precision, Kernel: "generic"}), nil, []int32{1, 2, 3})
				for _, x := range want {
					if math.IsNaN(float64(x)) {
						t.Fatal("a logit is not a number")
					}
				}
				for _, set := range kernel.Available() {
					sameBits(t, set.Name, logitsOf(t, load(t, data, Options{Precision: precision, Kernel: set.Name}), nil, []int32{1, 2, 3}), want)
				}
			}
		})
	}
}

// A model that was unpacked to floats has the logits of the model, to the bit.
func TestUnpackedModelHasTheSameLogits(t *testing.T) {
	unpacked := testmodel.New(publishedShape, 1)
	unpacked.Unpack(gguf.F16)
	for _, precision := range []Precision{Exact, Fast} {
		o := Options{Precision: precision}
		got := logitsOf(t, load(t, unpacked.Bytes(), o), nil, []int32{1, 2, 3})
		sameBits(t, precision.String(), got, logitsOf(t, load(t, testmodel.Bytes(publishedShape, 1), o), nil, []int32{1, 2, 3}))
	}
}

package weights

import (
	"errors"
	"testing"

	"bankai"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// One digest, different answers: a patch that says how its model computes is refused
// by a model that computes otherwise, with the setting that differs; one that does not
// say is taken, as before.
func TestFitComparesTheArithmetic(t *testing.T) {
	base := open(t, testmodel.Published(testmodel.Tiny, 1))
	p := bankai.New(base.Digest(), bankai.Meta{Arithmetic: base.Arithmetic()}, oneRow)
	for _, test := range []struct {
		name   string
		change func(m *testmodel.Model)
		want   string // "" if the patch is taken
	}{
		{"the same", func(*testmodel.Model) {}, ""},
		{"a longer context", func(m *testmodel.Model) { m.Set("qwen3.context_length", gguf.Uint32(131072)) }, ""},
		{"another name", func(m *testmodel.Model) { m.Set("general.name", gguf.String("x")) }, ""},
		{"theta", func(m *testmodel.Model) { m.Set("qwen3.rope.freq_base", gguf.Float32(1e4)) }, "(rope theta is 10000, was 1e+06)"},
		{"epsilon", func(m *testmodel.Model) { m.Set("qwen3.attention.layer_norm_rms_epsilon", gguf.Float32(1e-5)) }, "(RMS epsilon is "},
		{"no YaRN", func(m *testmodel.Model) {
			for _, key := range []string{"type", "factor", "original_context_length"} {
				m.Unset("qwen3.rope.scaling." + key)
			}
		}, "(rope scaling is none, was YaRN by 4 over 16384)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := testmodel.Published(testmodel.Tiny, 1)
			test.change(m)
			f := open(t, m)
			if f.Digest() != base.Digest() {
				t.Fatal("the digest has changed")
			}
			_, err := f.Fit(p)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, "made for a model of the same weights that computes differently ", test.want)
			if !errors.Is(err, bankai.ErrArithmeticMismatch) {
				t.Errorf("%v is not ErrArithmeticMismatch", err)
			}
			for what, err := range map[string]error{"Check": second(f.Check(p)), "Bake": f.Bake(t.TempDir()+"/out.gguf", p)} {
				if !errors.Is(err, bankai.ErrArithmeticMismatch) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := f.Fit(p.WithMeta(bankai.Meta{})); err != nil {
				t.Errorf("a patch that does not say: %v", err)
			}
			_, err = Diff(base, f)
			wantError(t, err, "test and test compute differently", "a patch can only say which bits to invert")
		})
	}
}

func second[T any](_ T, err error) error { return err }

// A folder and a file of one model compute alike, with and without YaRN.
func TestFingerprintOfAFolder(t *testing.T) {
	for name, scaling := range map[string]any{
		"plain": nil,
		"YaRN":  map[string]any{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16384},
	} {
		folder, file := tinyMLX(), tiny()
		if scaling != nil {
			folder.Config["rope_scaling"], folder.Config["max_position_embeddings"] = scaling, 65536
			file = testmodel.Published(testmodel.Tiny, 1)
		}
		got, want := openFolder(t, folder).Arithmetic().Fingerprint(), open(t, file).Arithmetic().Fingerprint()
		if got != want || got.IsZero() {
			t.Errorf("%s: fingerprint %v, want %v", name, got, want)
		}
	}
}

// A zero scale has two encodings, and no patch between them.
func TestZeroScalesAreOne(t *testing.T) {
	zero := func(sign byte) *File {
		m := tiny()
		data := m.Tensor("blk.0.ffn_up.weight").Data
		for i := 0; i < len(data); i += 3 * gguf.BlockBytes {
			data[i], data[i+1] = 0, sign
		}
		return open(t, m)
	}
	plus, minus := zero(0), zero(0x80)
	if plus.Digest() != minus.Digest() {
		t.Error("the digests of +0 and -0 differ")
	}
	if plus.Digest() == open(t, tiny()).Digest() {
		t.Error("the scales do not count")
	}
	if p, err := Diff(plus, minus); err != nil || p.Len() != 0 {
		t.Errorf("the difference of +0 and -0: %v", err)
	}
}

package weights

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// Metadata that changes what a model computes is refused with the key and its value,
// unless the value is the one that changes nothing; what only tells about a model is
// not. The tiny model has heads of 64 and a context of 512.
func TestMetadata(t *testing.T) {
	f32, u32, text, flag := gguf.Float32, gguf.Uint32, gguf.String, gguf.Bool
	for _, test := range []struct {
		key   string
		value gguf.Value
		want  string // the value as the error shows it, "" if the file loads
	}{
		{"prism.hadamard.block_size", u32(1024), "1024"},
		{"prism.hadamard.weight_names", gguf.Strings([]string{"a", "b"}), "a list of 2"},
		{"some.Hadamard.seed", u32(7), "7"},
		{"quarot.rotation", flag(true), "true"},
		{"adapter.lora.alpha", f32(16), "16"},
		{"clip.has_vision_encoder", flag(true), "true"},

		{"qwen3.attention.scale", f32(0.5), "0.5"},
		{"qwen3.attention.scale", f32(0.125), ""},
		{"qwen3.attention.scale", f32(float32(1 / math.Sqrt(128))), "0.088388346"},
		{"qwen3.logit_scale", f32(0.5), "0.5"},
		{"qwen3.logit_scale", f32(1), ""},
		{"qwen3.logit_scale", f32(0), ""},
		{"qwen3.residual_scale", f32(1.5), "1.5"},
		{"qwen3.embedding_scale", f32(12), "12"},
		{"qwen3.attention.sliding_window", u32(64), "64"},
		{"qwen3.attention.sliding_window", u32(0), ""},
		{"qwen3.attention.sliding_window", u32(512), ""},
		{"qwen3.attention.sliding_window", gguf.Int32s([]int32{64, 0}), "a list of 2"},
		{"qwen3.attention.causal", flag(false), "false"},
		{"qwen3.attention.causal", flag(true), ""},
		{"qwen3.final_logit_softcapping", f32(30), "30"},
		{"qwen3.expert_count", u32(0), ""},
		{"qwen3.expert_count", u32(8), "8"},
		{"qwen3.rope.scaling.yarn_log_multiplier", f32(0.1), "0.1"},
		{"qwen3.rope.dimension_sections", gguf.Int32s([]int32{11, 11, 10, 0}), "a list of 4"},
		{"qwen3.something.new", text("on"), `"on"`},
		{"qwen3.vocab_size", u32(320), ""},
		{"qwen3.vocab_size", u32(321), "321"},
		{"qwen3.rope.scaling.finetuned", flag(true), ""},
		{"qwen3.pooling_type", u32(3), ""},

		{"tokenizer.ggml.add_eos_token", flag(true), "true"},
		{"tokenizer.ggml.add_eos_token", flag(false), ""},
		{"tokenizer.ggml.eot_token_id", u32(319), ""},
		{"tokenizer.chat_template.tools", text("x"), ""},

		{"general.type", text("model"), ""},
		{"general.file_type", u32(41), ""},
		{"general.tags", gguf.Strings([]string{"1-bit", "hadamard"}), ""},
		{"general.sampling.temp", f32(0.5), ""},
		{"quantize.imatrix.file", text("x"), ""},
		{"someone.note", text("x"), ""},
		{"qwen35.block_count", u32(64), ""}, // another architecture's, which nothing reads
	} {
		t.Run(test.key+" "+test.value.String(), func(t *testing.T) {
			m := tiny()
			m.Set(test.key, test.value)
			f, err := FromBytes("test", m.Bytes())
			if test.want != "" {
				wantError(t, err, "test: metadata key "+test.key+" is "+test.want+": ", "it changes what the model computes")
			} else if err != nil {
				t.Error(err)
			} else if f.Digest().String() != tinyDigest {
				t.Error("the digest has changed")
			}
		})
	}
}

// Every part of a split model is looked at.
func TestMetadataOfAPart(t *testing.T) {
	paths := split(t)
	part, err := gguf.Open(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	changed := &testmodel.Model{KVs: part.KVs, Tensors: part.Tensors}
	changed.Set("prism.hadamard.block_size", gguf.Uint32(1024))
	data := changed.Bytes()
	if err := part.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(paths[1], data, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Open(paths[0])
	wantError(t, err, paths[0]+": ", "metadata key prism.hadamard.block_size is 1024")
}

// A file that lies beside models says what it is, and is told apart by that, whatever
// its tensors are.
func TestKindsOfFiles(t *testing.T) {
	for _, test := range []struct{ kind, arch, want string }{
		{"adapter", "qwen3", `is an adapter (LoRA; general.type is "adapter"), which is used together with a model: give the GGUF file of the language model`},
		{"", "clip", `is the vision or audio part of a model (mmproj; general.architecture is "clip")`},
		{"mmproj", "clip", "is the vision or audio part of a model"},
		{"", "dspark", `is a drafter (architecture "dspark"), which guesses ahead for a larger model`},
		{"model", "dflash", "is a drafter"},
		{"model", "eagle3", "is a drafter"},
		{"", "qwen35-dflash-draft", "is a drafter"},
		{"imatrix", "", "is an importance matrix for quantising"},
		{"", "controlvector", "is a control vector"},
		{"vocab", "qwen3", "holds a vocabulary alone"},
		{"dataset", "qwen3", `is not a model: general.type is "dataset"`},
	} {
		t.Run(test.kind+" "+test.arch, func(t *testing.T) {
			m := tiny()
			m.Set("general.architecture", gguf.String(test.arch))
			if test.kind != "" {
				m.Set("general.type", gguf.String(test.kind))
			}
			_, err := FromBytes("test", withType(t, m.Bytes(), "blk.0.ffn_up.weight", 3)) // Q4_1
			wantError(t, err, "test: ", test.want)
		})
	}
}

// The published 8B's header: its two forms, and what its copies leave out, are one
// model.
func TestPublishedHeader(t *testing.T) {
	shape := testmodel.Shape{Layers: 1, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 341}
	published := open(t, testmodel.Published(shape, 1))
	want := &Yarn{Factor: 4, Original: 16384, ExtFactor: 1, AttnFactor: 1, BetaFast: 32, BetaSlow: 1}
	if c := published.Config(); *c.Yarn != *want || c.Context != 65536 || c.Vocab%16 != 5 || published.Tokenizer().BOS != -1 {
		t.Errorf("read %+v, with %+v", c, c.Yarn)
	}
	for name, change := range map[string]func(m *testmodel.Model){
		"file type 41":  func(m *testmodel.Model) { m.Set("general.file_type", gguf.Uint32(41)) },
		"no file type":  func(m *testmodel.Model) { m.Unset("general.file_type") },
		"no padding":    func(m *testmodel.Model) { m.Unset("tokenizer.ggml.padding_token_id") },
		"another name":  func(m *testmodel.Model) { m.Set("general.name", gguf.String("Bonsai-8B")) },
		"a beginning":   func(m *testmodel.Model) { m.Set("tokenizer.ggml.bos_token_id", gguf.Uint32(339)) },
		"no token type": func(m *testmodel.Model) { m.Unset("tokenizer.ggml.token_type") },
	} {
		m := testmodel.Published(shape, 1)
		change(m)
		f := open(t, m)
		if f.Digest() != published.Digest() || f.Arithmetic() != published.Arithmetic() {
			t.Errorf("%s: another model", name)
		}
	}
}

// A folder whose weights are stored rotated says so in a file of its own, or in its
// configuration.
func TestFoldersThatComputeDifferently(t *testing.T) {
	dir := write(t, tinyMLX())
	if err := os.WriteFile(filepath.Join(dir, "hadamard.json"), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir)
	wantError(t, err, dir+": ", "hadamard.json: the weights of this model are stored rotated")

	full, sliding := []string{"full_attention", "full_attention"}, []string{"full_attention", "sliding_attention"}
	for _, test := range []struct {
		key   string
		value any
		want  string
	}{
		{"partial_rotary_factor", 0.25, "config.json: partial_rotary_factor is 0.25: it may change what the model computes"},
		{"attention_bias", true, "attention_bias is true"},
		{"logit_scale", 0.5, "logit_scale is 0.5"},
		{"layer_types", sliding, `layer_types is ["full_attention"`},
		{"hadamard_block_size", 1024, "hadamard_block_size is 1024"},
		{"layer_types", full, ""},
		{"attention_bias", false, ""},
		{"use_sliding_window", false, ""},
		{"sliding_window", 64, ""}, // not used
		{"max_window_layers", 28, ""},
		{"torch_dtype", "bfloat16", ""},
		{"something_else", nil, ""},
	} {
		m := tinyMLX()
		m.Config[test.key] = test.value
		dir := write(t, m)
		if _, err := Open(dir); test.want != "" {
			wantError(t, err, dir+": ", test.want)
		} else if err != nil {
			t.Error(err)
		}
	}
}

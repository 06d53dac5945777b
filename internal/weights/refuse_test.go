package weights

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// Everything that is not a complete true 1-bit Qwen3 model is refused with one
// line that says what is wrong and where.
func TestOpenRefuses(t *testing.T) {
	const gate = "blk.1.ffn_gate.weight"
	set := func(key string, v gguf.Value) func(*testmodel.Model) {
		return func(m *testmodel.Model) { m.Set(key, v) }
	}
	unset := func(key string) func(*testmodel.Model) { return func(m *testmodel.Model) { m.Unset(key) } }
	change := func(name string, f func(*gguf.Tensor)) func(*testmodel.Model) {
		return func(m *testmodel.Model) { f(m.Tensor(name)) }
	}
	float := func(name string) func(*testmodel.Model) {
		return change(name, func(w *gguf.Tensor) {
			w.Type, w.Data = gguf.F16, make([]byte, 2*w.Dims[0]*w.Dims[1])
			for i := range w.Data {
				w.Data[i] = byte(i / 2 % 100)
			}
		})
	}
	arch := func(name string) func(*testmodel.Model) { return set("general.architecture", gguf.String(name)) }
	tests := []struct {
		name   string
		change func(*testmodel.Model)
		want   string
	}{
		{"another architecture", arch("llama"), `architecture "llama" is not supported, only dense Qwen3`},
		{"Qwen2", arch("qwen2"), `architecture "qwen2" is not supported`},
		{"mixture of experts", arch("qwen3moe"), `architecture "qwen3moe" is not supported`},
		{"a hybrid with experts", arch("qwen35moe"), `architecture "qwen35moe" (experts, or another hybrid of attention and delta-net) is not supported: only dense Qwen3 (Bonsai 1.7B, 4B, 8B) and Qwen3.5 (Bonsai 27B) are`},
		{"another hybrid", arch("qwen3next"), `architecture "qwen3next" (experts, or another hybrid`},
		{"keys of another architecture", arch("qwen35"), "metadata key qwen35.block_count is missing"},
		{"BitNet", arch("bitnet-b1.58"), `architecture "bitnet-b1.58" has ternary weights`},
		{"no architecture", unset("general.architecture"), "general.architecture is missing"},
		{"architecture a number", set("general.architecture", gguf.Uint32(3)), "general.architecture is not a string"},

		{"no layer count", unset("qwen3.block_count"), "metadata key qwen3.block_count is missing"},
		{"no epsilon", unset("qwen3.attention.layer_norm_rms_epsilon"), "layer_norm_rms_epsilon is missing"},
		{"layer count 0", set("qwen3.block_count", gguf.Uint32(0)), "qwen3.block_count is not a number from 1"},
		{"layer count a string", set("qwen3.block_count", gguf.String("2")), "qwen3.block_count is not a number"},
		{"heads by layer", set("qwen3.attention.head_count_kv", gguf.Int32s([]int32{1, 1})), "head_count_kv is not a number"},
		{"huge hidden size", set("qwen3.embedding_length", gguf.Uint32(math.MaxUint32)), "embedding_length is not a number from 1 to 16777216"},
		{"epsilon not a number", set("qwen3.attention.layer_norm_rms_epsilon", gguf.Float32(float32(math.NaN()))), "is not a number above 0"},
		{"infinite theta", set("qwen3.rope.freq_base", gguf.Float32(float32(math.Inf(1)))), "freq_base is not a number above 0"},
		{"epsilon of 2", set("qwen3.attention.layer_norm_rms_epsilon", gguf.Float32(2)), "RMS epsilon 2 is not between 0 and 1"},
		{"theta of 1", set("qwen3.rope.freq_base", gguf.Float32(1)), "rotary base 1 is not above 1"},
		{"hidden size of 192", set("qwen3.embedding_length", gguf.Uint32(192)), "hidden size 192 is not a multiple of 128"},
		{"feed-forward size of 100", set("qwen3.feed_forward_length", gguf.Uint32(100)), "feed-forward size 100 is not a multiple of 128"},
		{"more heads than an int of 32 bits counts weights", set("qwen3.attention.head_count", gguf.Uint32(1<<24)), "16777216 heads of 64 are more than 16777216 weights wide"},
		{"3 heads of 64", set("qwen3.attention.head_count", gguf.Uint32(3)), "3 heads of 64 are not a multiple of 128"},
		{"4 heads on 3", func(m *testmodel.Model) {
			m.Set("qwen3.attention.head_count", gguf.Uint32(4))
			m.Set("qwen3.attention.head_count_kv", gguf.Uint32(3))
		}, "4 query heads cannot share 3"},
		{"heads of 1", func(m *testmodel.Model) {
			m.Set("qwen3.attention.head_count", gguf.Uint32(128))
			m.Set("qwen3.attention.key_length", gguf.Uint32(1))
			m.Set("qwen3.attention.value_length", gguf.Uint32(1))
		}, "1 of a head's 1 weights cannot be rotated in pairs"},
		{"values narrower than keys", set("qwen3.attention.value_length", gguf.Uint32(32)), "value_length is 32, want the width of a head, 64"},
		{"heads rotated in part", set("qwen3.rope.dimension_count", gguf.Uint32(32)), "rope.dimension_count is 32, want"},
		{"unknown rope scaling", set("qwen3.rope.scaling.type", gguf.String("longrope")), `scaling.type is "longrope": this kind of rope scaling is not supported`},
		{"another kind of YaRN", func(m *testmodel.Model) {
			m.Set("qwen3.rope.scaling.type", gguf.String("yarn"))
			m.Set("qwen3.rope.scaling.yarn_log_multiplier", gguf.Float32(0.1))
		}, "this kind of YaRN is not supported"},

		{"no vocabulary", unset("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens holds no vocabulary"},
		{"vocabulary of another size", set("tokenizer.ggml.tokens", gguf.Strings(make([]string, 320-1))), "token_type does not hold one number for each of the 319"},
		{"merges not strings", set("tokenizer.ggml.merges", gguf.Int32s(nil)), "merges is not a list of strings"},
		{"end token out of range", set("tokenizer.ggml.eos_token_id", gguf.Uint32(320)), "eos_token_id is not the id of one of the 320 tokens"},
		{"embedding of another size", func(m *testmodel.Model) {
			m.Unset("tokenizer.ggml.token_type")
			m.Set("tokenizer.ggml.tokens", gguf.Strings(make([]string, 321)))
		}, `tensor "token_embd.weight" is 320 × 128, want 321 × 128`},

		{"missing tensor", func(m *testmodel.Model) { m.Remove(gate) }, `tensor "blk.1.ffn_gate.weight" is missing`},
		{"more layers than tensors", set("qwen3.block_count", gguf.Uint32(1<<24)), `tensor "blk.2.attn_norm.weight" is missing`},
		{"fewer layers than tensors", set("qwen3.block_count", gguf.Uint32(1)), `tensor "blk.1.attn_k.weight" is not part of a dense Qwen3 model of 1 layers`},
		{"bias", func(m *testmodel.Model) {
			m.Tensors = append(m.Tensors, gguf.Tensor{Name: "blk.0.attn_q.bias", Dims: []uint64{1}, Type: gguf.F32, Data: make([]byte, 4)})
		}, `tensor "blk.0.attn_q.bias" is not part of a dense Qwen3 model`},
		{"matrix transposed", change(gate, func(w *gguf.Tensor) { w.Dims = []uint64{256, 128} }), `tensor "blk.1.ffn_gate.weight" is 128 × 256, want 256 × 128`},
		{"three dimensions", change(gate, func(w *gguf.Tensor) { w.Dims = []uint64{128, 128, 2} }), "has dimensions [128 128 2]: a Qwen3 model has vectors and matrices only"},
		{"float projection", float(gate), `tensor "blk.1.ffn_gate.weight": row 0, group 0: weight 1 is `},
		{"float embedding", float("token_embd.weight"), `this is not a 1-bit model, whose groups of 128 weights hold +d and -d alone, with d a float16`},
		{"1-bit norm", change("output_norm.weight", func(w *gguf.Tensor) {
			w.Type, w.Data = gguf.Q1_0, make([]byte, gguf.BlockBytes)
		}), `tensor "output_norm.weight" has type Q1_0, want a float type`},

		{"infinite scale", change(gate, func(w *gguf.Tensor) {
			binary.LittleEndian.PutUint16(w.Data[3*gguf.BlockBytes:], 0x7c00)
		}), `tensor "blk.1.ffn_gate.weight": the scale of row 3, group 0 is not a finite number`},
		{"scale not a number", change("blk.0.ffn_down.weight", func(w *gguf.Tensor) {
			binary.LittleEndian.PutUint16(w.Data[5*gguf.BlockBytes:], 0xfe01)
		}), `tensor "blk.0.ffn_down.weight": the scale of row 2, group 1 is not`},
		{"norm not a number", change("blk.0.attn_q_norm.weight", func(w *gguf.Tensor) {
			binary.LittleEndian.PutUint32(w.Data[28:], math.Float32bits(float32(math.NaN())))
		}), `tensor "blk.0.attn_q_norm.weight": weight 7 is not a finite number`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := tiny()
			test.change(m)
			_, err := FromBytes("test.gguf", m.Bytes())
			wantError(t, err, "test.gguf: ", test.want)
		})
	}
}

// wantError checks that err is one line that starts and goes on as said.
func wantError(t *testing.T, err error, prefix, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if s := err.Error(); !strings.HasPrefix(s, prefix) || !strings.Contains(s, want) || strings.Contains(s, "\n") {
		t.Errorf("error %q\n want one line from %q with %q", s, prefix, want)
	}
}

// Types that the writer cannot measure are put into the bytes of a good file, in
// place of Q1_0 in the record of one tensor.
func TestOpenRefusesTypes(t *testing.T) {
	tests := []struct {
		typ  gguf.Type
		want string
	}{
		{gguf.TQ1_0, "type TQ1_0: ternary weights (-1, 0, +1) are not 1-bit"},
		{gguf.TQ2_0, "type TQ2_0: ternary"},
		{gguf.Q2_0, "type Q2_0: ternary"},
		{gguf.I2S, "type I2_S: ternary"},
		{gguf.PQ20, "type PQ2_0: ternary"},
		{gguf.PTQ10, "type PTQ1_0: ternary"},
		{gguf.NVFP4, "number 40 is 4-bit NVFP4 in today's ggml; in early 1-bit files of PrismML's llama.cpp it was 1-bit in groups of 32"},
		{gguf.MXFP4, "type MXFP4: this is not a 1-bit model"},
		{12, "type Q4_K: this is not a 1-bit model"},
		{18, "type IQ3_XXS: this is not a 1-bit model"},
		{999, "type 999: this is not a 1-bit model"},
	}
	for _, test := range tests {
		t.Run(test.typ.String(), func(t *testing.T) {
			_, err := FromBytes("test.gguf", withType(t, tiny().Bytes(), "blk.0.ffn_up.weight", test.typ))
			wantError(t, err, `test.gguf: tensor "blk.0.ffn_up.weight" has `, test.want)
		})
	}
}

// withType changes the type in the record of a matrix: after its name come the
// number of dimensions (4 bytes), two dimensions (16) and the type.
func withType(t *testing.T, file []byte, name string, typ gguf.Type) []byte {
	t.Helper()
	at := strings.Index(string(file), name)
	if at < 0 {
		t.Fatalf("no tensor %q in the file", name)
	}
	binary.LittleEndian.PutUint32(file[at+len(name)+20:], uint32(typ))
	return file
}

// Opening arbitrary bytes never panics.
func FuzzFromBytes(f *testing.F) {
	small := testmodel.Shape{Layers: 1, Hidden: 128, FFN: 128, Heads: 1, KVHeads: 1, HeadDim: 128, Vocab: 280, Tied: true}
	f.Add(testmodel.Bytes(small, 1))
	yarn := testmodel.New(small, 1)
	yarn.Set("qwen3.rope.scaling.type", gguf.String("yarn"))
	yarn.Set("qwen3.rope.scaling.factor", gguf.Float32(4))
	yarn.Set("split.count", gguf.Uint16(1))
	f.Add(yarn.Bytes())
	unpacked := testmodel.Published(small, 1)
	unpacked.Unpack(gguf.F16)
	unpacked.Unset("tokenizer.ggml.token_type")
	unpacked.Set("qwen3.attention.scale", gguf.Float32(0.08838835))
	unpacked.Set("qwen3.attention.sliding_window", gguf.Uint32(0))
	f.Add(unpacked.Bytes())
	baked := testmodel.New(small, 1)
	baked.Set("bankai.base", gguf.String(tinyDigest))
	baked.Set("bankai.patch", gguf.Strings([]string{tinyDigest}))
	baked.Set("bankai.patch.name", gguf.Strings([]string{"p"}))
	f.Add(baked.Bytes())
	for _, s := range []testmodel.Hybrid{
		{KeyHeads: 1, ValueHeads: 1, State: 128, Rotary: 32},
		{KeyHeads: 1, ValueHeads: 2, State: 64, Rotary: 64, FloatGates: true, Ahead: 1},
	} {
		shape := small
		shape.Hybrid = &s
		hybrid := testmodel.New(shape, 1)
		if s.Ahead > 0 {
			hybrid.Set("qwen35.attention.recurrent_layers", gguf.Bools([]bool{true}))
		}
		f.Add(hybrid.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := FromBytes("fuzz", data); err == nil {
			file.Digest()
			var copied memory
			if err := file.writeBaked(&copied, file.making(), nil); err != nil {
				t.Fatal(err)
			}
			again, err := FromBytes("copy", copied.Bytes())
			if err != nil || again.Digest() != file.Digest() || again.Arithmetic() != file.Arithmetic() {
				t.Fatalf("a copy is another model: %v", err)
			}
		}
	})
}

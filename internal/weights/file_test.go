package weights

import (
	"bytes"
	"encoding/binary"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// open opens a test model that is in memory.
func open(t testing.TB, m *testmodel.Model) *File {
	t.Helper()
	f, err := FromBytes("test", m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func tiny() *testmodel.Model { return testmodel.New(testmodel.Tiny, 1) }

func TestOpenReadsTheConfiguration(t *testing.T) {
	shapes := map[string]testmodel.Shape{
		"tiny":                            testmodel.Tiny,
		"untied head":                     {Layers: 1, Hidden: 256, FFN: 128, Heads: 2, KVHeads: 2, HeadDim: 64, Vocab: 300},
		"3 query heads per KV head":       {Layers: 3, Hidden: 128, FFN: 384, Heads: 6, KVHeads: 2, HeadDim: 64, Vocab: 320, Tied: true},
		"heads wider than hidden/heads":   {Layers: 1, Hidden: 256, FFN: 256, Heads: 4, KVHeads: 1, HeadDim: 128, Vocab: 320, Tied: true},
		"an odd number of vocabulary ids": {Layers: 1, Hidden: 128, FFN: 128, Heads: 1, KVHeads: 1, HeadDim: 128, Vocab: 301, Tied: true},
	}
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			f := open(t, testmodel.New(s, 1))
			want := Config{
				Architecture: "qwen3", Name: "test-1bit", Layers: s.Layers, Hidden: s.Hidden, FFN: s.FFN,
				Heads: s.Heads, KVHeads: s.KVHeads, HeadDim: s.HeadDim, Vocab: s.Vocab, Context: 512,
				RMSEps: 1e-6, RopeTheta: 1e6, Tied: s.Tied, Rotary: s.HeadDim,
			}
			if got := f.Config(); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestOpenSeesTheTensorsAsMatrices(t *testing.T) {
	m := tiny()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := m.Write(path); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	down, _ := f.Tensor("blk.1.ffn_down.weight")
	if down.Kind != OneBit || down.Rows != 128 || down.Cols != 256 || down.Floats() != nil {
		t.Errorf("ffn_down is %v %d × %d", down.Kind, down.Rows, down.Cols)
	}
	if !bytes.Equal(down.Blocks(), m.Tensor(down.Name).Data) {
		t.Error("the blocks of ffn_down are not the file's")
	}
	norm, _ := f.Tensor("output_norm.weight")
	if norm.Kind != Float || norm.Rows != 1 || norm.Cols != 128 || norm.Blocks() != nil {
		t.Errorf("output_norm is %v %d × %d", norm.Kind, norm.Rows, norm.Cols)
	}
	if want := math.Float32frombits(binary.LittleEndian.Uint32(m.Tensor(norm.Name).Data[20:])); norm.Floats()[5] != want {
		t.Errorf("weight 5 of output_norm is %v, want %v", norm.Floats()[5], want)
	}
	if _, ok := f.Tensor("output.weight"); ok {
		t.Error("a tied model has no output.weight")
	}
	list := f.Tensors()
	if len(list) != len(m.Tensors) || !slices.IsSortedFunc(list, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%d tensors, or not sorted by name", len(list))
	}
	if f.Size() != int64(len(m.Bytes())) {
		t.Errorf("size %d, want %d", f.Size(), len(m.Bytes()))
	}
}

func TestShapeKnowsOneBitTensorsOnly(t *testing.T) {
	f := open(t, tiny())
	if rows, cols, ok := f.Shape("blk.0.attn_k.weight"); rows != 64 || cols != 128 || !ok {
		t.Errorf("attn_k: %d × %d, %v", rows, cols, ok)
	}
	for _, name := range []string{"output_norm.weight", "blk.9.attn_k.weight", ""} {
		if _, _, ok := f.Shape(name); ok {
			t.Errorf("%q has a 1-bit shape", name)
		}
	}
}

// Float tensors come in three types; all widen to float32 without loss.
func TestFloatsWiden(t *testing.T) {
	want := []float32{1, -0.5, 1.25, 0}
	encode := map[gguf.Type]func(b []byte, x float32) []byte{
		gguf.F32: func(b []byte, x float32) []byte { return binary.LittleEndian.AppendUint32(b, math.Float32bits(x)) },
		gguf.BF16: func(b []byte, x float32) []byte {
			return binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(x)>>16))
		},
		gguf.F16: func(b []byte, x float32) []byte {
			return binary.LittleEndian.AppendUint16(b, map[float32]uint16{1: 0x3c00, -0.5: 0xb800, 1.25: 0x3d00, 0: 0}[x])
		},
	}
	for typ, put := range encode {
		var raw []byte
		for _, x := range want {
			raw = put(raw, x)
		}
		got := Tensor{Rows: 1, Cols: len(want), Kind: Float, typ: typ, raw: raw}.Floats()
		if !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", typ, got, want)
		}
	}
}

func TestFromHalfIsExactForAllNumbers(t *testing.T) {
	for h := range 1 << 16 {
		exp, frac := h>>10&0x1f, float64(h&0x3ff)
		want := math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 0:
			want = math.Ldexp(frac, -24)
		case exp == 31 && frac == 0:
			want = math.Inf(1)
		case exp == 31:
			want = math.NaN()
		}
		if h>>15 == 1 {
			want = -want
		}
		got := float64(fromHalf(uint16(h)))
		if math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%#04x is %v, want %v", h, got, want)
		}
	}
}

func TestTokenizerData(t *testing.T) {
	m := tiny()
	m.Set("tokenizer.chat_template", gguf.String("{{ messages }}"))
	got := open(t, m).Tokenizer()
	if len(got.Tokens) != 320 || got.Tokens[0] != "!" || got.Tokens[319] != "<|im_end|>" || got.Types[319] != 3 {
		t.Errorf("%d tokens, from %q to %q", len(got.Tokens), got.Tokens[0], got.Tokens[len(got.Tokens)-1])
	}
	if got.Merges[0] != "h e" || got.Pre != "qwen2" || got.Model != "gpt2" || got.ChatTemplate != "{{ messages }}" {
		t.Errorf("merges %q, pre %q, model %q, template %q", got.Merges, got.Pre, got.Model, got.ChatTemplate)
	}
	if got.EOS != 319 || got.BOS != 318 || got.Pad != 318 || got.AddBOS {
		t.Errorf("EOS %d, BOS %d, Pad %d, AddBOS %v", got.EOS, got.BOS, got.Pad, got.AddBOS)
	}

	for _, key := range []string{"eos_token_id", "bos_token_id", "padding_token_id", "token_type", "merges"} {
		m.Unset("tokenizer.ggml." + key)
	}
	got = open(t, m).Tokenizer()
	if got.EOS != -1 || got.BOS != -1 || got.Pad != -1 || got.Merges != nil || got.AddBOS {
		t.Errorf("without the optional keys: EOS %d, BOS %d, Pad %d, %d merges", got.EOS, got.BOS, got.Pad, len(got.Merges))
	}
}

// A file need not say which tokens are special: those that look like it are, and those
// that begin, end or fill up a text.
func TestTokenTypesAreGuessed(t *testing.T) {
	m := tiny()
	m.Set("tokenizer.ggml.padding_token_id", gguf.Uint32(300))
	want := open(t, m)
	m.Unset("tokenizer.ggml.token_type")
	got := open(t, m)
	for id, typ := range map[int]int32{0: normalToken, 299: normalToken, 300: controlToken, 318: controlToken, 319: controlToken} {
		if got.Tokenizer().Types[id] != typ {
			t.Errorf("token %d, %q, has type %d, want %d", id, got.Tokenizer().Tokens[id], got.Tokenizer().Types[id], typ)
		}
	}
	const text = "hello<|im_end|> the"
	if a, b := got.BPE().Encode(text), want.BPE().Encode(text); !slices.Equal(a, b) {
		t.Errorf("%q is %v, with types it is %v", text, a, b)
	}
	if got.Digest() != want.Digest() {
		t.Error("the digest depends on the types of tokens")
	}
}

// What no text could be turned into tokens with is refused when the file is opened,
// whatever it is opened for.
func TestOpenRefusesVocabularies(t *testing.T) {
	change := func(key string, v gguf.Value) func(*testmodel.Model) {
		return func(m *testmodel.Model) { m.Set("tokenizer.ggml."+key, v) }
	}
	for _, test := range []struct {
		name   string
		change func(*testmodel.Model)
		want   string
	}{
		{"another kind", change("model", gguf.String("llama")), `tokenizer.ggml.model is "llama", but only "gpt2" (byte-level BPE) is supported`},
		{"another way to split", change("pre", gguf.String("llama-bpe")), `rules of splitting (tokenizer.ggml.pre) are "llama-bpe", but only "qwen2" and "qwen35" are supported`},
		{"a token twice", func(m *testmodel.Model) {
			v, _ := open(t, tiny()).parts[0].Value("tokenizer.ggml.tokens")
			tokens, _ := v.Strings()
			tokens[301] = tokens[300]
			m.Set("tokenizer.ggml.tokens", gguf.Strings(tokens))
		}, "token 301 repeats the text"},
		{"a merge of nothing", change("merges", gguf.Strings([]string{"h zz"})), "names a token that the vocabulary lacks"},
		{"a beginning that is none", func(m *testmodel.Model) {
			m.Unset("tokenizer.ggml.bos_token_id")
			m.Set("tokenizer.ggml.add_bos_token", gguf.Bool(true))
		}, "every text is to begin with the BOS token, but there is none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := tiny()
			test.change(m)
			_, err := FromBytes("test", m.Bytes())
			wantError(t, err, "test: ", test.want)
		})
	}
}

func TestRopeScaling(t *testing.T) {
	const scaling = "qwen3.rope.scaling."
	text, num, size := gguf.String, gguf.Float32, gguf.Uint32
	tests := []struct {
		name string
		keys map[string]gguf.Value
		want *Yarn
	}{
		{"none given", nil, nil},
		{"none", map[string]gguf.Value{"type": text("none"), "factor": num(4)}, nil},
		{"linear by 1", map[string]gguf.Value{"type": text("linear"), "factor": num(1)}, nil},
		{
			"as Bonsai 1.7B has it",
			map[string]gguf.Value{"type": text("yarn"), "factor": num(4), "original_context_length": size(8192)},
			&Yarn{Factor: 4, Original: 8192, ExtFactor: 1, AttnFactor: 1, BetaFast: 32, BetaSlow: 1},
		},
		{
			"every key",
			map[string]gguf.Value{
				"type": text("yarn"), "factor": num(2), "original_context_length": size(64), "attn_factor": num(1.5),
				"yarn_ext_factor": num(0.5), "yarn_beta_fast": num(16), "yarn_beta_slow": num(2),
			},
			&Yarn{Factor: 2, Original: 64, ExtFactor: 0.5, AttnFactor: 1.5, BetaFast: 16, BetaSlow: 2},
		},
		{
			"linear, the original context left out",
			map[string]gguf.Value{"type": text("linear"), "factor": num(8)},
			&Yarn{Factor: 8, Original: 512, AttnFactor: 1, BetaFast: 32, BetaSlow: 1},
		},
		{
			"a factor without a type is linear",
			map[string]gguf.Value{"factor": num(8)},
			&Yarn{Factor: 8, Original: 512, AttnFactor: 1, BetaFast: 32, BetaSlow: 1},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := tiny()
			for key, v := range test.keys {
				m.Set(scaling+key, v)
			}
			if got := open(t, m).Config().Yarn; !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

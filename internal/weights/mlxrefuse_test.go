package weights

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// Every folder whose configuration or vocabulary is not that of a true 1-bit Qwen3
// model is refused with one line that says what is wrong and where.
func TestOpenRefusesFolders(t *testing.T) {
	config := func(key string, v any) func(*testmodel.MLX) {
		return func(m *testmodel.MLX) { m.Config[key] = v }
	}
	quantization := func(fields map[string]any) func(*testmodel.MLX) { return config("quantization", fields) }
	tokenizer := func(key string, v any) func(*testmodel.MLX) {
		return func(m *testmodel.MLX) { m.Tokenizer[key] = v }
	}
	model := func(key string, v any) func(*testmodel.MLX) {
		return func(m *testmodel.MLX) { m.Tokenizer["model"].(map[string]any)[key] = v }
	}
	tests := []struct {
		name   string
		change func(*testmodel.MLX)
		want   string
	}{
		{"no model type", config("model_type", nil), "config.json: model_type is missing"},
		{"another architecture", config("model_type", "llama"), `config.json: architecture "llama" is not supported`},
		{"a hybrid with experts", config("model_type", "qwen3_5_moe"), `architecture "qwen3_5_moe" (experts, or another hybrid`},
		{"another hybrid", config("model_type", "qwen3_next"), `architecture "qwen3_next" (experts, or another hybrid`},
		{"model type a number", config("model_type", 3), "config.json: model_type is not a string"},
		{"not quantised", config("quantization", nil), `"model.embed_tokens.weight" has dtype U32, want a float type: config.json has no quantization that says how it is packed`},
		{"2 bits", quantization(map[string]any{"bits": 2, "group_size": 128}), "quantization of 2 bits: ternary weights (-1, 0, +1) are not 1-bit"},
		{"4 bits", quantization(map[string]any{"bits": 4, "group_size": 64}), "quantization of 4 bits: this is not a 1-bit model"},
		{"groups of 64", quantization(map[string]any{"bits": 1, "group_size": 64}), "quantization in groups of 64: only 1-bit weights in groups of 128"},
		{"no group size", quantization(map[string]any{"bits": 1}), "config.json: quantization: group_size is missing"},
		{"another mode", quantization(map[string]any{"bits": 1, "group_size": 128, "mode": "mxfp4"}), `quantization mode "mxfp4" is not supported`},

		{"no layer count", config("num_hidden_layers", nil), "config.json: num_hidden_layers is missing"},
		{"layer count 0", config("num_hidden_layers", 0), "num_hidden_layers is not a number from 1 to"},
		{"layer count a text", config("num_hidden_layers", "2"), "num_hidden_layers is not a whole number"},
		{"huge hidden size", config("hidden_size", 1<<30), "hidden_size is not a number from 1 to"},
		{"hidden size of 192", config("hidden_size", 192), "hidden size 192 is not a multiple of 128"},
		{"no epsilon", config("rms_norm_eps", nil), "rms_norm_eps is missing"},
		{"epsilon below float32", config("rms_norm_eps", 1e-60), "rms_norm_eps is not a number above 0"},
		{"another activation", config("hidden_act", "gelu"), `hidden_act is "gelu", want "silu"`},
		{"sliding window", config("use_sliding_window", true), "config.json: use_sliding_window is true: it may change what the model computes"},
		{"unknown rope scaling", config("rope_scaling", map[string]any{"rope_type": "llama3"}), `config.json: rope_scaling: type "llama3" is not supported`},
		{"yarn without a factor", config("rope_scaling", map[string]any{"rope_type": "yarn"}), "rope_scaling: factor is missing"},
		{"another kind of yarn", config("rope_scaling", map[string]any{"type": "yarn", "factor": 4, "mscale": 1}), "mscale is not a field that Qwen3 models have"},

		{"no tokenizer", func(m *testmodel.MLX) { m.Tokenizer = nil }, "the folder has no tokenizer.json"},
		{"another normalizer", tokenizer("normalizer", nil), `tokenizer.json: normalizer type is ""`},
		{"another way to split", tokenizer("pre_tokenizer", map[string]any{"type": "ByteLevel"}), "tokenizer.json: the pre_tokenizer does not split text as that of Qwen3 does"},
		{"another kind of model", model("type", "Unigram"), `tokenizer.json: model type "Unigram" is not supported`},
		{"an id out of range", model("vocab", map[string]int{"a": 320}), "the ids of the tokens are not different numbers below vocab_size, 320"},
		{"a negative id", model("vocab", map[string]int{"a": -1}), "the ids of the tokens are not"},
		{"an id twice", model("vocab", map[string]int{"a": 3, "b": 3}), "the ids of the tokens are not"},
		{"merges not text", model("merges", []int{1}), "tokenizer.json: "},
		{"end token out of range", config("eos_token_id", 320), "config.json: eos_token_id is not the id of one of the 320 tokens"},
		{"end token a text", config("eos_token_id", "x"), "eos_token_id is not a token id or a list of them"},
		{"vocabulary of another size", config("vocab_size", 400), `"model.embed_tokens.weight" has shape [320 4], but vocab_size in config.json is 400`},

		{"vocabulary without weights", func(m *testmodel.MLX) {
			m.Config["vocab_size"] = 1 << 24
			x := m.Tensor("model.embed_tokens.weight")
			x.Shape, x.Data = []int{1 << 24, 0}, nil
		}, "has shape [16777216 0], but vocab_size"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { refusesFolder(t, test.change, test.want) })
	}
}

func refusesFolder(t *testing.T, change func(*testmodel.MLX), want string) {
	m := tinyMLX()
	change(m)
	dir := write(t, m)
	_, err := Open(dir)
	wantError(t, err, dir+": ", want)
}

// The weights must be those of the configuration, and true 1-bit ones: +d and -d.
func TestOpenRefusesMLXWeights(t *testing.T) {
	const gate = "model.layers.1.mlp.gate_proj."
	config := func(key string, v any) func(*testmodel.MLX) {
		return func(m *testmodel.MLX) { m.Config[key] = v }
	}
	change := func(name string, f func(*testmodel.MLXTensor)) func(*testmodel.MLX) {
		return func(m *testmodel.MLX) { f(m.Tensor(name)) }
	}
	half := func(name string, at int, h uint16) func(*testmodel.MLX) {
		return change(name, func(x *testmodel.MLXTensor) { binary.LittleEndian.PutUint16(x.Data[2*at:], h) })
	}
	add := func(x testmodel.MLXTensor) func(*testmodel.MLX) {
		return func(m *testmodel.MLX) { m.Tensors = append(m.Tensors, x) }
	}
	tests := []struct {
		name   string
		change func(*testmodel.MLX)
		want   string
	}{
		{"missing bits", func(m *testmodel.MLX) { m.Remove(gate + "weight") }, `tensor "model.layers.1.mlp.gate_proj.weight" is missing`},
		{"missing scales", func(m *testmodel.MLX) { m.Remove(gate + "scales") }, `gate_proj.scales" is missing`},
		{"missing biases", func(m *testmodel.MLX) { m.Remove(gate + "biases") }, `gate_proj.biases" is missing`},
		{"missing embedding", func(m *testmodel.MLX) { m.Remove("model.embed_tokens.weight") }, `"model.embed_tokens.weight" is missing`},
		{"more layers than tensors", config("num_hidden_layers", 1<<24), `"model.layers.2.input_layernorm.weight" is missing`},
		{"fewer layers than tensors", config("num_hidden_layers", 1), `"model.layers.1.input_layernorm.weight" is not part of a dense Qwen3 model of 1 layers`},
		{"bias", add(testmodel.MLXTensor{Name: "model.layers.0.self_attn.q_proj.bias", DType: "F16", Shape: []int{1}, Data: make([]byte, 2)}), `q_proj.bias" is not part of a dense`},
		{"head beside a tied embedding", add(testmodel.MLXTensor{Name: "lm_head.weight", DType: "F16", Shape: []int{1}, Data: make([]byte, 2)}), "whose head is the embedding (tie_word_embeddings in config.json)"},
		{"no head", config("tie_word_embeddings", false), `tensor "lm_head.weight" is missing`},
		{"matrix transposed", change(gate+"weight", func(x *testmodel.MLXTensor) { x.Shape = []int{4, 256} }), `gate_proj.weight" has shape [4 256], want [256 4]`},
		{"float matrix", change(gate+"weight", func(x *testmodel.MLXTensor) { x.DType = "F32" }), `gate_proj.weight" has dtype F32, want U32: every matrix of a true 1-bit model is packed`},
		{"packed norm", change("model.norm.weight", func(x *testmodel.MLXTensor) { x.DType = "U32" }), `"model.norm.weight" has dtype U32, want a float type`},

		{"bias of another size", half(gate+"biases", 3, 0xac00), `tensor "model.layers.1.mlp.gate_proj.weight": row 3, group 0 has scale`},
		{"bias without a sign", half("model.layers.0.mlp.down_proj.biases", 5, 0x2c00), `tensor "model.layers.0.mlp.down_proj.weight": row 2, group 1 has scale`},
		{"bias not a number", half(gate+"biases", 0, 0xfe00), "row 0, group 0 has scale"},
		{"infinite scale", func(m *testmodel.MLX) {
			half(gate+"scales", 0, 0x7c00)(m)
			half(gate+"biases", 0, 0xfc00)(m)
		}, "has scale +Inf and bias -Inf, which is not"},
		{"half a scale that is no float16", func(m *testmodel.MLX) {
			half(gate+"scales", 0, 0x0001)(m)
			half(gate+"biases", 0, 0x8000)(m)
		}, "row 0, group 0 has scale 5.9604645e-08"},
		{"norm not a number", change("model.norm.weight", func(x *testmodel.MLXTensor) { x.Data[2], x.Data[3] = 0xc0, 0x7f }), `tensor "output_norm.weight": weight 0 is not a finite number`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { refusesFolder(t, test.change, test.want) })
	}
}

// What is wrong with the files rather than their content.
func TestOpenRefusesBrokenFolders(t *testing.T) {
	const weights, index = "model.safetensors", "model.safetensors.index.json"
	put := func(name, content string) func(string) {
		return func(dir string) { os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666) }
	}
	tests := []struct {
		name   string
		damage func(dir string)
		want   string
	}{
		{"no config.json", func(dir string) { os.Remove(filepath.Join(dir, "config.json")) }, "is a folder, but has no config.json: give a GGUF file or an MLX folder"},
		{"config.json not JSON", put("config.json", "{"), "config.json: unexpected end of JSON input"},
		{"config.json a list", put("config.json", "[]"), "config.json: json: cannot unmarshal array"},
		{"config.json a folder", func(dir string) {
			os.Remove(filepath.Join(dir, "config.json"))
			os.Mkdir(filepath.Join(dir, "config.json"), 0o777)
		}, "config.json is not a regular file"},
		{"no weights", func(dir string) { os.Remove(filepath.Join(dir, weights)) }, "the folder has no *.safetensors file"},
		{"weights empty", put(weights, ""), "model.safetensors: is empty"},
		{"weights not safetensors", put(weights, "<!doctype html>"), "model.safetensors: not a safetensors file"},
		{"a tensor in two files", put("more.safetensors", string(testmodel.Safetensors(tinyMLX().Tensors[:1]))), `tensor "model.embed_tokens.weight" is in two files`},
		{"a file of the index missing", put(index, `{"weight_map":{"a":"model-00001-of-00002.safetensors"}}`), "model-00001-of-00002.safetensors is missing: put all files"},
		{"an index that leads out", put(index, `{"weight_map":{"a":"../model.safetensors"}}`), `"../model.safetensors" is not the name of a file in the folder`},
		{"an index of nothing", put(index, `{}`), `tensor "model.embed_tokens.weight" is missing`},
		{"an index not JSON", put(index, `x`), index + ": invalid character"},
		{"tokenizer_config.json not JSON", put("tokenizer_config.json", `x`), "tokenizer_config.json: invalid character"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, tinyMLX())
			test.damage(dir)
			_, err := Open(dir)
			wantError(t, err, dir, test.want)
		})
	}
}

// Arbitrary JSON in place of config.json or tokenizer.json never panics; a
// configuration that is accepted is one that the metadata of a GGUF file can say.
func FuzzMLX(f *testing.F) {
	m := tinyMLX()
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	m.Tokenizer["model"] = map[string]any{"vocab": map[string]int{"a": 0, "b": 1, "ab": 5}, "merges": []any{"a b", []string{"a", "b"}}}
	f.Add(encode(m.Config), encode(m.Tokenizer))
	m.Config["rope_scaling"] = map[string]any{"rope_type": "yarn", "factor": 4, "beta_fast": 16, "attention_factor": 1.5}
	m.Config["eos_token_id"] = []int{319, 318}
	f.Add(encode(m.Config), []byte("{}"))
	f.Add([]byte(`{"model_type":"qwen3","layer_types":["full_attention"],"attention_bias":false,"logit_scale":2}`), []byte(`{}`))
	f.Add([]byte(`{"model_type":"qwen3","quantization":{"bits":2}}`), []byte(`{"model":{"merges":["a b",["a","b"]]}}`))
	hybrid := testmodel.NewMLX(folderHybrid(nil), 1)
	f.Add(encode(hybrid.Config), encode(hybrid.Tokenizer))
	f.Add([]byte(`{"model_type":"qwen3_5","text_config":{"layer_types":["linear_attention"],"attn_output_gate":false,"partial_rotary_factor":2}}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, config, tokenizer []byte) {
		var fields map[string]json.RawMessage
		if json.Unmarshal(config, &fields) == nil {
			o := ofText(newObject("config.json", fields))
			o.tokenID("eos_token_id", 320)
			if kvs, err := mlxConfig(o, "fuzz"); err == nil {
				head, _, err := gguf.Header(kvs, nil)
				if err != nil {
					t.Fatal(err)
				}
				file, err := gguf.Parse(head)
				if err != nil {
					t.Fatal(err)
				}
				readConfig(file)
			}
		}
		var list tokenizerJSON
		if json.Unmarshal(tokenizer, &list) == nil {
			if tokens, types, err := list.vocabulary(320); err == nil && (len(tokens) != 320 || len(types) != 320) {
				t.Errorf("%d tokens, %d types", len(tokens), len(types))
			}
		}
	})
}

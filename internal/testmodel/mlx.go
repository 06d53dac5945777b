package testmodel

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bankai/internal/gguf"
)

// MLX is the content of an MLX folder before it is written. The three objects are
// the JSON files of the same name.
type MLX struct {
	Config          map[string]any
	Tokenizer       map[string]any
	TokenizerConfig map[string]any
	Tensors         []MLXTensor
}

// MLXTensor is a tensor of a safetensors file.
type MLXTensor struct {
	Name  string
	DType string // F16, F32, BF16 or U32
	Shape []int
	Data  []byte
}

// NewMLX makes the same model as New, with the same configuration, vocabulary and
// weights, as an MLX folder has it: scales and biases are float16, norms float32. A
// Qwen3.5 model has a vision tower beside it, and State must be a multiple of 128.
func NewMLX(s Shape, seed uint64) *MLX {
	m := &MLX{
		Config: map[string]any{
			"model_type": "qwen3", "architectures": []string{"Qwen3ForCausalLM"}, "hidden_act": "silu",
			"num_hidden_layers": s.Layers, "hidden_size": s.Hidden, "intermediate_size": s.FFN,
			"num_attention_heads": s.Heads, "num_key_value_heads": s.KVHeads, "head_dim": s.HeadDim,
			"rms_norm_eps": 1e-6, "rope_theta": 1e6, "rope_scaling": nil, "max_position_embeddings": 512,
			"vocab_size": s.Vocab, "tie_word_embeddings": s.Tied,
			"quantization": map[string]any{"bits": 1, "group_size": gguf.BlockWeights},
			"eos_token_id": s.Vocab - 1, "bos_token_id": s.Vocab - 2,
		},
		Tokenizer:       tokenizer(s),
		TokenizerConfig: map[string]any{"pad_token": "<|endoftext|>", "add_bos_token": false},
	}
	if s.Hybrid != nil {
		m.Config = hybridConfig(s, m.Config)
		m.Tensors = hybridTensors(s, tensors(s.withoutAhead(), seed), false, unpack)
		return m
	}
	for _, t := range tensors(s, seed) {
		m.Tensors = append(m.Tensors, unpack(t)...)
	}
	return m
}

// withoutAhead is the shape without the blocks behind the layers, which those who make MLX
// folders leave out.
func (s Shape) withoutAhead() Shape {
	if s.Hybrid != nil {
		h := *s.Hybrid
		h.Ahead, s.Hybrid = 0, &h
	}
	return s
}

// NewUnpacked makes the model of NewMLX with its matrices as float16 and without a
// quantization, as those who train 1-bit models publish them. A Qwen3.5 model's norms
// lack the 1 that is added to them.
func NewUnpacked(s Shape, seed uint64) *MLX {
	m := NewMLX(s, seed)
	delete(m.Config, "quantization")
	m.Config["torch_dtype"] = "float16"
	if s.Hybrid != nil {
		m.Tensors = hybridTensors(s, tensors(s.withoutAhead(), seed), true, unpackFloats)
		return m
	}
	m.Tensors = nil
	for _, t := range tensors(s, seed) {
		m.Tensors = append(m.Tensors, unpackFloats(t)...)
	}
	return m
}

// unpackFloats turns a tensor of a GGUF file into one of floats.
func unpackFloats(t gguf.Tensor) []MLXTensor {
	if t.Type == gguf.F32 {
		return unpack(t)
	}
	return []MLXTensor{{mlxNames.Replace(t.Name), "F16", []int{int(t.Dims[1]), int(t.Dims[0])}, floats(t.Data, gguf.F16)}}
}

// tokenizer is tokenizer.json, which does not list unused tokens.
func tokenizer(s Shape) map[string]any {
	tokens, types, _ := vocabulary(s.Vocab)
	ids, added := map[string]int{}, []map[string]any{}
	for id, text := range tokens {
		switch types[id] {
		case normalToken:
			ids[text] = id
		case controlToken:
			added = append(added, map[string]any{"id": id, "content": text, "special": true})
		}
	}
	split := `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	if s.Hybrid != nil { // marks are letters
		split = strings.NewReplacer(`?\p{L}+`, `?[\p{L}\p{M}]+`, `\s\p{L}\p{N}`, `\s\p{L}\p{M}\p{N}`).Replace(split)
	}
	return map[string]any{
		"normalizer": map[string]any{"type": "NFC"},
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]any{"Regex": split}},
			map[string]any{"type": "ByteLevel"},
		}},
		"model":        map[string]any{"type": "BPE", "vocab": ids, "merges": mergePairs},
		"added_tokens": added,
	}
}

// mlxNames turn GGUF's names into those of MLX.
var mlxNames = strings.NewReplacer(
	"token_embd", "model.embed_tokens", "output_norm", "model.norm", "blk.", "model.layers.",
	"attn_norm", "input_layernorm", "ffn_norm", "post_attention_layernorm", "post_attention_norm", "post_attention_layernorm",
	"attn_qkv", "linear_attn.in_proj_qkv", "attn_gate", "linear_attn.in_proj_z", "ssm_alpha", "linear_attn.in_proj_a",
	"ssm_beta", "linear_attn.in_proj_b", "ssm_out", "linear_attn.out_proj", "ssm_conv1d", "linear_attn.conv1d",
	"ssm_a", "linear_attn.A_log", "ssm_dt.bias", "linear_attn.dt_bias", "ssm_norm", "linear_attn.norm",
	"attn_q_norm", "self_attn.q_norm", "attn_k_norm", "self_attn.k_norm", "attn_output", "self_attn.o_proj",
	"attn_q", "self_attn.q_proj", "attn_k", "self_attn.k_proj", "attn_v", "self_attn.v_proj",
	"ffn_gate", "mlp.gate_proj", "ffn_up", "mlp.up_proj", "ffn_down", "mlp.down_proj",
	"output", "lm_head")

// unpack turns a tensor of a GGUF file into those of MLX: a 1-bit matrix becomes
// its bits, its scales 2d and its biases -d.
func unpack(t gguf.Tensor) []MLXTensor {
	name := mlxNames.Replace(t.Name)
	cols := int(t.Dims[0])
	if t.Type == gguf.F32 {
		shape := []int{cols}
		if len(t.Dims) > 1 {
			shape = []int{int(t.Dims[1]), cols}
		}
		return []MLXTensor{{name, "F32", shape, t.Data}}
	}
	var bits, scales, biases []byte
	for block := range slices.Chunk(t.Data, gguf.BlockBytes) {
		d := binary.LittleEndian.Uint16(block)
		scales = binary.LittleEndian.AppendUint16(scales, d+1<<10) // twice as much
		biases = binary.LittleEndian.AppendUint16(biases, d^1<<15)
		bits = append(bits, block[2:]...)
	}
	rows, base := int(t.Dims[1]), strings.TrimSuffix(name, "weight")
	groups := []int{rows, cols / gguf.BlockWeights}
	return []MLXTensor{
		{name, "U32", []int{rows, cols / 32}, bits},
		{base + "scales", "F16", groups, scales},
		{base + "biases", "F16", groups, biases},
	}
}

// Tensor returns the tensor of that name for reading or changing, nil if there is
// none.
func (m *MLX) Tensor(name string) *MLXTensor {
	for i := range m.Tensors {
		if m.Tensors[i].Name == name {
			return &m.Tensors[i]
		}
	}
	return nil
}

// Remove removes a tensor.
func (m *MLX) Remove(name string) {
	m.Tensors = slices.DeleteFunc(m.Tensors, func(t MLXTensor) bool { return t.Name == name })
}

// Write writes the folder, which it makes, with the weights in model.safetensors.
func (m *MLX) Write(dir string) error {
	if err := m.writeJSON(dir); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "model.safetensors"), Safetensors(m.Tensors), 0o666)
}

// WriteSplit writes the folder with the weights in several files and an index.
func (m *MLX) WriteSplit(dir string, parts int) error {
	if err := m.writeJSON(dir); err != nil {
		return err
	}
	index := map[string]string{}
	for i := range parts {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, parts)
		list := m.Tensors[i*len(m.Tensors)/parts : (i+1)*len(m.Tensors)/parts]
		for _, t := range list {
			index[t.Name] = name
		}
		if err := os.WriteFile(filepath.Join(dir, name), Safetensors(list), 0o666); err != nil {
			return err
		}
	}
	return writeJSON(dir, "model.safetensors.index.json", map[string]any{"weight_map": index})
}

func (m *MLX) writeJSON(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for name, object := range map[string]map[string]any{
		"config.json": m.Config, "tokenizer.json": m.Tokenizer, "tokenizer_config.json": m.TokenizerConfig,
	} {
		if object == nil {
			continue
		}
		if err := writeJSON(dir, name, object); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(dir, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), b, 0o666)
}

// Safetensors returns a safetensors file with those tensors, in that order.
func Safetensors(tensors []MLXTensor) []byte {
	header := map[string]any{"__metadata__": map[string]string{"format": "mlx"}}
	var data []byte
	for _, t := range tensors {
		header[t.Name] = map[string]any{"dtype": t.DType, "shape": t.Shape, "data_offsets": []int{len(data), len(data) + len(t.Data)}}
		data = append(data, t.Data...)
	}
	head, err := json.Marshal(header)
	if err != nil {
		panic(err) // strings and numbers always can be
	}
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...)
	return append(file, data...)
}

// WriteMLX writes a model of the given shape as an MLX folder: the same model as
// Write's of that shape and seed.
func WriteMLX(dir string, s Shape, seed uint64) error { return NewMLX(s, seed).Write(dir) }

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// shapes are the models that scripts can ask for.
var shapes = map[string]testmodel.Shape{
	"tiny": testmodel.Tiny,
	// An odd number of layers, a head of its own, three query heads to each key
	// and value head, heads of 64 and wide ones of 128.
	"untied": {Layers: 3, Hidden: 384, FFN: 256, Heads: 6, KVHeads: 2, HeadDim: 64, Vocab: 330},
	"hybrid": testmodel.TinyHybrid,
	"wide":   {Layers: 1, Hidden: 128, FFN: 384, Heads: 3, KVHeads: 1, HeadDim: 128, Vocab: 320, Tied: true},
}

// writeModel writes a model. The words choose its shape (tiny unless named),
// seed=N, and what is unusual or wrong with it: type=N for the type of a matrix, cut=N
// for bytes that are missing at the end, set:KEY=VALUE and unset:KEY for metadata, and
// those of changes.
func writeModel(path string, words []string) error {
	shape, seed, cut := shapes["tiny"], uint64(1), 0
	var typ *gguf.Type
	var spoil []func(*testmodel.Model)
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseUint(value, 10, 64)
		change, isChange := changes[name]
		if s, ok := shapes[name]; ok {
			shape = s
		} else if name == "seed" {
			seed = n
		} else if name == "type" {
			typ = new(gguf.Type(n))
		} else if name == "cut" {
			cut = int(n)
		} else if isChange {
			spoil = append(spoil, change)
		} else if key, ok := strings.CutPrefix(name, "set:"); ok {
			spoil = append(spoil, func(m *testmodel.Model) { m.Set(key, metadata(value)) })
		} else if key, ok := strings.CutPrefix(name, "unset:"); ok {
			spoil = append(spoil, func(m *testmodel.Model) { m.Unset(key) })
		} else {
			return fmt.Errorf("unknown kind of model %q", word)
		}
	}
	m := testmodel.New(shape, seed)
	for _, change := range spoil {
		change(m)
	}
	data := m.Bytes()
	if typ != nil {
		retype(data, *typ)
	}
	return os.WriteFile(path, data[:len(data)-cut], 0o666)
}

// metadata is a whole number, a number with a point, or a text.
func metadata(text string) gguf.Value {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return gguf.Uint32(uint32(n))
	}
	if x, err := strconv.ParseFloat(text, 32); err == nil {
		return gguf.Float32(float32(x))
	}
	return gguf.String(text)
}

// writeFolder writes a model as an MLX folder. The words set numbers in its
// quantization: bits=2; unpacked leaves its matrices floats.
func writeFolder(dir, shape string, words []string) error {
	m := testmodel.NewMLX(shapes[shape], 1)
	for _, word := range words {
		if word == "unpacked" {
			m = testmodel.NewUnpacked(shapes[shape], 1)
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		m.Config["quantization"].(map[string]any)[name] = n
	}
	return m.Write(dir)
}

// changes make a model unusual, or one that has to be refused.
var changes = map[string]func(*testmodel.Model){
	"unpacked": func(m *testmodel.Model) { m.Unpack(gguf.F16) },
	"spoiled": func(m *testmodel.Model) { // a weight of row 7, group 0, that is neither +d nor -d
		t := m.Tensor("blk.0.ffn_up.weight")
		binary.LittleEndian.PutUint16(t.Data[2*(7*t.Dims[0]+5):], 0x3c00)
	},
	"zero":  func(m *testmodel.Model) { setScales(m, 0) },
	"-zero": func(m *testmodel.Model) { setScales(m, 0x8000) },
	"published": func(m *testmodel.Model) {
		for _, kv := range testmodel.Published(testmodel.Tiny, 1).KVs {
			if strings.Contains(kv.Key, "rope") || kv.Key == "qwen3.context_length" || kv.Key == "general.type" {
				m.Set(kv.Key, kv.Value)
			}
		}
		m.Unset("tokenizer.ggml.bos_token_id")
	},
	"llama":     func(m *testmodel.Model) { m.Set("general.architecture", gguf.String("llama")) },
	"qwen3next": func(m *testmodel.Model) { m.Set("general.architecture", gguf.String("qwen3next")) },
	"renamed":   func(m *testmodel.Model) { m.Set("general.name", gguf.String("another name")) },
	"missing":   func(m *testmodel.Model) { m.Remove("blk.1.ffn_up.weight") },
	"forgetful": func(m *testmodel.Model) { // value head 2 forgets where it kept, and the other way round
		row := len(m.Tensor("blk.1.ssm_beta.weight").Data) / 4
		for i, b := range m.Tensor("blk.1.ssm_beta.weight").Data[2*row : 3*row] {
			if i%gguf.BlockBytes > 1 { // not the scale
				m.Tensor("blk.1.ssm_beta.weight").Data[2*row+i] = ^b
			}
		}
	},
	"rescaled": func(m *testmodel.Model) {
		data := m.Tensor("blk.0.ffn_up.weight").Data
		binary.LittleEndian.PutUint16(data, binary.LittleEndian.Uint16(data)^1)
	},
	"templated": func(m *testmodel.Model) { m.Set("tokenizer.chat_template", gguf.String(qwenTemplate)) },
	"yarn": func(m *testmodel.Model) {
		m.Set("qwen3.rope.scaling.type", gguf.String("yarn"))
		m.Set("qwen3.rope.scaling.factor", gguf.Float32(4))
		m.Set("qwen3.rope.scaling.original_context_length", gguf.Uint32(32))
	},
}

// qwenTemplate renders as Qwen3's does, where it is about nothing but texts. Without a
// choice the answer may begin with reasoning.
const qwenTemplate = `{%- for m in messages -%}
{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>' ~ '\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and not enable_thinking -%}{{ '<think>\n\n</think>\n\n' }}
{%- elif enable_thinking is defined -%}{{ '<think>\n' }}
{%- endif -%}
{%- endif -%}`

// setScales sets all scales of a matrix.
func setScales(m *testmodel.Model, half uint16) {
	for blocks := m.Tensor("blk.0.ffn_up.weight").Data; len(blocks) > 0; blocks = blocks[gguf.BlockBytes:] {
		binary.LittleEndian.PutUint16(blocks, half)
	}
}

// retype changes the type in the record of a matrix, where the writer would not:
// after its name come the number of dimensions (4 bytes), two of them (16) and
// the type.
func retype(file []byte, t gguf.Type) {
	const name = "blk.0.ffn_up.weight"
	at := bytes.Index(file, []byte(name))
	binary.LittleEndian.PutUint32(file[at+len(name)+20:], uint32(t))
}

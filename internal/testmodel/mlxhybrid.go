package testmodel

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"bankai/internal/gguf"
)

// hybridConfig is config.json of a Qwen3.5 model with a vision tower: what concerns text is
// in an object of its own. A test that changes it takes Config["text_config"].
func hybridConfig(s Shape, text map[string]any) map[string]any {
	h := s.Hybrid
	var types []string
	for l := range s.Layers {
		if (l+1)%interval != 0 {
			types = append(types, "linear_attention")
		} else {
			types = append(types, "full_attention")
		}
	}
	top := map[string]any{
		"model_type": "qwen3_5", "architectures": []string{"Qwen3_5ForConditionalGeneration"},
		"quantization": text["quantization"], "tie_word_embeddings": s.Tied,
		"vision_config": map[string]any{"depth": 27}, "image_token_id": 5, "text_config": text,
	}
	for _, key := range []string{"architectures", "quantization", "tie_word_embeddings", "rope_theta", "rope_scaling"} {
		delete(text, key)
	}
	for key, v := range map[string]any{
		"model_type": "qwen3_5_text", "layer_types": types, "full_attention_interval": interval, "attn_output_gate": true,
		"linear_num_key_heads": h.KeyHeads, "linear_num_value_heads": h.ValueHeads, "linear_key_head_dim": h.State,
		"linear_value_head_dim": h.State, "linear_conv_kernel_dim": taps, "mamba_ssm_dtype": "float32",
		"mtp_num_hidden_layers": h.Ahead,
		"rope_parameters": map[string]any{
			"rope_type": "default", "rope_theta": 1e6, "mrope_interleaved": true, "mrope_section": []int{3, 3, 2},
			"partial_rotary_factor": float64(h.Rotary) / float64(s.HeadDim),
		},
	} {
		text[key] = v
	}
	return top
}

// hybridTensors turns the tensors of a GGUF file of Qwen3.5 into those of a folder. Value
// heads that read one key head are neighbours in it, and it holds the logarithm of the
// decay's rate. As trained, norms lack their 1, and the convolution is turned.
func hybridTensors(s Shape, tensors []gguf.Tensor, trained bool, unpack func(gguf.Tensor) []MLXTensor) []MLXTensor {
	list := []MLXTensor{{"vision_tower.patch_embed.proj.weight", "F16", []int{2, 1}, make([]byte, 4)}}
	prefix := "language_model."
	if trained {
		prefix = ""
		list[0].Name = "model.visual.patch_embed.proj.weight"
	}
	for _, t := range tensors {
		t.Data = bytes.Clone(t.Data)
		s.Hybrid.group(&t)
		_, part, _ := strings.Cut(strings.TrimPrefix(t.Name, "blk."), ".")
		switch {
		case part == "ssm_a":
			change(t.Data, func(a float64) float64 { return math.Round(math.Log(-a)*logSteps) / logSteps })
		case trained && strings.HasSuffix(t.Name, "_norm.weight") && part != "ssm_norm.weight":
			change(t.Data, func(w float64) float64 { return w - 1 })
		}
		for _, x := range unpack(t) {
			switch {
			case part == "ssm_conv1d.weight" && trained:
				x.Shape = []int{x.Shape[0], 1, x.Shape[1]}
			case part == "ssm_conv1d.weight":
				x.Shape = append(x.Shape, 1)
			}
			if x.Name = prefix + x.Name; trained {
				x.Name = strings.Replace(x.Name, "model.", "model.language_model.", 1)
			}
			list = append(list, x)
		}
	}
	return list
}

// change changes every float of a vector.
func change(data []byte, f func(float64) float64) {
	for i := 0; i < len(data); i += 4 {
		x := f(float64(math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))))
		binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(x)))
	}
}

// group puts what a tensor has by value head in a folder's order.
func (h *Hybrid) group(t *gguf.Tensor) {
	_, part, _ := strings.Cut(strings.TrimPrefix(t.Name, "blk."), ".")
	rows := 1
	if len(t.Dims) > 1 {
		rows = int(t.Dims[1])
	}
	row := len(t.Data) / rows
	switch part {
	case "attn_qkv.weight", "ssm_conv1d.weight":
		h.groupPieces(t.Data[2*h.KeyHeads*h.State*row:])
	case "attn_gate.weight", "ssm_alpha.weight", "ssm_beta.weight", "ssm_a", "ssm_dt.bias":
		h.groupPieces(t.Data)
	case "ssm_out.weight":
		for r := range rows {
			h.groupPieces(t.Data[r*row : (r+1)*row])
		}
	}
}

// groupPieces moves piece round·KeyHeads + key to key·rounds + round.
func (h *Hybrid) groupPieces(data []byte) {
	size, rounds := len(data)/h.ValueHeads, h.ValueHeads/h.KeyHeads
	tiled := bytes.Clone(data)
	for round := range rounds {
		for key := range h.KeyHeads {
			copy(data[(key*rounds+round)*size:], tiled[(round*h.KeyHeads+key)*size:][:size])
		}
	}
}

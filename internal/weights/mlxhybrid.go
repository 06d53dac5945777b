package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"bankai/internal/gguf"
	"bankai/internal/kernel"
	"bankai/internal/safetensors"
)

// hybridTypes are the names that config.json has for the hybrid, with a vision tower and
// without.
var hybridTypes = []string{"qwen3_5", "qwen3_5_text"}

// hybridFields are the fields of the hybrid's config.json that are read beside mlxFields,
// or that say nothing about how it reads text.
var hybridFields = map[string]bool{
	"linear_num_key_heads": true, "linear_num_value_heads": true, "linear_key_head_dim": true, "linear_value_head_dim": true,
	"linear_conv_kernel_dim": true, "layer_types": true, "full_attention_interval": true, "partial_rotary_factor": true,
	"attn_output_gate": true, "output_gate_type": true,

	"mtp_num_hidden_layers": true, "mtp_use_dedicated_embeddings": true, "mamba_ssm_dtype": true, "vision_config": true,
	"image_token_id": true, "video_token_id": true, "vision_start_token_id": true, "vision_end_token_id": true,
}

// ofText returns the fields of the language model, which a model with a vision tower has
// in an object of their own, with those beside them.
func ofText(o *object) *object {
	const key = "text_config"
	if !isHybrid(o) || !o.has(key) {
		return o
	}
	text := &object{name: o.name, fields: map[string]json.RawMessage{}, err: o.err}
	for name, v := range o.fields {
		text.fields[name] = v
	}
	delete(text.fields, key)
	for name, v := range o.object(key).fields {
		if name != "model_type" {
			text.fields[name] = v
		}
	}
	return text
}

// hybridConfig translates what the hybrid's configuration has beside that of dense Qwen3.
func hybridConfig(o *object) []gguf.KV {
	keyHeads, valueHeads := o.size("linear_num_key_heads"), o.size("linear_num_value_heads")
	width := o.size("linear_value_head_dim")
	if n := o.size("linear_key_head_dim"); n != width {
		o.fail("linear_key_head_dim is %d, want the width of a value head, %d", n, width)
	}
	if int64(valueHeads)*int64(width) > maxSize {
		o.fail("%d value heads of %d are more than %d weights wide", valueHeads, width, maxSize)
	}
	if o.has("attn_output_gate") && !o.flag("attn_output_gate") {
		o.fail("attn_output_gate is false: attention without a gate is not supported")
	}
	if kind := o.text("output_gate_type"); kind != "" && kind != "swish" && kind != "silu" {
		o.fail("output_gate_type is %q, want \"swish\"", kind)
	}
	u32 := func(n int) gguf.Value { return gguf.Uint32(uint32(n)) }
	kvs := []gguf.KV{
		{Key: "ssm.conv_kernel", Value: u32(o.size("linear_conv_kernel_dim"))},
		{Key: "ssm.state_size", Value: u32(width)},
		{Key: "ssm.group_count", Value: u32(keyHeads)},
		{Key: "ssm.time_step_rank", Value: u32(valueHeads)},
		{Key: "ssm.inner_size", Value: u32(valueHeads * width)},
		{Key: "rope.dimension_count", Value: u32(o.rotary())},
	}
	if o.has("full_attention_interval") {
		kvs = append(kvs, gguf.KV{Key: "full_attention_interval", Value: u32(o.size("full_attention_interval"))})
	}
	if types := o.layerTypes(); types != nil {
		kvs = append(kvs, gguf.KV{Key: "attention.recurrent_layers", Value: gguf.Bools(types)})
	}
	for i := range kvs {
		kvs[i].Key = hybrid + "." + kvs[i].Key
	}
	return kvs
}

// rotary is how many weights of a head rotate: a quarter of them unless the configuration
// says otherwise.
func (o *object) rotary() int {
	const key = "partial_rotary_factor"
	in, share := o, 0.25
	if r := o.object("rope_parameters"); r.has(key) {
		in = r
	}
	if in.has(key) {
		share = in.positive(key)
	}
	if share > 1 {
		in.fail("%s is above 1", key)
		return 1
	}
	return int(float64(o.size("head_dim")) * share)
}

// layerTypes says which layers have a delta-net, nil where the configuration does not.
func (o *object) layerTypes() []bool {
	var types []string
	if !o.get("layer_types", "a list of texts", &types) {
		return nil
	}
	list := make([]bool, len(types))
	for i, t := range types {
		list[i] = t == "linear_attention"
		if !list[i] && t != "full_attention" {
			o.fail("layer_types has %.40q, want linear_attention or full_attention", t)
		}
	}
	return list
}

// hybridName is the name that the table has for a tensor of a folder with a hybrid, whose
// language model may lie beside a vision tower. It is "" for a tensor of another part: the
// tower, or the blocks that guess further tokens ahead.
func hybridName(name string) string {
	for _, beside := range []string{"vision_tower.", "visual.", "model.visual.", "mtp.", "model.mtp.", "language_model.mtp.", "language_model.model.mtp."} {
		if strings.HasPrefix(name, beside) {
			return ""
		}
	}
	for _, p := range []struct{ from, to string }{
		{"model.language_model.", "model."}, {"language_model.model.", "model."}, {"language_model.lm_head.", "lm_head."},
	} {
		if rest, ok := strings.CutPrefix(name, p.from); ok {
			return p.to + rest
		}
	}
	return name
}

// isMTP recognises the blocks that guess further tokens ahead.
func isMTP(name string) bool { return hybridName(name) == "" && strings.Contains(name, "mtp.") }

// hybridForm is how a folder's tensors of a hybrid differ from those of a GGUF file.
type hybridForm struct {
	*Delta
	trained bool // norms are stored without the 1 that is added to them, as they were trained
}

// hybridForm says how the folder has the tensors of a hybrid, nil for a dense model.
// Programs that make MLX folders add the 1 to norms, turn the convolution, and leave out
// blocks that guess ahead; where that was not done, so the others were not.
func (s *mlxSource) hybridForm(c Config) *hybridForm {
	if c.Delta == nil {
		return nil
	}
	h := &hybridForm{Delta: c.Delta}
	h.trained = s.ahead
	for name, t := range s.index {
		h.trained = h.trained || strings.HasSuffix(name, ".conv1d.weight") && len(t.Shape) == 3 && t.Shape[2] != 1
	}
	return h
}

// check refuses heads of values that cannot be put in another order.
func (h *hybridForm) check() error {
	if h.ValueHeads != h.KeyHeads && h.KeyHeads > 1 && h.HeadDim%gguf.BlockWeights != 0 {
		return fmt.Errorf("value heads of %d cannot be put in the order of GGUF: a group of %d weights has parts of several: take a GGUF file", h.HeadDim, gguf.BlockWeights)
	}
	return nil
}

// floats turns float weights of a folder into those of GGUF: it stores the decay's rate as
// −exp of what was trained, and norms with their 1. That is done in the arithmetic of
// llama.cpp's converter, which knows float32 and float16; exp is rounded to the nearest
// here, and may be one off in the last place there.
func (h *hybridForm) floats(want shape, t safetensors.Tensor, data []byte) {
	general, _ := outOfLayer(want.name)
	var change func(x float32) float32
	switch {
	case general == "blk.%d.ssm_a":
		change = func(x float32) float32 { return -float32(kernel.Exp64(float64(x))) }
	case h.trained && strings.HasSuffix(general, "_norm.weight") && general != "blk.%d.ssm_norm.weight":
		change = func(x float32) float32 { return x + 1 }
	default:
		return
	}
	for i := 0; i < len(data); i += 4 {
		x := change(math.Float32frombits(binary.LittleEndian.Uint32(data[i:])))
		if t.DType == safetensors.F16 {
			x = nearestHalf(x)
		}
		binary.LittleEndian.PutUint32(data[i:], math.Float32bits(x))
	}
}

// reorder puts what a tensor has by value head in GGUF's order.
func (h *hybridForm) reorder(want shape, data []byte) {
	general, _ := outOfLayer(want.name)
	row := len(data) / want.rows
	switch general {
	case "blk.%d.attn_qkv.weight", "blk.%d.ssm_conv1d.weight": // the values come last
		h.tile(data[2*h.KeyHeads*h.HeadDim*row:])
	case "blk.%d.attn_gate.weight", "blk.%d.ssm_alpha.weight", "blk.%d.ssm_beta.weight", "blk.%d.ssm_a", "blk.%d.ssm_dt.bias":
		h.tile(data)
	case "blk.%d.ssm_out.weight":
		for ; len(data) > 0; data = data[row:] {
			h.tile(data[:row])
		}
	}
}

// tile puts equal pieces, one for each value head, from the order of a folder, in which
// those that read one key head are neighbours, into GGUF's, in which head j reads key head
// j mod KeyHeads.
func (h *hybridForm) tile(data []byte) {
	size, each := len(data)/h.ValueHeads, h.ValueHeads/h.KeyHeads
	grouped := bytes.Clone(data)
	for j := range h.ValueHeads {
		copy(data[j*size:][:size], grouped[(j%h.KeyHeads*each+j/h.KeyHeads)*size:])
	}
}

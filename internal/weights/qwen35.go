package weights

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bankai/internal/gguf"
)

// hybrid is the architecture of Qwen3.5, Bonsai 27B's among them.
const hybrid = "qwen35"

// readDelta reads what the hybrid has beside dense Qwen3. Blocks at the end that only
// guess further tokens ahead are not layers of the model.
func (c *Config) readDelta(k *keys) {
	const prefix = hybrid + "."
	c.Gated = true
	c.Rotary = k.sizeOr(prefix+"rope.dimension_count", c.HeadDim)
	d := &Delta{
		KeyHeads:   k.size(prefix + "ssm.group_count"),
		ValueHeads: k.size(prefix + "ssm.time_step_rank"),
		HeadDim:    k.size(prefix + "ssm.state_size"),
		Taps:       k.size(prefix + "ssm.conv_kernel"),
	}
	if inner := k.size(prefix + "ssm.inner_size"); inner != d.ValueHeads*d.HeadDim {
		k.fail("%sssm.inner_size is %d, want that of all value heads, %d", prefix, inner, d.ValueHeads*d.HeadDim)
	}
	c.Delta = d
	ahead := k.count(prefix + "nextn_predict_layers")
	if k.err != nil {
		return
	}
	if ahead >= c.Layers {
		k.fail("%snextn_predict_layers is %d, but there are %d blocks", prefix, ahead, c.Layers)
		return
	}
	c.Layers -= ahead
	d.Layers = recurrent(k, c.Layers, ahead)
}

// recurrent says which of the layers have a delta-net: as the file lists them, or all but
// every fourth or whatever the interval is. A list may go on to the blocks behind the
// layers.
func recurrent(k *keys, layers, ahead int) []bool {
	const prefix = hybrid + "."
	interval := k.sizeOr(prefix+"full_attention_interval", 4)
	listed := k.flags(prefix + "attention.recurrent_layers")
	switch len(listed) {
	case layers, layers + ahead:
		return listed[:layers]
	case 0:
	default:
		k.fail("%sattention.recurrent_layers has %d entries, but there are %d layers", prefix, len(listed), layers)
	}
	if k.err != nil {
		return nil
	}
	list := make([]bool, layers)
	for l := range list {
		list[l] = (l+1)%interval != 0
	}
	return list
}

// ahead reports whether a tensor is of a block behind the layers, which guesses further
// tokens ahead and is no part of the model. Older converters left such blocks in the file
// without a word in the metadata.
func (c Config) ahead(name string) bool {
	_, layer := outOfLayer(name)
	return c.Delta != nil && layer >= c.Layers
}

// checkAhead refuses layers that the metadata leaves out: a block behind the layers must
// have what makes it guess ahead.
func (c Config) checkAhead(parts []*gguf.File) error {
	behind, guesses := map[int]string{}, map[int]bool{}
	for _, p := range parts {
		for _, t := range p.Tensors {
			if !c.ahead(t.Name) {
				continue
			}
			general, layer := outOfLayer(t.Name)
			behind[layer] = t.Name
			guesses[layer] = guesses[layer] || strings.HasPrefix(general, "blk.%d.nextn.")
		}
	}
	for _, layer := range slices.Sorted(maps.Keys(behind)) {
		if !guesses[layer] {
			return fmt.Errorf("tensor %q is of block %d, which is a layer like others (it has no nextn tensor), but the metadata says that the model has %d layers", behind[layer], layer, c.Layers)
		}
	}
	return nil
}

// isGate reports whether a tensor is one of the projections that may be floats.
func (c Config) isGate(name string) bool {
	s, ok := c.spec(name)
	return ok && s.Part == DeltaNet && (s.Short == "alpha" || s.Short == "beta")
}

// fusedAttention is the hint to a tensor that llama.cpp would take in place of three.
func (c Config) fusedAttention(name string) string {
	if general, layer := outOfLayer(name); general == "blk.%d.attn_qkv.weight" && layer >= 0 && layer < c.Layers && c.Has(Attention, layer) {
		return ": in a layer with attention, queries, keys and values have a matrix each"
	}
	return ""
}

// checkDelta applies the rules that concern several sizes of the hybrid.
func (c Config) checkDelta() error {
	d := c.Delta
	switch {
	case d.ValueHeads%d.KeyHeads != 0:
		return fmt.Errorf("%d value heads cannot share %d key heads evenly", d.ValueHeads, d.KeyHeads)
	case int64(d.ValueHeads)*int64(d.HeadDim) > maxSize || int64(d.KeyHeads)*int64(d.HeadDim) > maxSize:
		return fmt.Errorf("%d value heads of %d are more than %d weights wide", d.ValueHeads, d.HeadDim, maxSize)
	case d.ValueHeads*d.HeadDim%gguf.BlockWeights != 0:
		return fmt.Errorf("%d value heads of %d are not a multiple of %d, the group of a 1-bit row", d.ValueHeads, d.HeadDim, gguf.BlockWeights)
	case c.Rotary > c.HeadDim:
		return fmt.Errorf("%d weights of a head rotate, but it has %d", c.Rotary, c.HeadDim)
	}
	return nil
}

// qwen35 is the table of Qwen3.5's hybrid of gated delta-nets and gated attention.
func qwen35(c Config) []TensorSpec {
	d := c.Delta
	if d == nil { // where only names are wanted
		d = &Delta{}
	}
	values := d.ValueHeads * d.HeadDim
	gates := OneBit
	if d.FloatGates {
		gates = Float
	}
	deltaNet := []TensorSpec{
		{"blk.%d.attn_norm.weight", "model.layers.%d.input_layernorm", DeltaNet, "norm", Float, 1, c.Hidden},
		{"blk.%d.attn_qkv.weight", "model.layers.%d.linear_attn.in_proj_qkv", DeltaNet, "qkv", OneBit, d.Channels(), c.Hidden},
		{"blk.%d.attn_gate.weight", "model.layers.%d.linear_attn.in_proj_z", DeltaNet, "z", OneBit, values, c.Hidden},
		{"blk.%d.ssm_alpha.weight", "model.layers.%d.linear_attn.in_proj_a", DeltaNet, "alpha", gates, d.ValueHeads, c.Hidden},
		{"blk.%d.ssm_beta.weight", "model.layers.%d.linear_attn.in_proj_b", DeltaNet, "beta", gates, d.ValueHeads, c.Hidden},
		{"blk.%d.ssm_conv1d.weight", "model.layers.%d.linear_attn.conv1d", DeltaNet, "conv", Float, d.Channels(), d.Taps},
		{"blk.%d.ssm_a", "model.layers.%d.linear_attn.A_log", DeltaNet, "a", Float, 1, d.ValueHeads},
		{"blk.%d.ssm_dt.bias", "model.layers.%d.linear_attn.dt_bias", DeltaNet, "dt", Float, 1, d.ValueHeads},
		{"blk.%d.ssm_norm.weight", "model.layers.%d.linear_attn.norm", DeltaNet, "head_norm", Float, 1, d.HeadDim},
		{"blk.%d.ssm_out.weight", "model.layers.%d.linear_attn.out_proj", DeltaNet, "out", OneBit, c.Hidden, values},
	}
	return c.table(deltaNet, c.attentionTensors(2*c.Heads*c.HeadDim), c.mlpTensors("blk.%d.post_attention_norm.weight"))
}

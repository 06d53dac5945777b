package weights

import (
	"errors"
	"fmt"
	"slices"

	"bankai/internal/gguf"
	"bankai/internal/kernel"
)

// mlxConfig translates config.json into the metadata that a GGUF file of the same
// model has, or refuses a model that is not 1-bit Qwen3.
func mlxConfig(o *object, name string) ([]gguf.KV, error) {
	if !o.has("model_type") {
		o.fail("model_type is missing")
	}
	kind := o.text("model_type")
	if *o.err != nil {
		return nil, *o.err
	}
	if isHybrid(o) {
		kind = hybrid
	}
	if err := refuseArchitecture(kind); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	if err := refuseQuantization(o); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	if act := o.text("hidden_act"); act != "" && act != "silu" {
		o.fail("hidden_act is %q, want \"silu\"", act)
	}
	o.checkFields()
	prefix := kind + "."
	u32 := func(key string) gguf.Value { return gguf.Uint32(uint32(o.size(key))) }
	kvs := []gguf.KV{
		{Key: "general.architecture", Value: gguf.String(kind)},
		{Key: "general.name", Value: gguf.String(name)},
		{Key: "general.file_type", Value: gguf.Uint32(40)}, // mostly Q1_0
		{Key: "general.quantization_version", Value: gguf.Uint32(2)},
		{Key: prefix + "block_count", Value: u32("num_hidden_layers")},
		{Key: prefix + "context_length", Value: u32("max_position_embeddings")},
		{Key: prefix + "embedding_length", Value: u32("hidden_size")},
		{Key: prefix + "feed_forward_length", Value: u32("intermediate_size")},
		{Key: prefix + "attention.head_count", Value: u32("num_attention_heads")},
		{Key: prefix + "attention.head_count_kv", Value: u32("num_key_value_heads")},
		{Key: prefix + "attention.key_length", Value: u32("head_dim")},
		{Key: prefix + "attention.value_length", Value: u32("head_dim")},
		{Key: prefix + "attention.layer_norm_rms_epsilon", Value: gguf.Float32(float32(o.positive("rms_norm_eps")))},
	}
	kvs = append(kvs, mlxRope(o, prefix)...)
	if kind == hybrid {
		kvs = append(kvs, hybridConfig(o)...)
	}
	return kvs, *o.err
}

// isHybrid reports whether the configuration is that of Qwen3.5.
func isHybrid(o *object) bool { return slices.Contains(hybridTypes, o.text("model_type")) }

// isQuantized reports whether the configuration has a quantization.
func isQuantized(o *object) bool { return o.has("quantization") || o.has("quantization_config") }

// refuseQuantization refuses every quantization but 1 bit in groups of 128.
func refuseQuantization(o *object) error {
	if !isQuantized(o) {
		return nil // its weights may be those of a 1-bit model all the same
	}
	q := o.object("quantization")
	if !o.has("quantization") {
		q = o.object("quantization_config")
	}
	switch bits := q.size("bits"); {
	case *o.err != nil:
		return nil // kept in o
	case bits == 2:
		return errors.New("quantization of 2 bits: " + ternary)
	case bits != 1:
		return fmt.Errorf("quantization of %d bits: this is not a 1-bit model", bits)
	}
	if n := q.size("group_size"); *o.err == nil && n != gguf.BlockWeights {
		return fmt.Errorf("quantization in groups of %d: only 1-bit weights in groups of %d are supported", n, gguf.BlockWeights)
	}
	if mode := q.text("mode"); mode != "" && mode != "affine" {
		return fmt.Errorf("quantization mode %q is not supported, only \"affine\" is", mode)
	}
	return nil
}

// mlxRope translates the rotary positions. They are in rope_scaling with
// rope_theta beside it, or together in rope_parameters. Keys get the prefix.
func mlxRope(o *object, prefix string) []gguf.KV {
	scaling := prefix + "rope.scaling."
	base, r := o, o.object("rope_scaling")
	if o.has("rope_parameters") {
		r = o.object("rope_parameters")
		base = r
	}
	kvs := []gguf.KV{{Key: prefix + "rope.freq_base", Value: gguf.Float32(float32(base.positive("rope_theta")))}}
	add := func(key string, v gguf.Value) { kvs = append(kvs, gguf.KV{Key: scaling + key, Value: v}) }
	kind := r.text("rope_type")
	if kind == "" {
		kind = r.text("type")
	}
	switch kind {
	case "", "default", "none":
		return kvs
	case "linear", "yarn":
	default:
		r.fail("type %q is not supported, only default, linear and yarn are", kind)
		return nil
	}
	factor := r.positive("factor")
	add("type", gguf.String(kind))
	add("factor", gguf.Float32(float32(factor)))
	if kind == "linear" {
		return kvs
	}
	if r.has("original_max_position_embeddings") {
		add("original_context_length", gguf.Uint32(uint32(r.size("original_max_position_embeddings"))))
	}
	for _, beta := range []string{"beta_fast", "beta_slow"} {
		if r.has(beta) {
			add("yarn_"+beta, gguf.Float32(float32(r.positive(beta))))
		}
	}
	if r.has("attention_factor") { // in GGUF it multiplies YaRN's own factor
		own := 1 + float64(0.1*kernel.Log(max(1, factor)))
		add("attn_factor", gguf.Float32(float32(r.positive("attention_factor")/own)))
	}
	for _, key := range []string{"mscale", "mscale_all_dim", "truncate"} {
		if r.has(key) {
			r.fail("%s is not a field that Qwen3 models have: this kind of YaRN is not supported", key)
		}
	}
	return kvs
}

package weights

import (
	"fmt"
	"math"
	"strings"

	"bankai/internal/gguf"
)

// A model's metadata can change what it computes. Ignoring such a key that is not
// understood gives nonsense without a word, so every key that could be one is
// refused, unless it is listed here as one that leaves the answers alone: always, or
// with the value it has.

// harmless reports whether a value of a key leaves the answers of a model alone.
type harmless func(v gguf.Value, c Config) bool

// always is for keys that are read elsewhere, or that only tell about the model.
func always(gguf.Value, Config) bool { return true }

// among accepts a few numbers.
func among(list ...float64) harmless {
	return func(v gguf.Value, _ Config) bool {
		x, ok := numberOf(v)
		for _, want := range list {
			if ok && x == want {
				return true
			}
		}
		return false
	}
}

// flagIs accepts one boolean.
func flagIs(want bool) harmless {
	return func(v gguf.Value, _ Config) bool { b, ok := v.Bool(); return ok && b == want }
}

// numberOf reads a number of any type that is not negative.
func numberOf(v gguf.Value) (float64, bool) {
	if n, ok := v.Uint(); ok {
		return float64(n), true
	}
	return v.Float()
}

// archKeys are the keys under the prefix of the architecture.
var archKeys = map[string]harmless{
	// readConfig and readYarn read these.
	"block_count": always, "context_length": always, "embedding_length": always, "feed_forward_length": always,
	"attention.head_count": always, "attention.head_count_kv": always,
	"attention.key_length": always, "attention.value_length": always,
	"attention.layer_norm_rms_epsilon": always,
	"rope.freq_base":                   always, "rope.dimension_count": always, "rope.scale_linear": always,
	"rope.scaling.type": always, "rope.scaling.factor": always, "rope.scaling.original_context_length": always,
	"rope.scaling.attn_factor": always, "rope.scaling.yarn_ext_factor": always,
	"rope.scaling.yarn_beta_fast": always, "rope.scaling.yarn_beta_slow": always,

	// These tell how the model was made or what it is used for.
	"rope.scaling.finetuned": always, "pooling_type": always,
	"vocab_size": func(v gguf.Value, c Config) bool { n, ok := v.Uint(); return ok && n == uint64(c.Vocab) },

	// These change the answers unless they have the value that a plain Qwen3 has. For
	// llama.cpp, a factor of 0 is one that is not given.
	"attention.scale": func(v gguf.Value, c Config) bool {
		x, ok := numberOf(v)
		return ok && (x == 0 || math.Abs(float64(x*math.Sqrt(float64(c.HeadDim)))-1) < 1e-6)
	},
	"attention.sliding_window": func(v gguf.Value, c Config) bool {
		n, ok := v.Uint()
		return ok && (n == 0 || n >= uint64(c.Context))
	},
	"attention.causal": flagIs(true), "use_parallel_residual": flagIs(false),
	"logit_scale": among(0, 1), "residual_scale": among(0, 1), "embedding_scale": among(0, 1),
	"attn_logit_softcapping": among(0), "final_logit_softcapping": among(0), "attention.logit_softcapping": among(0),
	"attention.clamp_kqv": among(0), "attention.max_alibi_bias": among(0), "attention.temperature_scale": among(0),
	"expert_count": among(0), "expert_used_count": among(0), "nextn_predict_layers": among(0),
}

// hybridKeys are those that the hybrid has beside archKeys: readDelta reads them. The
// sections of positions are for images: a text has the same position in all of them.
var hybridKeys = map[string]harmless{
	"ssm.state_size": always, "ssm.group_count": always, "ssm.time_step_rank": always, "ssm.inner_size": always,
	"ssm.conv_kernel": always, "full_attention_interval": always, "nextn_predict_layers": always,
	"rope.dimension_sections": always, "attention.recurrent_layers": always,
}

// tokenizerKeys are the keys under "tokenizer.ggml." that change the tokens of a text
// unless they have these values. The other ones of "tokenizer." name tokens, or say
// once more what the vocabulary says.
var tokenizerKeys = map[string]harmless{
	"add_eos_token": flagIs(false), "add_sep_token": flagIs(false),
	"remove_extra_whitespaces": flagIs(false), "normalizer.lowercase": flagIs(false),
}

// foreignPrefixes belong to keys of other programs that change the arithmetic.
var foreignPrefixes = []string{"prism.", "clip.", "adapter."}

// checkMetadata refuses the first key that changes what the model computes and that
// is not understood. The configuration must have been read, with the vocabulary.
func checkMetadata(f *gguf.File, c Config) error {
	for _, kv := range f.KVs {
		if !understood(kv, c) {
			return fmt.Errorf("metadata key %.80s is %v: it changes what the model computes, and this program does not know how: take a file without it, or a newer bankai", kv.Key, kv.Value)
		}
	}
	return nil
}

// understood reports whether ignoring the key gives the model's own answers.
func understood(kv gguf.KV, c Config) bool {
	if name, ok := strings.CutPrefix(kv.Key, c.Architecture+"."); ok {
		if rule, known := hybridKeys[name]; known && c.Architecture == hybrid {
			return rule(kv.Value, c)
		}
		rule, known := archKeys[name]
		return known && rule(kv.Value, c)
	}
	if name, ok := strings.CutPrefix(kv.Key, "tokenizer.ggml."); ok {
		rule, known := tokenizerKeys[name]
		return !known || rule(kv.Value, c)
	}
	for _, prefix := range foreignPrefixes {
		if strings.HasPrefix(kv.Key, prefix) {
			return false
		}
	}
	return !isRotation(kv.Key)
}

// isRotation recognises the name of a setting by which weights are stored rotated.
func isRotation(name string) bool {
	name = strings.ToLower(name)
	return !strings.HasPrefix(name, "general.") && (strings.Contains(name, "hadamard") || strings.Contains(name, "rotation"))
}

package weights

import (
	"encoding/json"
	"maps"
	"slices"
)

// mlxFields are the fields of config.json that are read, or that say nothing about
// what the model computes. Libraries write many that a model does not use.
var mlxFields = map[string]bool{
	"model_type": true, "hidden_act": true, "num_hidden_layers": true, "hidden_size": true, "intermediate_size": true,
	"num_attention_heads": true, "num_key_value_heads": true, "head_dim": true, "rms_norm_eps": true, "vocab_size": true,
	"max_position_embeddings": true, "rope_theta": true, "rope_scaling": true, "rope_parameters": true,
	"tie_word_embeddings": true, "quantization": true, "quantization_config": true,

	"eos_token_id": true, "bos_token_id": true, "pad_token_id": true, "sep_token_id": true, "decoder_start_token_id": true,
	"architectures": true, "auto_map": true, "_name_or_path": true, "name_or_path": true, "id2label": true, "label2id": true,
	"torch_dtype": true, "dtype": true, "transformers_version": true, "unsloth_version": true, "unsloth_fixed": true,
	"attention_dropout": true, "hidden_dropout": true, "initializer_range": true, "use_cache": true, "return_dict": true,
	"_attn_implementation": true, "attn_implementation": true, "chunk_size_feed_forward": true, "problem_type": true,
	"is_encoder_decoder": true, "max_length": true, "min_length": true, "num_return_sequences": true, "pretraining_tp": true,
	"temperature": true, "top_k": true, "top_p": true, "min_p": true, "repetition_penalty": true, "length_penalty": true,
	"num_beams": true, "num_beam_groups": true, "diversity_penalty": true, "typical_p": true, "task_specific_params": true,
	"no_repeat_ngram_size": true, "encoder_no_repeat_ngram_size": true, "pruned_heads": true, "license": true,
	"sliding_window": true, "max_window_layers": true, // without effect unless use_sliding_window is true
}

// checkFields refuses the first field of config.json that may change what the model
// computes and that is not understood. null, false, and an empty list or object say
// that there is no such thing.
func (o *object) checkFields() {
	for _, key := range slices.Sorted(maps.Keys(o.fields)) {
		if mlxFields[key] || isHybrid(o) && hybridFields[key] || key == "layer_types" && o.allFull() {
			continue
		}
		switch text := string(o.fields[key]); text {
		case "null", "false", "[]", "{}":
		default:
			o.fail("%.80s is %.40s: it may change what the model computes, and this program does not know how: take a model without it, or a newer bankai", key, text)
			return
		}
	}
}

// allFull reports whether every layer attends to all tokens before.
func (o *object) allFull() bool {
	var types []string
	if json.Unmarshal(o.fields["layer_types"], &types) != nil {
		return false
	}
	return !slices.ContainsFunc(types, func(t string) bool { return t != "full_attention" })
}

package weights

import "slices"

// qwen3 is the table of dense Qwen3.
func qwen3(c Config) []TensorSpec {
	return c.table(c.attentionTensors(c.Heads*c.HeadDim), c.mlpTensors("blk.%d.ffn_norm.weight"))
}

// table is that of a model with some tensors in its layers.
func (c Config) table(layers ...[]TensorSpec) []TensorSpec {
	list := []TensorSpec{{"token_embd.weight", "model.embed_tokens", Embedding, "embedding", OneBit, c.Vocab, c.Hidden}}
	list = append(list, slices.Concat(layers...)...)
	list = append(list, TensorSpec{"output_norm.weight", "model.norm", Head, "norm", Float, 1, c.Hidden})
	if !c.Tied {
		list = append(list, TensorSpec{"output.weight", "lm_head", Head, "head", OneBit, c.Vocab, c.Hidden})
	}
	return list
}

// attentionTensors are those of an attention whose query projection has a number of rows.
func (c Config) attentionTensors(queries int) []TensorSpec {
	kv := c.KVHeads * c.HeadDim
	return []TensorSpec{
		{"blk.%d.attn_norm.weight", "model.layers.%d.input_layernorm", Attention, "norm", Float, 1, c.Hidden},
		{"blk.%d.attn_q.weight", "model.layers.%d.self_attn.q_proj", Attention, "q", OneBit, queries, c.Hidden},
		{"blk.%d.attn_k.weight", "model.layers.%d.self_attn.k_proj", Attention, "k", OneBit, kv, c.Hidden},
		{"blk.%d.attn_v.weight", "model.layers.%d.self_attn.v_proj", Attention, "v", OneBit, kv, c.Hidden},
		{"blk.%d.attn_q_norm.weight", "model.layers.%d.self_attn.q_norm", Attention, "q_norm", Float, 1, c.HeadDim},
		{"blk.%d.attn_k_norm.weight", "model.layers.%d.self_attn.k_norm", Attention, "k_norm", Float, 1, c.HeadDim},
		{"blk.%d.attn_output.weight", "model.layers.%d.self_attn.o_proj", Attention, "o", OneBit, c.Hidden, c.Heads * c.HeadDim},
	}
}

// mlpTensors are those of a SwiGLU MLP whose norm has that name in GGUF.
func (c Config) mlpTensors(norm string) []TensorSpec {
	return []TensorSpec{
		{norm, "model.layers.%d.post_attention_layernorm", MLP, "norm", Float, 1, c.Hidden},
		{"blk.%d.ffn_gate.weight", "model.layers.%d.mlp.gate_proj", MLP, "gate", OneBit, c.FFN, c.Hidden},
		{"blk.%d.ffn_up.weight", "model.layers.%d.mlp.up_proj", MLP, "up", OneBit, c.FFN, c.Hidden},
		{"blk.%d.ffn_down.weight", "model.layers.%d.mlp.down_proj", MLP, "down", OneBit, c.Hidden, c.FFN},
	}
}

package engine

// qwen3 is dense Qwen3: in every layer grouped-query attention, with RMSNorm on the
// queries and keys of each head and rotary positions, and then a SwiGLU MLP. Both read
// the RMSNorm of the residual stream and add to it.
func qwen3(w *wiring) {
	for layer := range w.config.Layers {
		w.attention(layer)
		w.mlp(layer)
	}
}

package engine

import "bankai/internal/weights"

// qwen35 is Qwen3.5's hybrid: as dense Qwen3, but for most layers, which have a gated
// delta-net in place of attention, and for the gate on the attention of the others.
func qwen35(w *wiring) {
	for layer := range w.config.Layers {
		if w.config.Has(weights.DeltaNet, layer) {
			w.deltaNet(layer)
		} else {
			w.attention(layer)
		}
		w.mlp(layer)
	}
}

package weights

import (
	"fmt"

	"bankai/internal/gguf"
)

// refuseTypes refuses a model for the type of its first tensor that is neither
// 1-bit nor float, with the reason. It comes before everything else, because the
// type says more about such a file than what would be missed later; the configuration
// need not be whole.
func refuseTypes(parts []*gguf.File, c Config) error {
	for _, p := range parts {
		for _, t := range p.Tensors {
			if why := refusal(t.Type); why != "" && !c.ahead(t.Name) {
				return fmt.Errorf("tensor %q has type %v: %s", t.Name, t.Type, why)
			}
		}
	}
	return nil
}

// ternary is the reason against codes of 2 bits.
const ternary = "ternary weights (-1, 0, +1) are not 1-bit: the XOR of two ternary codes can be no code at all, so such a model cannot be patched"

// refusal says why a model with tensors of that type cannot be patched, nothing
// where it can.
func refusal(t gguf.Type) string {
	switch t {
	case gguf.Q1_0, gguf.F32, gguf.F16, gguf.BF16:
		return ""
	case gguf.TQ1_0, gguf.TQ2_0, gguf.Q2_0, gguf.I2S, gguf.TL1, gguf.IQ1BN, gguf.IQ2BN, gguf.PQ20, gguf.PTQ10:
		return ternary
	case gguf.NVFP4:
		return "number 40 is 4-bit NVFP4 in today's ggml; in early 1-bit files of PrismML's llama.cpp it was 1-bit in groups of 32, a layout since dropped: get a current file, whose 1-bit tensors have type Q1_0 (41)"
	}
	return "this is not a 1-bit model, whose matrices all have type Q1_0 (41)"
}

// refuseArchitecture refuses every architecture that is not understood, by its name
// in GGUF or in config.json.
func refuseArchitecture(arch string) error {
	if _, ok := architectures[arch]; ok {
		return nil
	}
	switch arch {
	case "qwen35moe", "qwen3next", "qwen3_5_moe", "qwen3_next":
		return fmt.Errorf("architecture %q (experts, or another hybrid of attention and delta-net) is not supported: only dense Qwen3 (Bonsai 1.7B, 4B, 8B) and Qwen3.5 (Bonsai 27B) are", arch)
	case "bitnet", "bitnet-b1.58", "bitnet-25":
		return fmt.Errorf("architecture %q has ternary weights (-1, 0, +1), which are not 1-bit and cannot be patched by XOR", arch)
	}
	return fmt.Errorf("architecture %q is not supported, only dense Qwen3 (\"qwen3\") and its hybrid Qwen3.5 (\"qwen35\") are", arch)
}

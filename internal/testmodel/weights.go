package testmodel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"bankai/internal/gguf"
)

// tensors makes the weights: sign bits uniform, scales log-normal around
// 1/sqrt(columns) so that activations neither die out nor explode, and norms
// around 1.
func tensors(s Shape, seed uint64) []gguf.Tensor {
	rng := rand.New(rand.NewPCG(seed, 0))
	heads, kv := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	list := []gguf.Tensor{oneBit(rng, "token_embd.weight", s.Vocab, s.Hidden), norm(rng, "output_norm.weight", s.Hidden)}
	if !s.Tied {
		list = append(list, oneBit(rng, "output.weight", s.Vocab, s.Hidden))
	}
	for l := range s.Layers {
		name := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", l, part) }
		if s.Hybrid != nil {
			list = append(list, s.hybridLayer(rng, l, (l+1)%interval != 0)...)
			continue
		}
		list = append(list,
			norm(rng, name("attn_norm"), s.Hidden),
			oneBit(rng, name("attn_q"), heads, s.Hidden),
			oneBit(rng, name("attn_k"), kv, s.Hidden),
			oneBit(rng, name("attn_v"), kv, s.Hidden),
			oneBit(rng, name("attn_output"), s.Hidden, heads),
			norm(rng, name("attn_q_norm"), s.HeadDim),
			norm(rng, name("attn_k_norm"), s.HeadDim),
			norm(rng, name("ffn_norm"), s.Hidden),
			oneBit(rng, name("ffn_gate"), s.FFN, s.Hidden),
			oneBit(rng, name("ffn_up"), s.FFN, s.Hidden),
			oneBit(rng, name("ffn_down"), s.Hidden, s.FFN))
	}
	for l := range ahead(s) {
		list = append(list, s.aheadBlock(rng, s.Layers+l)...)
	}
	return list
}

func ahead(s Shape) int {
	if s.Hybrid == nil {
		return 0
	}
	return s.Hybrid.Ahead
}

// Of every Qwen3.5 model: the taps of the convolution, and in how many layers one has
// attention. The logarithm of the decay's rate has steps of 1/logSteps, so that it can be
// had back from the rate.
const (
	taps     = 4
	interval = 4
	logSteps = 1024
)

// hybridLayer makes a layer of Qwen3.5, with a delta-net or with gated attention. The decay
// of a token spans about 0.999 to 0: short and long memories.
func (s Shape) hybridLayer(rng *rand.Rand, layer int, recurrent bool) []gguf.Tensor {
	h := s.Hybrid
	name := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", layer, part) }
	list := []gguf.Tensor{norm(rng, name("attn_norm"), s.Hidden)}
	if recurrent {
		channels, values := (2*h.KeyHeads+h.ValueHeads)*h.State, h.ValueHeads*h.State
		gate := func(part string) gguf.Tensor {
			if !h.FloatGates {
				return oneBit(rng, name(part), h.ValueHeads, s.Hidden)
			}
			return drawn(name(part), []uint64{uint64(s.Hidden), uint64(h.ValueHeads)}, func() float64 {
				return rng.NormFloat64() / math.Sqrt(float64(s.Hidden))
			})
		}
		list = append(list,
			oneBit(rng, name("attn_qkv"), channels, s.Hidden),
			oneBit(rng, name("attn_gate"), values, s.Hidden),
			gate("ssm_alpha"), gate("ssm_beta"),
			drawn(name("ssm_conv1d"), []uint64{taps, uint64(channels)}, func() float64 { return 0.5 * rng.NormFloat64() }),
			drawn(fmt.Sprintf("blk.%d.ssm_a", layer), []uint64{uint64(h.ValueHeads)}, func() float64 {
				return -math.Exp(math.Round((math.Log(0.01)+float64(rng.Float64()*math.Log(800)))*logSteps) / logSteps)
			}),
			drawn(fmt.Sprintf("blk.%d.ssm_dt.bias", layer), []uint64{uint64(h.ValueHeads)}, func() float64 {
				return -1 + float64(1.5*rng.NormFloat64())
			}),
			norm(rng, name("ssm_norm"), h.State),
			oneBit(rng, name("ssm_out"), s.Hidden, values))
	} else {
		list = append(list,
			oneBit(rng, name("attn_q"), 2*s.Heads*s.HeadDim, s.Hidden),
			oneBit(rng, name("attn_k"), s.KVHeads*s.HeadDim, s.Hidden),
			oneBit(rng, name("attn_v"), s.KVHeads*s.HeadDim, s.Hidden),
			norm(rng, name("attn_q_norm"), s.HeadDim),
			norm(rng, name("attn_k_norm"), s.HeadDim),
			oneBit(rng, name("attn_output"), s.Hidden, s.Heads*s.HeadDim))
	}
	return append(list,
		norm(rng, name("post_attention_norm"), s.Hidden),
		oneBit(rng, name("ffn_gate"), s.FFN, s.Hidden),
		oneBit(rng, name("ffn_up"), s.FFN, s.Hidden),
		oneBit(rng, name("ffn_down"), s.Hidden, s.FFN))
}

// aheadBlock makes a block that guesses the token after the next.
func (s Shape) aheadBlock(rng *rand.Rand, n int) []gguf.Tensor {
	name := func(part string) string { return fmt.Sprintf("blk.%d.nextn.%s.weight", n, part) }
	return append(s.hybridLayer(rng, n, false),
		oneBit(rng, name("eh_proj"), s.Hidden, 2*s.Hidden),
		norm(rng, name("enorm"), s.Hidden), norm(rng, name("hnorm"), s.Hidden))
}

// drawn is a tensor of floats.
func drawn(name string, dims []uint64, draw func() float64) gguf.Tensor {
	n := uint64(1)
	for _, d := range dims {
		n *= d
	}
	var data []byte
	for range n {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(draw())))
	}
	return gguf.Tensor{Name: name, Dims: dims, Type: gguf.F32, Data: data}
}

func oneBit(rng *rand.Rand, name string, rows, cols int) gguf.Tensor {
	data := make([]byte, 0, rows*cols/gguf.BlockWeights*gguf.BlockBytes)
	for range rows * cols / gguf.BlockWeights {
		scale := math.Exp(0.3*rng.NormFloat64()) / math.Sqrt(float64(cols))
		data = binary.LittleEndian.AppendUint16(data, half(scale))
		data = binary.LittleEndian.AppendUint64(data, rng.Uint64())
		data = binary.LittleEndian.AppendUint64(data, rng.Uint64())
	}
	return gguf.Tensor{Name: name, Dims: []uint64{uint64(cols), uint64(rows)}, Type: gguf.Q1_0, Data: data}
}

func norm(rng *rand.Rand, name string, n int) gguf.Tensor {
	var data []byte
	for range n {
		w := float32(1 + float64(0.1*rng.NormFloat64()))
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(w))
	}
	return gguf.Tensor{Name: name, Dims: []uint64{uint64(n)}, Type: gguf.F32, Data: data}
}

// floats unpacks blocks.
func floats(blocks []byte, typ gguf.Type) (out []byte) {
	for ; len(blocks) > 0; blocks = blocks[gguf.BlockBytes:] {
		h := binary.LittleEndian.Uint16(blocks)
		size := math.Float32bits(float32(math.Ldexp(1+float64(h&0x3ff)/1024, int(h>>10)-15)))
		for i := range gguf.BlockWeights {
			negative := uint32(^blocks[2+i/8] >> (i % 8) & 1)
			switch typ {
			case gguf.F16:
				out = binary.LittleEndian.AppendUint16(out, h|uint16(negative)<<15)
			case gguf.BF16:
				out = binary.LittleEndian.AppendUint16(out, uint16(size>>16|negative<<15))
			default:
				out = binary.LittleEndian.AppendUint32(out, size|negative<<31)
			}
		}
	}
	return out
}

// half rounds a positive number in the normal range of float16 to it, by
// dropping the bits below its last: a test model does not care which neighbour.
func half(x float64) uint16 {
	frac, exp := math.Frexp(x) // frac in [0.5, 1)
	return uint16(exp+14)<<10 | uint16(frac*2048)&0x3ff
}

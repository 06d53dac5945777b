package weights

import (
	"fmt"

	"bankai/internal/gguf"
)

// Config is the configuration of a model. Sizes count weights of one vector unless they
// say otherwise.
type Config struct {
	Architecture string // "qwen3" or "qwen35"
	Name         string // general.name, may be empty
	Layers       int    // number of layers
	Hidden       int    // width of the residual stream, a multiple of 128
	FFN          int    // width of the MLP, a multiple of 128
	Heads        int    // query heads, a multiple of KVHeads
	KVHeads      int    // key and value heads
	HeadDim      int    // width of a head, even; Heads·HeadDim is a multiple of 128
	Vocab        int    // number of tokens
	Context      int    // tokens the model was made for
	RMSEps       float32
	RopeTheta    float64
	Tied         bool  // the head is the embedding: there is no output.weight
	Yarn         *Yarn // nil: plain RoPE

	Rotary int    // how many of the HeadDim weights of a head rotate, the first ones: all in dense Qwen3
	Gated  bool   // the query projection has a gate beside each query: [Heads][query, gate][HeadDim]
	Delta  *Delta // nil: every layer has attention
}

// Delta says which layers have a gated delta-net in place of attention, and its sizes.
// Value head j reads key head j mod KeyHeads.
type Delta struct {
	Layers     []bool // by layer: those that have it
	KeyHeads   int
	ValueHeads int  // a multiple of KeyHeads
	HeadDim    int  // of keys and of values
	Taps       int  // of the causal convolution: tokens that it reads
	FloatGates bool // the projections alpha and beta are floats, so they have no bits to flip
}

// Channels is the width of queries, keys and values together, which the convolution runs
// over.
func (d *Delta) Channels() int { return (2*d.KeyHeads + d.ValueHeads) * d.HeadDim }

// Yarn scales rotary positions (YaRN, arXiv 2309.00071, in llama.cpp's form).
// With d = Rotary, θ = RopeTheta and pair i of d/2, the angle per position is
//
//	extrapolated(i) = θ^(−2i/d)
//	interpolated(i) = extrapolated(i) / Factor
//	mix(i)          = ExtFactor · (1 − clamp((i − low) / max(0.001, high − low), 0, 1))
//	angle(i)        = interpolated(i)·(1 − mix(i)) + extrapolated(i)·mix(i)
//	corr(β)         = d · ln(Original / (2π·β)) / (2·ln θ)
//	low             = max(0, ⌊corr(BetaFast)⌋),  high = min(d−1, ⌈corr(BetaSlow)⌉)
//
// and sine and cosine are multiplied by AttnFactor·(1 + 0.1·ln Factor) where
// Factor > 1. Linear scaling is the case ExtFactor = 0; then sine and cosine are
// multiplied by AttnFactor alone.
type Yarn struct {
	Factor     float64 // how many times longer the context is than the original
	Original   int     // tokens of the context before it was stretched
	ExtFactor  float64 // weight of the unscaled angles: 1 for YaRN, 0 for linear
	AttnFactor float64
	BetaFast   float64 // turns over the original context from which angles stay as they are
	BetaSlow   float64 // turns below which they are divided by Factor
}

// readConfig reads the configuration; Vocab and Tied are not known from it.
func readConfig(file *gguf.File) (Config, error) {
	k := &keys{file: file}
	c := Config{Architecture: k.text("general.architecture"), Name: k.text("general.name")}
	if c.Architecture == "" {
		k.fail("general.architecture is missing")
	}
	if k.err != nil {
		return c, k.err
	}
	if err := refuseArchitecture(c.Architecture); err != nil {
		return c, err
	}
	prefix := c.Architecture + "."
	c.Layers = k.size(prefix + "block_count")
	c.Context = k.size(prefix + "context_length")
	c.Hidden = k.size(prefix + "embedding_length")
	c.FFN = k.size(prefix + "feed_forward_length")
	c.Heads = k.size(prefix + "attention.head_count")
	c.KVHeads = k.sizeOr(prefix+"attention.head_count_kv", c.Heads)
	c.HeadDim = k.sizeOr(prefix+"attention.key_length", c.Hidden/max(1, c.Heads))
	c.Rotary = c.HeadDim
	c.RMSEps = float32(k.positive(prefix + "attention.layer_norm_rms_epsilon"))
	c.RopeTheta = k.positiveOr(prefix+"rope.freq_base", 10000) // the default of GGUF
	c.Yarn = readYarn(k, prefix, c.Context)
	same := []string{"attention.value_length", "rope.dimension_count"}
	if c.Architecture == hybrid {
		same = same[:1]
		c.readDelta(k)
	}
	for _, key := range same {
		if n := k.sizeOr(prefix+key, c.HeadDim); n != c.HeadDim {
			k.fail("%s is %d, want the width of a head, %d", prefix+key, n, c.HeadDim)
		}
	}
	if k.err != nil {
		return c, k.err
	}
	return c, c.check()
}

// check applies the rules that concern several sizes.
func (c Config) check() error {
	switch {
	case c.Hidden%gguf.BlockWeights != 0:
		return fmt.Errorf("hidden size %d is not a multiple of %d, the group of a 1-bit row", c.Hidden, gguf.BlockWeights)
	case c.FFN%gguf.BlockWeights != 0:
		return fmt.Errorf("feed-forward size %d is not a multiple of %d, the group of a 1-bit row", c.FFN, gguf.BlockWeights)
	case int64(c.Heads)*int64(c.HeadDim) > maxSize:
		return fmt.Errorf("%d heads of %d are more than %d weights wide", c.Heads, c.HeadDim, maxSize)
	case c.Heads*c.HeadDim%gguf.BlockWeights != 0:
		return fmt.Errorf("%d heads of %d are not a multiple of %d, the group of a 1-bit row", c.Heads, c.HeadDim, gguf.BlockWeights)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d query heads cannot share %d key and value heads evenly", c.Heads, c.KVHeads)
	case !(c.RMSEps > 0 && c.RMSEps < 1):
		return fmt.Errorf("RMS epsilon %g is not between 0 and 1", c.RMSEps)
	case c.RopeTheta <= 1:
		return fmt.Errorf("rotary base %g is not above 1", c.RopeTheta)
	case c.Rotary%2 != 0 || c.HeadDim%2 != 0:
		return fmt.Errorf("%d of a head's %d weights cannot be rotated in pairs", c.Rotary, c.HeadDim)
	case c.Delta != nil:
		return c.checkDelta()
	}
	return nil
}

// readYarn reads the rope scaling, nil where positions are not scaled. Where the
// type is not given, llama.cpp takes it for linear. Keys begin with prefix.
func readYarn(k *keys, prefix string, context int) *Yarn {
	scaling := prefix + "rope.scaling."
	typ := k.text(scaling + "type")
	factor := k.positiveOr(scaling+"factor", k.positiveOr(prefix+"rope.scale_linear", 1))
	y := &Yarn{
		Factor:     factor,
		Original:   k.sizeOr(scaling+"original_context_length", context),
		AttnFactor: k.positiveOr(scaling+"attn_factor", 1),
		BetaFast:   k.positiveOr(scaling+"yarn_beta_fast", 32),
		BetaSlow:   k.positiveOr(scaling+"yarn_beta_slow", 1),
	}
	switch typ {
	case "none":
		return nil
	case "", "linear":
		if factor == 1 && y.AttnFactor == 1 {
			return nil
		}
	case "yarn":
		y.ExtFactor = k.positiveOr(scaling+"yarn_ext_factor", 1)
		// Other architectures scale attention further with these.
		for _, key := range []string{scaling + "yarn_log_multiplier", scaling + "yarn_attn_factor"} {
			if k.has(key) {
				k.fail("%s is not one that Qwen3 models have: this kind of YaRN is not supported", key)
			}
		}
	default:
		k.fail("%stype is %q: this kind of rope scaling is not supported, only none, linear and yarn are", scaling, typ)
	}
	return y
}

package bankai

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// Arithmetic is what decides a model's answers beside its tensors. Two models of
// equal digest, in which the same patch flips the same bits, still answer
// differently if their Arithmetic differs: what was measured of one says nothing
// of the other. The zero Arithmetic is unknown, as in patches of other tools.
type Arithmetic struct {
	Heads     int         `json:"heads"`            // query heads
	KVHeads   int         `json:"kv_heads"`         // key and value heads
	HeadDim   int         `json:"head_dim"`         // weights of a head
	Rotary    int         `json:"rotary,omitempty"` // how many of them turn with the position, the first ones; 0: all
	RMSEps    float32     `json:"rms_eps"`          // added to the mean square in every norm
	RopeTheta float64     `json:"rope_theta"`
	Scaling   RopeScaling `json:"rope_scaling,omitzero"`
}

// RopeScaling says how rotary positions are stretched; zero if they are not.
type RopeScaling struct {
	Factor     float64 `json:"factor"`              // how many times longer the context is
	AttnFactor float64 `json:"attn_factor"`         // multiplies sine and cosine
	ExtFactor  float64 `json:"ext_factor"`          // weight of the unscaled angles: 1 for YaRN, 0 for linear
	Original   int     `json:"original,omitempty"`  // tokens of the context before; only with ExtFactor
	BetaFast   float64 `json:"beta_fast,omitempty"` // turns over the original context; only with ExtFactor
	BetaSlow   float64 `json:"beta_slow,omitempty"`
}

// arithmeticDomain keeps fingerprints apart from every other SHA-256.
const arithmeticDomain = "bankai arithmetic v1\n"

// Fingerprint identifies the arithmetic: equal ones have equal fingerprints.
// FORMAT.md defines the bytes. That of the zero Arithmetic is zero.
func (a Arithmetic) Fingerprint() Digest {
	if a = a.canonical(); a == (Arithmetic{}) {
		return Digest{}
	}
	return sha256.Sum256(append([]byte(arithmeticDomain), a.encode()...))
}

// canonical returns a copy in which settings without effect are zero.
func (a Arithmetic) canonical() Arithmetic {
	if a.Rotary == a.HeadDim {
		a.Rotary = 0
	}
	s := &a.Scaling
	if s.Factor == 1 {
		s.ExtFactor = 0 // scaled and unscaled angles are the same
	}
	if s.ExtFactor == 0 {
		s.ExtFactor, s.Original, s.BetaFast, s.BetaSlow = 0, 0, 0, 0
	}
	if s.Factor == 0 || s.Factor == 1 && s.AttnFactor == 1 {
		*s = RopeScaling{}
	}
	return a
}

// maxSetting bounds the counts of an Arithmetic.
const maxSetting = 1 << 24

// check reports what no model can have.
func (a Arithmetic) check() error {
	if a == (Arithmetic{}) {
		return nil
	}
	s := a.Scaling
	counts, numbers := []int{a.Heads, a.KVHeads, a.HeadDim}, []float64{float64(a.RMSEps), a.RopeTheta}
	if s != (RopeScaling{}) {
		numbers = append(numbers, s.Factor, s.AttnFactor)
	}
	if s.ExtFactor != 0 {
		counts, numbers = append(counts, s.Original), append(numbers, s.ExtFactor, s.BetaFast, s.BetaSlow)
	}
	for _, n := range counts {
		if n < 1 || n > maxSetting {
			return fmt.Errorf("arithmetic: %d is not a number from 1 to %d", n, maxSetting)
		}
	}
	if a.Rotary < 0 || a.Rotary > a.HeadDim {
		return fmt.Errorf("arithmetic: %d is not a number from 0 to %d, the width of a head", a.Rotary, a.HeadDim)
	}
	for _, x := range numbers {
		if !(x > 0 && x <= math.MaxFloat64) {
			return fmt.Errorf("arithmetic: %v is not a number above 0", x)
		}
	}
	return nil
}

// encode writes the settings of a canonical Arithmetic one after the other, which
// the binary form and the fingerprint have in common.
func (a Arithmetic) encode() []byte {
	var b []byte
	count := func(n int) { b = binary.AppendUvarint(b, uint64(n)) }
	number := func(x float64) { b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x)) }
	if a.Rotary != 0 {
		count(0) // heads there are always
		count(a.Rotary)
	}
	count(a.Heads)
	count(a.KVHeads)
	count(a.HeadDim)
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(a.RMSEps))
	number(a.RopeTheta)
	s := a.Scaling
	if s == (RopeScaling{}) {
		return b
	}
	number(s.Factor)
	number(s.AttnFactor)
	number(s.ExtFactor)
	if s.ExtFactor != 0 {
		count(s.Original)
		number(s.BetaFast)
		number(s.BetaSlow)
	}
	return b
}

// arithmetic reads what Arithmetic.encode wrote.
func (d *decoder) arithmetic() (a Arithmetic) {
	count := func(n *int) { *n = int(d.number("count", maxSetting)) }
	float := func(x *float64) {
		if b := d.bytes(8); d.err == nil {
			*x = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	}
	if count(&a.Heads); a.Heads == 0 && d.err == nil {
		count(&a.Rotary)
		count(&a.Heads)
	}
	count(&a.KVHeads)
	count(&a.HeadDim)
	if b := d.bytes(4); d.err == nil {
		a.RMSEps = math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	float(&a.RopeTheta)
	if s := &a.Scaling; len(d.rest) > 0 {
		float(&s.Factor)
		float(&s.AttnFactor)
		float(&s.ExtFactor)
		if s.ExtFactor != 0 {
			count(&s.Original)
			float(&s.BetaFast)
			float(&s.BetaSlow)
		}
	}
	if err := a.check(); err != nil && d.err == nil {
		d.fail("%w", err)
	}
	return a
}

// Changes says in words what a has otherwise than was, "" if nothing: "rope theta
// is 10000, was 1e+06".
func (a Arithmetic) Changes(was Arithmetic) string {
	a, was = a.canonical(), was.canonical()
	var list []string
	compare := func(name string, is, was any) {
		if is != was {
			list = append(list, fmt.Sprintf("%s is %v, was %v", name, is, was))
		}
	}
	compare("the number of query heads", a.Heads, was.Heads)
	compare("the number of key and value heads", a.KVHeads, was.KVHeads)
	compare("the width of a head", a.HeadDim, was.HeadDim)
	compare("the part of a head that turns", a.turns(), was.turns())
	compare("RMS epsilon", a.RMSEps, was.RMSEps)
	compare("rope theta", a.RopeTheta, was.RopeTheta)
	compare("rope scaling", a.Scaling, was.Scaling)
	return strings.Join(list, "; ")
}

// turns says how much of a head turns with the position.
func (a Arithmetic) turns() string {
	if a.Rotary == 0 {
		return "all of it"
	}
	return fmt.Sprintf("%d of it", a.Rotary)
}

// String says all of it in a line.
func (a Arithmetic) String() string {
	turning := ""
	if a.Rotary != 0 {
		turning = fmt.Sprintf(" (%d rotate)", a.Rotary)
	}
	return fmt.Sprintf("%d query heads, %d key and value heads, of %d each%s; RMS epsilon %v, rope theta %v, rope scaling %v",
		a.Heads, a.KVHeads, a.HeadDim, turning, a.RMSEps, a.RopeTheta, a.Scaling)
}

// String says all of it in words: "none", "linear by 4", or "YaRN by 4 over 16384".
func (s RopeScaling) String() string {
	if s == (RopeScaling{}) {
		return "none"
	}
	text := fmt.Sprintf("linear by %v", s.Factor)
	if s.ExtFactor != 0 {
		text = fmt.Sprintf("YaRN by %v over %d", s.Factor, s.Original)
	}
	add := func(name string, x, usual float64) {
		if x != usual {
			text += fmt.Sprintf(", %s %v", name, x)
		}
	}
	add("attention factor", s.AttnFactor, 1)
	if s.ExtFactor != 0 {
		add("extrapolation factor", s.ExtFactor, 1)
		add("beta fast", s.BetaFast, 32)
		add("beta slow", s.BetaSlow, 1)
	}
	return text
}

package engine

import (
	"math"
	"sync"

	"bankai/internal/kernel"
	"bankai/internal/weights"
)

// rope holds the rotary position embedding's angles: cos and sin of
// position·frequency, grown as longer sequences appear.
type rope struct {
	half  int       // Rotary/2 pairs of a rotation
	freq  []float64 // radians per position, per pair
	scale float64   // of both cos and sin: YaRN's attention factor

	mu       sync.RWMutex
	cos, sin []float32 // [positions, half]
}

// newRope computes the frequencies θ^(−2i/d). With YaRN (Peng et al. 2023,
// arXiv:2309.00071), pairs that turn less than BetaSlow times over the original
// context are slowed by Factor, those that turn more than BetaFast times are
// kept, and the ones between are mixed linearly.
func newRope(c weights.Config) *rope {
	t := &rope{half: c.Rotary / 2, scale: 1}
	t.freq = make([]float64, t.half)
	logTheta := kernel.Log(c.RopeTheta)
	for i := range t.freq {
		t.freq[i] = kernel.Exp64(float64(float64(-2*i) / float64(c.Rotary) * logTheta))
	}
	if c.Yarn != nil {
		t.stretch(c, logTheta)
	}
	return t
}

func (t *rope) stretch(c weights.Config, logTheta float64) {
	y := c.Yarn
	// The pair that turns beta times over the original context.
	pair := func(beta float64) float64 {
		turns := kernel.Log(float64(y.Original) / float64(beta*2*math.Pi))
		return float64(c.Rotary) * turns / float64(2*logTheta)
	}
	low := max(math.Floor(pair(y.BetaFast)), 0)
	high := min(math.Ceil(pair(y.BetaSlow)), float64(c.Rotary-1))
	for i, f := range t.freq {
		ramp := (float64(i) - low) / max(high-low, 0.001)
		keep := float64((1 - min(max(ramp, 0), 1)) * y.ExtFactor)
		slow := f / y.Factor
		t.freq[i] = float64(slow*(1-keep)) + float64(f*keep)
	}
	t.scale = y.AttnFactor
	if y.ExtFactor != 0 {
		t.scale *= 1 + float64(0.1*kernel.Log(y.Factor))
	}
}

// upTo makes the table cover the positions [0, n) and returns it.
func (t *rope) upTo(n int) (cos, sin []float32) {
	t.mu.RLock()
	cos, sin = t.cos, t.sin
	t.mu.RUnlock()
	if len(cos) >= n*t.half {
		return cos, sin
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for pos := len(t.cos) / t.half; pos < n; pos++ {
		for _, f := range t.freq {
			s, c := kernel.SinCos(float64(float64(pos) * f))
			t.cos = append(t.cos, float32(c*t.scale))
			t.sin = append(t.sin, float32(s*t.scale))
		}
	}
	return t.cos, t.sin
}

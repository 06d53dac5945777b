package lora

import (
	"math"

	"bankai/engine"
	"bankai/internal/rng"
)

// Kind is what the factors of an adapter are made of.
type Kind int

const (
	Float Kind = iota // any numbers, as in LoRA (Hu et al., 2021)
	Sign              // +1 and −1, and a scale for each rank of a matrix
)

// String names the adapters of a kind.
func (k Kind) String() string {
	if k == Sign {
		return "sign LoRA"
	}
	return "LoRA"
}

// Bytes is what an adapter of the kind takes at the least: 2 for each number as
// float16, an eighth for each sign. The bits of a matrix are filled up to bytes.
func (k Kind) Bytes(a *engine.Adapter) (n int64) {
	if k == Float {
		return 2 * int64(a.Params())
	}
	for _, f := range a.Factors() {
		n += int64(len(f.A)+len(f.B)+7)/8 + 2*int64(a.Rank())
	}
	return n
}

// Params is how many numbers and signs an adapter of the kind has.
func (k Kind) Params(a *engine.Adapter) int {
	if k == Float {
		return a.Params()
	}
	return a.Params() + a.Rank()*len(a.Factors())
}

// climber holds what is learnt, and writes the factors that it stands for into an
// adapter.
type climber interface {
	// step goes up the gradient by the adapter's factors.
	step(gradient []engine.Factors)
}

// start sets a as a training begins, when it changes nothing, and returns what
// climbs from there.
func (c Config) start(a *engine.Adapter) climber {
	if c.Kind == Sign {
		return startSigns(a, c)
	}
	return startFloats(a, c)
}

// floats learns the factors themselves.
type floats struct{ *adam }

// startFloats sets A to uniform numbers of variance 1/columns, so that A·x is of the
// size of x's elements, and B to 0. Normal numbers would need functions that may
// round differently on another CPU.
func startFloats(a *engine.Adapter, c Config) climber {
	random := rng.New(c.Seed, "lora")
	for _, f := range a.Factors() {
		most := math.Sqrt(3 * float64(a.Rank()) / float64(len(f.A)))
		uniform(random, f.A, most)
		clear(f.B)
	}
	return floats{newAdam(slicesOf(a.Factors()), c.Rate, c)}
}

func (f floats) step(gradient []engine.Factors) { f.adam.step(slicesOf(gradient)) }

// uniform draws numbers between −most and most.
func uniform(random *rng.Stream, to []float32, most float64) {
	for i := range to {
		to[i] = float32(most * (2*random.Float64() - 1))
	}
}

// slicesOf puts factors in an order.
func slicesOf(fs []engine.Factors) (all [][]float32) {
	for _, f := range fs {
		all = append(all, f.A, f.B)
	}
	return all
}

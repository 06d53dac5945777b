package lora

import (
	"math"

	"bankai/engine"
	"bankai/internal/rng"
)

// signs learns an adapter of signs: A in ±1, B in ±s, with a scale s of each rank of
// a matrix. That is the form of LoRDBA (Fujisawa et al., arXiv 2605.24058) with its
// scales by channel made one, since they would weigh more than the signs here.
// The adapter holds floats of these values: it is a yardstick of what such an
// adapter can learn in its bytes, and none for its speed.
//
// Behind every sign is a latent float, which Adam moves by the derivative by the
// factor as if the sign were the float itself: the straight-through estimator
// (Bengio et al., 2013). Latents stay in [−1, 1], as in BinaryConnect (Courbariaux
// et al., 2015), so that none goes where its sign cannot come back.
type signs struct {
	adapter *engine.Adapter
	latent  [][]float32 // of A and B of each matrix, in the order of slicesOf
	scale   [][]float32 // of each matrix, [rank]: s·√columns, not below 0

	latents, scales *adam
}

// scaleRate is the rate of the scales against that of the latents. A·x is about √columns
// times as large as an element of x, so a scale in units of 1/√columns moves as B
// does in an adapter of floats. From 0.1 to 3, this hardly matters.
const scaleRate = 1

// startSigns begins with a random A, B's latents at 0, and scales of 0: the adapter
// changes nothing. The first gradient by B then says all of B's signs.
func startSigns(a *engine.Adapter, c Config) climber {
	s := &signs{adapter: a}
	random := rng.New(c.Seed, "signlora")
	for _, f := range a.Factors() {
		latent := make([]float32, len(f.A))
		uniform(random, latent, latentSpread)
		s.latent = append(s.latent, latent, make([]float32, len(f.B)))
		s.scale = append(s.scale, make([]float32, a.Rank()))
	}
	s.latents, s.scales = newAdam(s.latent, c.Rate, c), newAdam(s.scale, scaleRate*c.Rate, c)
	s.write()
	return s
}

// latentSpread bounds A's latents at the start.
const latentSpread = 1

// write sets the adapter's factors.
func (s *signs) write() {
	rank := s.adapter.Rank()
	for i, f := range s.adapter.Factors() {
		for j, v := range s.latent[2*i] {
			f.A[j] = sign(v)
		}
		rows := len(f.B) / rank
		for j, v := range s.latent[2*i+1] {
			f.B[j] = s.factor(i, j/rows) * sign(v)
		}
	}
}

// factor is the scale of a rank of a matrix, as B has it.
func (s *signs) factor(matrix, rank int) float32 {
	columns := len(s.latent[2*matrix]) / s.adapter.Rank()
	return float32(float64(s.scale[matrix][rank]) / math.Sqrt(float64(columns)))
}

// sign is that of a latent; 0 counts as positive.
func sign(v float32) float32 {
	if v < 0 {
		return -1
	}
	return 1
}

// step moves the latents, and then the scales, whose derivative is taken with the new
// signs: at the start the old ones of B mean nothing yet.
//
// The derivative by a latent of B is s times that by the factor. Adam's steps do not
// depend on the size of a gradient, so s is left out, and the signs are learnt
// where s is 0, too.
func (s *signs) step(gradient []engine.Factors) {
	s.latents.step(slicesOf(gradient))
	for _, latent := range s.latent {
		for j, v := range latent {
			latent[j] = max(-1, min(1, v))
		}
	}
	s.scales.step(s.byScale(gradient))
	for _, scale := range s.scale {
		for r, v := range scale {
			scale[r] = max(0, v) // below 0 it would say what the signs say
		}
	}
	s.write()
}

// byScale is the derivatives by the scales: with B = s·sign, the sum over the rows
// of ∂F/∂B times the sign, in the unit of the scales.
func (s *signs) byScale(gradient []engine.Factors) [][]float32 {
	all, rank := make([][]float32, len(gradient)), s.adapter.Rank()
	for i, g := range gradient {
		all[i] = make([]float32, rank)
		rows, columns := len(g.B)/rank, len(g.A)/rank
		for r := range rank {
			var sum float64
			for j := r * rows; j < (r+1)*rows; j++ {
				sum += float64(g.B[j] * sign(s.latent[2*i+1][j]))
			}
			all[i][r] = float32(sum / math.Sqrt(float64(columns)))
		}
	}
	return all
}

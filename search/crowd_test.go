package search_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"bankai"
	"bankai/internal/rng"
	"bankai/search"
)

// crowd is an Evaluator and a Predictor of many examples without a model. What rows do
// to an example is drawn: a few help most examples a little, all move every example
// by several times as much, as on the built-in model (mean effects of 0.03 to 0.001
// nats, spread 0.07 to 0.01). What an example can gain is bounded.
type crowd struct {
	rows     int
	examples int // the others, as many again, are only for the truth
	deal     search.Deal
	effects  []float32    // [row][example]
	fog      []float64    // by which factor a row's effect is predicted
	along    [][4]float64 // a row's direction: two rows along one direction do each other harm
}

// crowdName is the tensor that the rows are of.
const crowdName = "blk.0.ffn_gate.weight"

// newCrowd draws the effects of rows on examples, which come in blocks of a size.
func newCrowd(rows, examples, block int, seed uint64) *crowd {
	c := &crowd{rows: rows, examples: examples, deal: search.DealOf(examples, block, seed, 0)}
	random := rng.New(seed, "crowd")
	normal := func() float64 { // about
		var sum float64
		for range 12 {
			sum += random.Float64()
		}
		return sum - 6
	}
	const kinds = 6 // examples of a kind are moved alike
	rank := random.Perm(rows)
	c.effects = make([]float32, rows*2*examples)
	for r := range rows {
		mean := 0.03 * math.Pow(1+float64(rank[r]), -0.4)
		if rank[r] > rows/4 { // most rows do harm
			mean = -0.03 * math.Pow(1+float64(rows-rank[r]), -0.3)
		}
		spread := 0.5 * math.Sqrt(math.Abs(mean)) / 2
		var kind [kinds]float64
		for k := range kind {
			kind[k] = normal()
		}
		for i := range 2 * examples {
			c.effects[r*2*examples+i] = float32(mean + spread*(0.5*kind[i%kinds]+0.85*normal()))
		}
		c.fog = append(c.fog, 1+0.3*normal())
		c.along = append(c.along, [4]float64{normal(), normal(), normal(), normal()})
	}
	return c
}

// matrices are those that a search of it takes.
func (c *crowd) matrices() []search.Matrix {
	return []search.Matrix{{Name: crowdName, Rows: c.rows, Groups: 1, Scale: func(int, int) uint64 { return 1 }}}
}

// sum is what a patch does to an example, before the bound.
func (c *crowd) sums(p *bankai.Patch, examples []int) []float64 {
	out := make([]float64, len(examples))
	for _, f := range p.Flips() {
		e := c.effects[int(f.Row)*2*c.examples:]
		for k, i := range examples {
			out[k] += float64(e[i])
		}
	}
	var all [4]float64
	var own float64
	for _, f := range p.Flips() {
		for d, z := range c.along[f.Row] {
			all[d] += z
			own += z * z
		}
	}
	var square float64
	for _, z := range all {
		square += z * z
	}
	for k := range out {
		out[k] -= harm * (square - own) / 2
	}
	return out
}

// harm is what two rows along one direction cost every example, in nats.
const harm = 0.0005

// toll is the harm that a row does to those of a patch.
func (c *crowd) toll(r int, p *bankai.Patch) (sum float64) {
	for _, f := range p.Flips() {
		if int(f.Row) != r {
			for d, z := range c.along[f.Row] {
				sum += harm * z * c.along[r][d]
			}
		}
	}
	return sum
}

// bound is the most that an example can gain, in nats.
const bound = 0.6

// bounded is what an example gains: bound at most, and as much as it likes to lose.
func bounded(sum float64) float64 {
	if sum < 0 {
		return sum
	}
	return bound * (1 - math.Exp(-sum/bound))
}

func (c *crowd) gains(p *bankai.Patch, examples []int) []float64 {
	out := c.sums(p, examples)
	for i, s := range out {
		out[i] = bounded(s)
	}
	return out
}

// truth is the mean gain of examples that no search has seen.
func (c *crowd) truth(p *bankai.Patch) float64 {
	var unseen []int
	for i := range c.examples {
		unseen = append(unseen, c.examples+i)
	}
	return mean(c.gains(p, unseen))
}

func mean(values []float64) (m float64) {
	for _, v := range values {
		m += v
	}
	return m / float64(len(values))
}

func (c *crowd) Score(ctx context.Context, cur *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	var scores []search.Score
	for _, m := range moves {
		p, err := cur.Xor(bankai.New(bankai.Digest{}, bankai.Meta{}, m.Flips...))
		if err != nil {
			return nil, err
		}
		examples := c.deal.Of(m.Sample)
		s := search.Score{Targets: c.gains(p, examples)}
		s.Fitness = mean(s.Targets)
		if !m.Sample.All() {
			for _, t := range s.Targets {
				s.Worth = append(s.Worth, t/float64(len(examples)))
			}
		}
		s.Cost = float64(len(examples)) / float64(c.examples)
		if len(m.Flips) > 0 {
			s.Cost *= 0.6 // what lies below a change is not computed again
		}
		scores = append(scores, s)
	}
	return scores, ctx.Err()
}

func (c *crowd) Predict(ctx context.Context, cur *bankai.Patch, w search.Want) (search.Predictions, float64, error) {
	examples := c.deal.Of(w.Sample)
	sums := c.sums(cur, examples)
	f := search.Predictions{Now: mean(c.gains(cur, examples))}
	held := map[uint32]float64{}
	for _, h := range cur.Flips() {
		held[h.Row] = 1
	}
	all := make([]search.Prediction, c.rows)
	for r := range all {
		var change float64
		toll := c.toll(r, cur)
		for k, i := range examples {
			change += (float64(c.effects[r*2*c.examples+i]) - toll) * (1 - 2*held[uint32(r)]) * math.Exp(-max(0, sums[k])/bound)
		}
		flip := bankai.Flip{Tensor: crowdName, Row: uint32(r), N: bankai.ToEnd}
		all[r] = search.Prediction{Flip: flip, Fitness: f.Now + change/float64(len(examples))*c.fog[r]}
	}
	for _, flip := range w.Flips {
		f.Flips = append(f.Flips, all[flip.Row])
	}
	if w.Held {
		for _, h := range cur.Flips() {
			f.Held = append(f.Held, all[h.Row])
		}
	}
	sorted := func(list []search.Prediction) {
		slices.SortStableFunc(list, func(a, b search.Prediction) int { return cmp.Compare(b.Fitness, a.Fitness) })
	}
	sorted(f.Held)
	sorted(all)
	f.Best[search.Row] = all[:min(len(all), w.Best[search.Row])]
	return f, 3 * float64(len(examples)) / float64(c.examples), ctx.Err()
}

func (c *crowd) Facts() []search.Fact {
	return []search.Fact{{Name: "crowd", Value: fmt.Sprint(c.rows, c.deal)}}
}

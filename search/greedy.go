package search

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"

	"bankai"
)

// Greedy is the published strategy: draw a row or group that was not tried yet,
// keep its flip if the fitness rises, and go on. Its decisions do not depend on
// how many candidates are scored at once: it keeps the first that improves, and
// proposes those behind it again, to be measured with the kept one in place.
type Greedy struct {
	name  string
	seed  uint64
	draw  *sampler
	best  float64 // fitness of the current patch
	queue []Move  // drawn and not yet decided, in order
}

// NewGreedy returns the published strategy over the rows or groups of ms. A row
// is drawn with a probability in proportion to its mean scale, a group to its
// scale; what has a scale of zero changes nothing when flipped and is never
// drawn.
func NewGreedy(ms []Matrix, g Granularity, seed uint64) (*Greedy, error) {
	return newGreedy("greedy", ms, g, false, seed)
}

// NewRandom returns the baseline: as NewGreedy, but all rows or groups are
// equally likely.
func NewRandom(ms []Matrix, g Granularity, seed uint64) (*Greedy, error) {
	return newGreedy("random", ms, g, true, seed)
}

func newGreedy(name string, ms []Matrix, g Granularity, uniform bool, seed uint64) (*Greedy, error) {
	if err := checkMatrices(ms, uniform); err != nil {
		return nil, err
	}
	draw, err := newSampler(slices.Clone(ms), g, uniform, seed)
	if err != nil {
		return nil, err
	}
	if draw.total == 0 {
		return nil, errors.New("nothing to search: all scales are zero")
	}
	return &Greedy{name: name, seed: seed, draw: draw, best: math.Inf(-1)}, nil
}

func checkMatrices(ms []Matrix, uniform bool) error {
	if len(ms) == 0 {
		return errors.New("nothing to search: choose at least one layer and projection")
	}
	seen := make(map[string]bool, len(ms))
	for _, m := range ms {
		switch {
		case m.Rows <= 0 || m.Groups <= 0 || int64(m.Rows) > math.MaxUint32 || m.Groups > math.MaxUint32/bankai.GroupSize:
			return fmt.Errorf("%s: %d rows of %d groups cannot be searched", m.Name, m.Rows, m.Groups)
		case seen[m.Name]:
			return fmt.Errorf("%s is listed twice", m.Name)
		case m.Scale == nil && !uniform:
			return fmt.Errorf("%s: its scales are needed to draw by", m.Name)
		}
		seen[m.Name] = true
	}
	return nil
}

// Next implements Strategy: up to n candidates, one flip each.
func (g *Greedy) Next(n int) []Move {
	for len(g.queue) < n {
		f, ok := g.draw.next()
		if !ok {
			break
		}
		g.queue = append(g.queue, Move{Flips: []bankai.Flip{f}})
	}
	return slices.Clone(g.queue[:min(n, len(g.queue))])
}

// Learn implements Strategy: the first trial that is fitter than the current
// patch is kept.
func (g *Greedy) Learn(trials []Trial) (keep int) {
	for i, t := range trials {
		if t.Fitness > g.best {
			g.best = t.Fitness
			g.decided(i + 1)
			return i
		}
	}
	g.decided(len(trials))
	return -1
}

func (g *Greedy) decided(n int) {
	g.queue = g.queue[min(n, len(g.queue)):]
}

// Facts implements Describer. The scales are not among them: they follow from
// the model, which the evaluator names.
func (g *Greedy) Facts() []Fact {
	return []Fact{
		{"strategy", g.name},
		{"granularity", g.draw.gran.String()},
		matricesFact(g.draw.matrices),
		{"seed", fmt.Sprint(g.seed)},
	}
}

// matricesFact tells one choice of matrices from another.
func matricesFact(ms []Matrix) Fact {
	h := sha256.New()
	for _, m := range ms {
		fmt.Fprintf(h, "%q %d %d\n", m.Name, m.Rows, m.Groups)
	}
	return Fact{"matrices", fmt.Sprintf("%d from %s to %s (%x)", len(ms), ms[0].Name, ms[len(ms)-1].Name, h.Sum(nil)[:8])}
}

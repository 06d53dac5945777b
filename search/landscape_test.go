package search_test

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"bankai"
	"bankai/search"
)

// landscape is an Evaluator without a model: every flip moves every probe by an
// amount that is made from their names, and a tanh makes flips interact. Like a
// model's, its targets can be won and its controls lost, most flips hurt, and a
// candidate is screened on the worst targets.
type landscape struct {
	targets, controls int
	screen            int
	penalty           float64 // of the controls' mean loss

	bias      float64 // added to every value
	scored    int     // moves scored so far, for tests that count work
	predicted int     // predictions made
	effects   map[effectKey]float64
}

func newLandscape() *landscape {
	return &landscape{targets: 6, controls: 4, screen: 2, penalty: 2, effects: map[effectKey]float64{}}
}

// unit is a number in [-1, 1) made from a name.
func unit(format string, args ...any) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, format, args...)
	return float64(h.Sum64()>>11)/(1<<52) - 1
}

func (l *landscape) values(p *bankai.Patch, kind string, n int, slope float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		sum := unit("%s %d", kind, i)
		for _, f := range pieces(p) {
			sum += slope * (l.effect(f, kind, i) - 0.5)
		}
		values[i] = math.Tanh(sum) + l.bias
	}
	return values
}

// effect is what a flip does to a probe, made once: predictions ask for thousands.
func (l *landscape) effect(f bankai.Flip, kind string, probe int) float64 {
	k := effectKey{f, kind, probe}
	e, ok := l.effects[k]
	if !ok {
		e = unit("%v %s %d", f, kind, probe)
		l.effects[k] = e
	}
	return e
}

// effectKey is a flip and the probe that it moves.
type effectKey struct {
	flip  bankai.Flip
	kind  string
	probe int
}

// pieces are the flips of a patch, with neighbouring bits apart.
func pieces(p *bankai.Patch) (all []bankai.Flip) {
	for _, f := range p.Flips() {
		if f.N == bankai.ToEnd || f.N%bankai.GroupSize == 0 {
			all = append(all, f)
			continue
		}
		for c := range f.N {
			all = append(all, bankai.Flip{Tensor: f.Tensor, Row: f.Row, Col: f.Col + c, N: 1})
		}
	}
	return all
}

// probeValues are the values of all probes under a patch.
type probeValues struct{ Targets, Controls []float64 }

func (l *landscape) all(p *bankai.Patch) probeValues {
	return probeValues{Targets: l.values(p, "target", l.targets, 0.3), Controls: l.values(p, "control", l.controls, 0.05)}
}

// fitness is the mean gain of the targets, less what the controls lose.
func (l *landscape) fitness(base, v probeValues) float64 {
	var gain, loss float64
	for i, t := range v.Targets {
		gain += t - base.Targets[i]
	}
	for i, c := range v.Controls {
		loss += max(0, base.Controls[i]-c)
	}
	return gain/float64(l.targets) - float64(l.penalty*(loss/float64(l.controls)))
}

func (l *landscape) Score(ctx context.Context, cur *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	base := l.all(bankai.New(bankai.Digest{}, bankai.Meta{}))
	worst := slices.Clone(base.Targets)
	slices.Sort(worst)
	full := float64(l.targets + l.controls)
	scores := make([]search.Score, len(moves))
	for i, m := range moves {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.scored++
		p, err := cur.Xor(bankai.New(bankai.Digest{}, bankai.Meta{}, m.Flips...))
		if err != nil {
			return nil, err
		}
		v, gains := l.all(p), len(m.Flips) == 0
		for t, b := range base.Targets {
			gains = gains || b < worst[l.screen] && v.Targets[t] > b
		}
		scores[i] = search.Score{Fitness: l.fitness(base, v), Targets: v.Targets, Controls: v.Controls, Cost: 1}
		if !gains {
			scores[i] = search.Score{Fitness: math.Inf(-1), Screened: true, Cost: float64(l.screen) / full}
		}
	}
	return scores, nil
}

// Predict sees the truth, as through a fog.
func (l *landscape) Predict(ctx context.Context, cur *bankai.Patch, w search.Want) (search.Predictions, float64, error) {
	base := l.all(bankai.New(bankai.Digest{}, bankai.Meta{}))
	see := func(flips []bankai.Flip, n int) []search.Prediction {
		out := make([]search.Prediction, len(flips))
		for i, f := range flips {
			p, _ := cur.Xor(bankai.New(bankai.Digest{}, bankai.Meta{}, f))
			out[i] = search.Prediction{Flip: f, Fitness: l.fitness(base, l.all(p)) + 0.02*unit("fog %v", f)}
		}
		slices.SortStableFunc(out, func(a, b search.Prediction) int { return cmp.Compare(b.Fitness, a.Fitness) })
		return out[:min(n, len(out))]
	}
	l.predicted++
	var f search.Predictions
	for size, n := range w.Best {
		var flips []bankai.Flip
		for _, m := range w.Matrices {
			for r := range uint32(m.Rows) {
				switch search.Granularity(size) {
				case search.Row:
					flips = append(flips, bankai.Flip{Tensor: m.Name, Row: r, N: bankai.ToEnd})
				case search.Group:
					for g := range uint32(m.Groups) {
						flips = append(flips, bankai.Flip{Tensor: m.Name, Row: r, Col: g * bankai.GroupSize, N: bankai.GroupSize})
					}
				case search.Bit:
					for c := range uint32(m.Groups * bankai.GroupSize) {
						flips = append(flips, bankai.Flip{Tensor: m.Name, Row: r, Col: c, N: 1})
					}
				}
			}
		}
		if n > 0 {
			f.Best[size] = see(flips, n)
		}
	}
	if w.Held {
		f.Held = see(cur.Flips(), cur.Len())
	}
	for _, flip := range w.Flips {
		f.Flips = append(f.Flips, see([]bankai.Flip{flip}, 1)...)
	}
	f.Now = l.fitness(base, l.all(cur))
	return f, 3, ctx.Err()
}

func (l *landscape) Facts() []search.Fact {
	return []search.Fact{{Name: "landscape", Value: fmt.Sprint(l.targets, l.controls, l.screen, l.penalty)}}
}

// hills are matrices whose scales differ, some of them zero.
func hills(rows, groups int) []search.Matrix {
	var ms []search.Matrix
	for layer := range 2 {
		for _, proj := range []string{"gate", "up"} {
			ms = append(ms, search.Matrix{
				Name: fmt.Sprintf("blk.%d.ffn_%s.weight", layer, proj), Rows: rows, Groups: groups,
				Scale: func(row, group int) uint64 { return uint64((row*7 + group*3 + layer) % 11) },
			})
		}
	}
	return ms
}

func empty() *bankai.Patch {
	return bankai.New(bankai.Digest{7}, bankai.Meta{Name: "found"})
}

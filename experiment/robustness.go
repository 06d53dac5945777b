package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"bankai/engine"
	"bankai/evaluate"
	"bankai/internal/kernel"
	"bankai/search"
)

// Robustness is how the perplexity of a text grows with the number of bits that
// are flipped at random.
type Robustness struct {
	About
	Text   string      `json:"text"`  // where it is from
	Lines  int         `json:"lines"` // of it
	Layers []int       `json:"layers,omitempty"`
	Draws  int         `json:"draws"` // of each number of flips
	Cross  bool        `json:"cross"` // the curves are all combinations
	Base   float64     `json:"base"`  // perplexity of the model as it is
	Curves []FlipCurve `json:"curves"`
}

// FlipCurve is flips of one kind, from few to many.
type FlipCurve struct {
	Where       string      `json:"where"`
	Granularity string      `json:"granularity"`
	Scale       string      `json:"scale"`
	Bits        uint64      `json:"bits"`    // of the tensors, whatever their scale
	Pieces      uint64      `json:"pieces"`  // that could be drawn
	Points      []FlipPoint `json:"amounts"` // ascending
}

// FlipPoint is draws of one number of pieces.
type FlipPoint struct {
	Pieces     uint64   `json:"pieces"`
	Bits       float64  `json:"bits"`       // flipped, mean over the draws
	Perplexity Estimate `json:"perplexity"` // geometric mean over the draws
	Ratio      Estimate `json:"ratio"`      // to the model as it is
	Each       []Number `json:"each"`       // perplexity of each draw
}

// RobustnessOptions choose the text and the flips.
type RobustnessOptions struct {
	Text  string // its name, for people
	Lines []string

	// Curves: the first of each list, and every other one in its place; or, with
	// Cross, all combinations.
	Where  []string // mlp, attention, embedding, head, all
	Sizes  []search.Granularity
	Scales []string // any, medium, high
	Cross  bool

	Layers  []int     // none: all
	Amounts []float64 // of bits, or below 1 their share of those of Where; none: the usual ones
	Draws   int       // of each amount
}

// usualAmounts are drawn as far as maxDrawn allows if none are asked for.
var usualAmounts = []float64{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1}

// maxDrawn bounds a draw: it takes about 8 bytes a piece.
const maxDrawn = 1 << 26

// Check refuses what cannot be right whatever the model.
func (o RobustnessOptions) Check() error {
	if len(o.Where) == 0 || len(o.Sizes) == 0 || len(o.Scales) == 0 {
		return errors.New("there is nothing to draw from: give a part of the model, a granularity and a scale")
	}
	for _, w := range o.Where {
		if err := oneOf("part of the model", w, wheres); err != nil {
			return err
		}
	}
	for _, s := range o.Scales {
		if err := oneOf("scale", s, scales); err != nil {
			return err
		}
	}
	for _, a := range o.Amounts {
		if !(a > 0) || a >= 1 && a != math.Floor(a) || a > 1<<53 {
			return fmt.Errorf("%v bits: give whole numbers, or shares of all bits, above 0 and below 1", a)
		}
	}
	if o.Draws < 1 {
		return fmt.Errorf("%d draws: at least 1 is needed, and 2 for an interval", o.Draws)
	}
	return nil
}

// flipKind is what a curve draws.
type flipKind struct {
	where string
	size  search.Granularity
	scale string
}

func (k flipKind) String() string { return fmt.Sprintf("%s, %s, %s scale", k.where, k.size, k.scale) }

// kinds are those of the curves, the standard one first.
func (o RobustnessOptions) kinds() (kinds []flipKind) {
	for _, w := range o.Where {
		for _, g := range o.Sizes {
			for _, s := range o.Scales {
				varied := one(w != o.Where[0]) + one(g != o.Sizes[0]) + one(s != o.Scales[0])
				if k := (flipKind{w, g, s}); (o.Cross || varied <= 1) && !slices.Contains(kinds, k) {
					kinds = append(kinds, k)
				}
			}
		}
	}
	return kinds
}

// flipCurve is a curve with what it draws from.
type flipCurve struct {
	kind    flipKind
	pool    *pool
	amounts []uint64 // pieces, ascending
}

// curve prepares the draws of a kind, or says why they cannot be.
func (o RobustnessOptions) curve(m *engine.Model, k flipKind) (*flipCurve, error) {
	p, err := newPool(m.Weights(), k.where, o.Layers, k.size, k.scale)
	if err != nil {
		return nil, err
	}
	c := &flipCurve{kind: k, pool: p}
	amounts, usual := o.Amounts, len(o.Amounts) == 0
	if usual {
		amounts = usualAmounts
	}
	for _, a := range amounts {
		n := p.amount(a)
		switch {
		case usual && n > min(maxDrawn, p.pieces()):
			continue
		case n > p.pieces():
			return nil, fmt.Errorf("%s: there are %s %ss, and %v is %s: give less", k, thousands(p.pieces()), k.size, a, thousands(n))
		case n > maxDrawn:
			return nil, fmt.Errorf("%s: %v is %s %ss, more than the %s of a draw: give less, or groups or rows", k, a, thousands(n), k.size, thousands(maxDrawn))
		}
		c.amounts = append(c.amounts, n)
	}
	slices.Sort(c.amounts)
	c.amounts = slices.Compact(c.amounts)
	return c, nil
}

// amount is how many pieces make up so many bits, or such a share of all, as
// nearly as whole pieces of mean size do: at least one.
func (p *pool) amount(bits float64) uint64 {
	all := float64(p.allBits())
	if bits < 1 {
		bits *= all
	}
	switch p.size {
	case search.Group:
		bits /= 128
	case search.Row:
		bits *= float64(p.ends[len(p.ends)-1]) / all
	}
	return max(1, uint64(math.Round(bits)))
}

// flipRun is one piece of the work: a draw, or the model as it is.
type flipRun struct {
	curve  *flipCurve
	amount uint64
	draw   int
}

func (r flipRun) key() string {
	if r.curve == nil {
		return "as it is"
	}
	return fmt.Sprintf("%s: %d pieces, draw %d", r.curve.kind, r.amount, r.draw)
}

// flipMeasure is what came of it.
type flipMeasure struct {
	Perplexity Number `json:"perplexity"`
	Bits       uint64 `json:"bits"`
}

// MeasureRobustness flips random pieces, drawn without replacement, and measures
// the perplexity of the lines; of every amount Draws times. It patches the model
// in place, and takes that off again. A draw depends on the run's seed, the kind
// and number of pieces and the draw's own number alone.
func MeasureRobustness(ctx context.Context, r *Run, o RobustnessOptions) (*Robustness, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	runs := []flipRun{{}}
	var curves []*flipCurve
	for _, k := range o.kinds() {
		c, err := o.curve(r.Model, k)
		if err != nil {
			return nil, err
		}
		curves = append(curves, c)
		for _, n := range c.amounts {
			for d := range o.Draws {
				runs = append(runs, flipRun{c, n, d + 1})
			}
		}
	}
	keys := make([]string, len(runs))
	for i, run := range runs {
		keys[i] = run.key()
	}
	w := r.Model.Workbench()
	found, err := Each(ctx, r, keys, func(ctx context.Context, i int) (flipMeasure, error) {
		return runs[i].measure(ctx, w, r.Seed, o.Lines)
	})
	if err != nil {
		return nil, err
	}
	return o.result(curves, found), nil
}

func (run flipRun) measure(ctx context.Context, w *engine.Workbench, seed uint64, lines []string) (f flipMeasure, err error) {
	perplexity := func() error {
		p, err := evaluate.Perplexity(ctx, w.Model, nil, lines)
		f.Perplexity = Number(p)
		return err
	}
	if run.curve == nil {
		err = perplexity()
		return f, err
	}
	p := run.curve.pool
	f.Bits, err = p.flipped(w, draw(drawing(seed, run.key()), run.amount, p.pieces()), perplexity)
	return f, err
}

func (o RobustnessOptions) result(curves []*flipCurve, found []flipMeasure) *Robustness {
	x := &Robustness{
		Text: o.Text, Lines: len(o.Lines), Layers: o.Layers, Draws: o.Draws, Cross: o.Cross,
		Base: float64(found[0].Perplexity),
	}
	found = found[1:]
	for _, c := range curves {
		curve := FlipCurve{
			Where: c.kind.where, Granularity: c.kind.size.String(), Scale: c.kind.scale,
			Bits: c.pool.allBits(), Pieces: c.pool.pieces(),
		}
		for _, n := range c.amounts {
			curve.Points = append(curve.Points, x.point(n, found[:o.Draws]))
			found = found[o.Draws:]
		}
		x.Curves = append(x.Curves, curve)
	}
	return x
}

// point sums up the draws of one amount: means and intervals are of ln ratio.
func (x *Robustness) point(pieces uint64, draws []flipMeasure) FlipPoint {
	p := FlipPoint{Pieces: pieces}
	var logs []float64
	var bits uint64
	for _, d := range draws {
		bits += d.Bits
		logs = append(logs, kernel.Log(float64(d.Perplexity)/x.Base))
		p.Each = append(p.Each, d.Perplexity)
	}
	p.Bits = float64(bits) / float64(len(draws))
	e := MeanOf(logs)
	p.Ratio = Estimate{kernel.Exp64(e.Value), kernel.Exp64(e.Low), kernel.Exp64(e.High), e.N}
	p.Perplexity = Estimate{float64(x.Base * p.Ratio.Value), float64(x.Base * p.Ratio.Low), float64(x.Base * p.Ratio.High), e.N}
	return p
}

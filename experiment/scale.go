package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"bankai"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// Scales is whether rows of high scale matter more than others, and how well
// scale and gradient foresee what flipping a row does.
type Scales struct {
	About
	Probes      string      `json:"probes"` // where they are from
	Count       int         `json:"count"`  // of them
	Metric      string      `json:"metric"`
	Projections []string    `json:"projections"`
	Draws       int         `json:"draws"` // of random rows
	Steps       []ScaleStep `json:"steps"` // by number of rows; all layers first, then each
	Singles     *Singles    `json:"singles"`
}

// ScaleStep is so many rows flipped in one matrix at a time: those of the highest
// mean scale, or random ones. Figures are means of the absolute change of the
// metric over probes and matrices, in nats.
type ScaleStep struct {
	Rows     int      `json:"rows"`
	Layer    int      `json:"layer"`    // −1: all
	Matrices int      `json:"matrices"` // that have at least twice as many rows
	High     Estimate `json:"high"`
	Random   Estimate `json:"random"`
	Ratio    Estimate `json:"ratio"`
}

// ScaleOptions choose probes and rows.
type ScaleOptions struct {
	Name        string // of the probes, for people
	Probes      probe.Set
	Metric      probe.Metric
	Layers      []int    // none: all
	Projections []string // as score.Matrices takes them
	Rows        []int    // flipped together
	Draws       int      // of random rows
	Sample      int      // single rows whose effect is compared with scale and gradient; 0: none
	ControlName string
	Controls    probe.Set // of the fitness of single rows
}

// Check refuses what cannot be right whatever the model.
func (o ScaleOptions) Check() error {
	for _, n := range o.Rows {
		if n < 1 {
			return fmt.Errorf("%d rows: flip at least 1", n)
		}
	}
	switch {
	case o.Draws < 1:
		return fmt.Errorf("%d draws of random rows: at least 1 is needed", o.Draws)
	case o.Sample < 0 || o.Sample > 0 && o.Sample < 4:
		return fmt.Errorf("a sample of %d rows: at least 4 are needed for a correlation, or 0 for none", o.Sample)
	case len(o.Rows) == 0 && o.Sample == 0:
		return errors.New("there is nothing to measure: ask for a number of rows, or for a sample of single rows")
	}
	return nil
}

// scaleRun is rows of one matrix that are flipped together.
type scaleRun struct {
	matrix int
	rows   int
	draw   int // 0: the rows of the highest scale
}

// MeasureScale compares rows of high scale with random ones, and what is foreseen
// of single rows with the truth.
func MeasureScale(ctx context.Context, r *Run, o ScaleOptions) (*Scales, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	ms, err := score.Matrices(r.Model.Weights(), o.Layers, o.Projections)
	if err != nil {
		return nil, err
	}
	runs, err := o.runs(ms)
	if err != nil {
		return nil, err
	}
	singles, err := o.singles(r, ms)
	if err != nil {
		return nil, err
	}
	flips, err := o.together(r, ms, runs)
	if err != nil {
		return nil, err
	}
	jobs := slices.Concat(flips, singles.jobs())
	keys := make([]string, len(jobs))
	for i, j := range jobs {
		keys[i] = j.key
	}
	found, err := Each(ctx, r, keys, func(ctx context.Context, i int) (scaleMeasure, error) { return jobs[i].do(ctx) })
	if err != nil {
		return nil, err
	}
	return &Scales{
		Probes: o.Name, Count: len(o.Probes), Metric: o.Metric.String(), Projections: projectionsOf(ms), Draws: o.Draws,
		Steps: o.steps(r.Seed, ms, runs, moves(found[:len(flips)])), Singles: singles.result(found[len(flips):]),
	}, nil
}

// scaleJob is one piece of the work.
type scaleJob struct {
	key string
	do  func(ctx context.Context) (scaleMeasure, error)
}

// scaleMeasure is what came of it: the metric of every probe, or the forecast of
// every single row.
type scaleMeasure struct {
	Values  []Number `json:"values"`
	Fitness Number   `json:"fitness"`
}

// flipping is the job of flipping rows.
func (e *effects) flipping(key string, rows func() []bankai.Flip) scaleJob {
	return scaleJob{key, func(ctx context.Context) (scaleMeasure, error) {
		s, err := e.score(ctx, rows())
		return scaleMeasure{numbers(s.Targets), Number(s.Fitness)}, err
	}}
}

// nothing is flipped.
func nothing() []bankai.Flip { return nil }

// moves are the absolute changes of the probes' metric, by job but the first,
// which is of the model as it is.
func moves(found []scaleMeasure) (moved [][]float64) {
	for i := 1; i < len(found); i++ {
		moved = append(moved, magnitudes(changes(found[0].Values, found[i].Values)))
	}
	return moved
}

// runs are what is flipped together, by matrix. A matrix takes part with numbers
// up to half of its rows: beyond that random rows are largely those of high scale.
func (o ScaleOptions) runs(ms []search.Matrix) (runs []scaleRun, err error) {
	most := 0
	for i, m := range ms {
		most = max(most, m.Rows/2)
		for _, n := range slices.Compact(slices.Sorted(slices.Values(o.Rows))) {
			for d := 0; d <= o.Draws && n <= m.Rows/2; d++ {
				runs = append(runs, scaleRun{i, n, d})
			}
		}
	}
	for _, n := range o.Rows {
		if n > most {
			return nil, fmt.Errorf("%d rows: more than half of the %d that the largest of the matrices has: ask for fewer", n, 2*most)
		}
	}
	return runs, nil
}

// together is the work of flipping the rows of each run, behind that on the model
// as it is.
func (o ScaleOptions) together(r *Run, ms []search.Matrix, runs []scaleRun) ([]scaleJob, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	e, err := newEffects(r.Model, o.Probes, nil, o.Metric, 0, ms)
	if err != nil {
		return nil, err
	}
	jobs := []scaleJob{e.flipping("as it is", nothing)}
	for _, run := range runs {
		jobs = append(jobs, e.flipping(run.key(ms), func() []bankai.Flip { return wholeRows(ms[run.matrix], run.drawn(r.Seed, ms)) }))
	}
	return jobs, nil
}

func (run scaleRun) key(ms []search.Matrix) string {
	if run.draw == 0 {
		return fmt.Sprintf("%s, %d rows of high scale", ms[run.matrix].Name, run.rows)
	}
	return fmt.Sprintf("%s, %d random rows, draw %d", ms[run.matrix].Name, run.rows, run.draw)
}

// drawn are the rows of a run.
func (run scaleRun) drawn(seed uint64, ms []search.Matrix) []uint64 {
	m := ms[run.matrix]
	if run.draw == 0 {
		return highRows(m, run.rows)
	}
	return draw(drawing(seed, run.key(ms)), uint64(run.rows), uint64(m.Rows))
}

// highRows are the n rows of the highest mean scale, the highest first; of equal
// ones, the earlier.
func highRows(m search.Matrix, n int) []uint64 {
	order := make([]uint64, m.Rows)
	scale := make([]float64, m.Rows)
	for r := range order {
		order[r], scale[r] = uint64(r), rowScale(m, r)
	}
	slices.SortStableFunc(order, func(a, b uint64) int { return cmp.Compare(scale[b], scale[a]) })
	return order[:n]
}

// steps sums up the runs: by number of rows, all layers first.
func (o ScaleOptions) steps(seed uint64, ms []search.Matrix, runs []scaleRun, moved [][]float64) (steps []ScaleStep) {
	layers := []int{-1}
	for _, m := range ms {
		layer, _, _ := bankai.SplitTensor(m.Name)
		layers = append(layers, layer)
	}
	for _, rows := range slices.Compact(slices.Sorted(slices.Values(o.Rows))) {
		for _, layer := range slices.Compact(slices.Clone(layers)) {
			var parts []scalePart
			for i, run := range runs {
				of := layers[run.matrix+1]
				if run.rows == rows && run.draw == 0 && (layer < 0 || of == layer) {
					parts = append(parts, scalePart{moved[i], moved[i+1 : i+1+o.Draws]})
				}
			}
			if len(parts) > 0 {
				steps = append(steps, stepOf(seed, rows, layer, parts))
			}
		}
	}
	return steps
}

// scalePart is one matrix: the absolute changes of the probes' metric.
type scalePart struct {
	high   []float64   // [probe]
	random [][]float64 // [draw][probe]
}

func stepOf(seed uint64, rows, layer int, parts []scalePart) ScaleStep {
	probes := len(parts[0].high)
	high, random := make([]float64, probes), make([]float64, probes)
	for _, part := range parts {
		for p := range probes {
			high[p] += part.high[p] / float64(len(parts))
			for _, d := range part.random {
				random[p] += d[p] / float64(len(part.random)*len(parts))
			}
		}
	}
	return ScaleStep{
		Rows: rows, Layer: layer, Matrices: len(parts),
		High: MeanOf(high), Random: MeanOf(random), Ratio: ratioOf(seed, parts, high, random),
	}
}

// ratioOf is the ratio of the means. Its interval is of a bootstrap over the
// probes and, in every matrix, over the draws of random rows.
func ratioOf(seed uint64, parts []scalePart, high, random []float64) Estimate {
	stream := drawing(seed, "bootstrap of draws")
	return resampled(sum(high)/sum(random), len(high), seed, func(pick []int) float64 {
		var above, below float64
		for _, part := range parts {
			for range part.random {
				d := part.random[stream.Int(len(part.random))]
				for _, p := range pick {
					below += d[p]
				}
			}
			for _, p := range pick {
				above += float64(part.high[p] * float64(len(part.random)))
			}
		}
		return above / below
	})
}

// projectionsOf are the projections among matrices, in their order.
func projectionsOf(ms []search.Matrix) (names []string) {
	for _, m := range ms {
		if _, name, _ := bankai.SplitTensor(m.Name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

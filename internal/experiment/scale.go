package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"

	"bankai"
	"bankai/internal/chart"
	"bankai/internal/kernel"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// Scales is whether rows of high scale matter more than others, and how well
// scale and gradient predict what flipping a row does.
type Scales struct {
	report.About
	Probes      string      `json:"probes"` // where the probes are from
	Count       int         `json:"count"`  // of the probes
	Metric      string      `json:"metric"`
	Projections []string    `json:"projections"`
	Draws       int         `json:"draws"` // of random rows
	Steps       []ScaleStep `json:"steps"` // by number of rows; all layers first, then each
	Singles     *Singles    `json:"singles"`
}

// ScaleStep is a number of rows flipped in one matrix at a time: the rows of the
// highest mean scale, or random ones. Figures are means of the absolute change of the
// metric over probes and matrices, in nats.
type ScaleStep struct {
	Rows     int             `json:"rows"`
	Layer    int             `json:"layer"`    // −1: all
	Matrices int             `json:"matrices"` // that have at least twice as many rows
	High     report.Estimate `json:"high"`
	Random   report.Estimate `json:"random"`
	Ratio    report.Estimate `json:"ratio"`
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
	draw   int // number of the random draw; 0: the rows of the highest scale
}

// MeasureScale compares rows of high scale with random ones, and what is predicted of
// single rows with what is measured.
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
	found, err := EachInTurn(ctx, r, keys, func(ctx context.Context, i int) (scaleMeasure, error) { return jobs[i].do(ctx) })
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

// scaleMeasure is what came of a scaleJob: the metric of every probe, or the predicted
// fitness of every single row.
type scaleMeasure struct {
	Values  []report.NullFloat `json:"values"`
	Fitness report.NullFloat   `json:"fitness"`
}

// flipping is the job of flipping rows.
func (e *effects) flipping(key string, rows func() []bankai.Flip) scaleJob {
	return scaleJob{key, func(ctx context.Context) (scaleMeasure, error) {
		s, err := e.score(ctx, rows())
		return scaleMeasure{numbers(s.Targets), report.NullFloat(s.Fitness)}, err
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
// rows, the earlier.
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
		layers = append(layers, layerOf(m))
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
		High: report.MeanOf(high), Random: report.MeanOf(random), Ratio: ratioOf(seed, parts, high, random),
	}
}

// ratioOf is the ratio of the means. Its interval is of a bootstrap over the
// probes and, in every matrix, over the draws of random rows.
func ratioOf(seed uint64, parts []scalePart, high, random []float64) report.Estimate {
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
		if _, p, _ := weights.ProjectionOf(m.Name); !slices.Contains(names, p.Short+"_proj") {
			names = append(names, p.Short+"_proj")
		}
	}
	return names
}

// Singles are single rows, drawn at random from all matrices: what flipping each
// does, and what was predicted of it.
type Singles struct {
	Controls string      `json:"controls"` // where the control probes are from
	Count    int         `json:"count"`    // of the controls
	Rows     []SingleRow `json:"rows"`

	ScaleEffect  Correlation `json:"scale_and_effect"`
	ScaleFitness Correlation `json:"scale_and_fitness"`
	Prediction   Correlation `json:"forecast_and_fitness"`
}

// SingleRow is one row that is flipped alone.
type SingleRow struct {
	Tensor    string  `json:"tensor"`
	Row       int     `json:"row"`
	Scale     float64 `json:"scale"`     // mean |d| of its groups
	Effect    float64 `json:"effect"`    // mean absolute change of answer_logprob, nats
	Fitness   float64 `json:"fitness"`   // change, measured
	Predicted float64 `json:"predicted"` // change, to first order
}

// halfUnit is 2^-24, the smallest float16, in which scales are counted.
var halfUnit = math.Ldexp(1, -24)

// singles is single rows that are prepared for measuring.
type singles struct {
	o       ScaleOptions
	ms      []search.Matrix
	flips   []bankai.Flip
	scales  []float64
	effects *effects
}

// singles draws the rows; nil if none are wanted. A larger sample begins with the
// rows of a smaller one.
func (o ScaleOptions) singles(r *Run, ms []search.Matrix) (*singles, error) {
	if o.Sample == 0 {
		return nil, nil
	}
	if len(o.Controls) == 0 {
		return nil, errors.New("the fitness of single rows needs control probes: give some, or no sample")
	}
	p := &pool{tensors: ms, size: search.Row}
	for _, m := range ms {
		n := uint64(m.Rows)
		if len(p.ends) > 0 {
			n += p.ends[len(p.ends)-1]
		}
		p.ends = append(p.ends, n)
	}
	if uint64(o.Sample) > p.pieces() {
		return nil, fmt.Errorf("a sample of %d rows: the matrices have %s: ask for fewer", o.Sample, thousands(p.pieces()))
	}
	s := &singles{o: o, ms: ms}
	random, drawn := drawing(r.Seed, "single rows"), map[uint64]bool{}
	for len(s.flips) < o.Sample {
		row := random.Below(p.pieces())
		if drawn[row] {
			continue
		}
		drawn[row] = true
		f := p.flip(row)
		m := ms[slices.IndexFunc(ms, func(m search.Matrix) bool { return m.Name == f.Tensor })]
		s.flips, s.scales = append(s.flips, f), append(s.scales, rowScale(m, int(f.Row))*halfUnit)
	}
	var err error
	s.effects, err = newEffects(r.Model, o.Probes, o.Controls, probe.AnswerLogprob, score.DefaultPenalty, ms)
	return s, err
}

// jobs are the work on the single rows: the model as it is, every row flipped, and the
// prediction.
func (s *singles) jobs() []scaleJob {
	if s == nil {
		return nil
	}
	jobs := []scaleJob{s.effects.flipping("single rows: as it is", nothing)}
	for i, f := range s.flips {
		key := fmt.Sprintf("single rows: row %d of %s", f.Row, f.Tensor)
		jobs = append(jobs, s.effects.flipping(key, func() []bankai.Flip { return s.flips[i : i+1] }))
	}
	return append(jobs, scaleJob{s.predictionKey(), s.predict})
}

// predictionKey names the piece of work that predicts the effect of all rows.
func (s *singles) predictionKey() string {
	h := fnv.New64a()
	for _, f := range s.flips {
		fmt.Fprintln(h, f.Tensor, f.Row)
	}
	return fmt.Sprintf("single rows: forecast of %d (%016x)", len(s.flips), h.Sum64())
}

// predict is the fitness predicted for every row of the sample, by one backward pass
// over all rows of the matrices.
func (s *singles) predict(ctx context.Context) (scaleMeasure, error) {
	want := search.Want{Matrices: s.ms}
	for _, m := range s.ms {
		want.Best[search.Row] += m.Rows
	}
	all, _, err := s.effects.evaluator.Predict(ctx, s.effects.base, want)
	if err != nil {
		return scaleMeasure{}, err
	}
	type row struct {
		tensor string
		row    uint32
	}
	fitness := map[row]float64{}
	for _, f := range all.Best[search.Row] {
		fitness[row{f.Flip.Tensor, f.Flip.Row}] = f.Fitness
	}
	out := make([]report.NullFloat, len(s.flips))
	for i, f := range s.flips {
		x, ok := fitness[row{f.Tensor, f.Row}]
		if !ok {
			return scaleMeasure{}, fmt.Errorf("row %d of %s has no prediction", f.Row, f.Tensor)
		}
		out[i] = report.NullFloat(x)
	}
	return scaleMeasure{Values: out}, nil
}

// result sums up what came of the jobs.
func (s *singles) result(found []scaleMeasure) *Singles {
	if s == nil {
		return nil
	}
	before, predicted := found[0].Values, found[len(found)-1].Values
	found = found[1:]
	x := &Singles{Controls: s.o.ControlName, Count: len(s.o.Controls)}
	var effect, fitness, predictions []float64
	for i, f := range s.flips {
		row := SingleRow{
			Tensor: f.Tensor, Row: int(f.Row), Scale: s.scales[i], Effect: stats.Mean(magnitudes(changes(before, found[i].Values))),
			Fitness: float64(found[i].Fitness), Predicted: float64(predicted[i]),
		}
		x.Rows = append(x.Rows, row)
		effect, fitness, predictions = append(effect, row.Effect), append(fitness, row.Fitness), append(predictions, row.Predicted)
	}
	x.ScaleEffect, x.ScaleFitness, x.Prediction = correlate(s.scales, effect), correlate(s.scales, fitness), correlate(predictions, fitness)
	return x
}

// Present implements Result.
func (x *Scales) Present() *report.Presentation {
	out := &report.Presentation{
		Title: "Scale, gradient and effect",
		Purpose: "Do rows of high scale matter more? The rows of the highest mean scale of a matrix are flipped together, and as many random ones of it, and the change of the " + x.Metric + " is compared. " +
			"It repeats the published experiment 2B: 64 high-scale rows of layer 34 of Bonsai 8B changed the gap by 0.459, 64 random ones by 0.118, a ratio of 3.88. " +
			"Scale tells how much a row does, not whether that helps: for single rows, scale and the first-order prediction that guided search uses are set against the measured change.",
		Findings: x.findings(),
	}
	if len(x.Steps) > 0 {
		out.Tables = append(out.Tables, x.table())
		out.Charts = append(out.Charts, x.ratios())
		out.Notes = append(out.Notes,
			fmt.Sprintf("%s: %d probes, %s; %s, one matrix at a time. Random rows: %d draws from the same matrix. A matrix takes part with numbers up to half of its rows.",
				x.Probes, x.Count, x.Metric, strings.Join(x.Projections, ", "), x.Draws),
			fmt.Sprintf("Intervals are 95 %%: of changes, Student's t over the probes; of ratios, %d bootstrap draws of the probes and of the draws of random rows, the matrices being those they are.", resamples))
	}
	if x.Singles != nil {
		out.Tables = append(out.Tables, x.Singles.correlations(), x.Singles.table())
		out.Charts = append(out.Charts, x.Singles.scatter())
		out.Notes = append(out.Notes, fmt.Sprintf("Single rows: %d, drawn evenly from all rows. Effect: mean absolute change of answer_logprob over the probes. "+
			"Fitness: mean change of answer_logprob less twice the mean loss of seq_logprob on %s (%d controls). ρ is Spearman's, with its 95 %% interval by Fisher's z; three tests, not corrected. "+
			"In fast precision activations are rounded, which blurs small effects; with --precision exact they are not.", len(x.Singles.Rows), x.Singles.Controls, x.Singles.Count))
	}
	return out
}

func (x *Scales) findings() (out []string) {
	if s := x.pooled(64); s != nil {
		verdict := "no evidence that scale matters"
		switch {
		case s.Ratio.Low > 1:
			verdict = "rows of high scale matter more"
		case s.Ratio.High < 1:
			verdict = "rows of high scale matter less"
		}
		out = append(out, fmt.Sprintf("%d high-scale rows change the metric by %s, as many random ones by %s: a ratio of %s, %s. Published: 3.88 with 64 rows of one layer.",
			s.Rows, report.CellText(s.High), report.CellText(s.Random), report.CellText(s.Ratio), verdict))
	}
	if more, less, n := x.layersThatDiffer(); n > 1 {
		out = append(out, fmt.Sprintf("Of %d ratios of single layers, %d are above 1 with their whole interval, and %d below (not corrected for their number).", n, more, less))
	}
	if s := x.Singles; s != nil {
		out = append(out, fmt.Sprintf("Single rows: scale and size of the effect, ρ = %s (p %s); scale and change of fitness, ρ = %s (p %s).",
			report.CellText(s.ScaleEffect.Rho), report.CellText(report.PValue(s.ScaleEffect.P)), report.CellText(s.ScaleFitness.Rho), report.CellText(report.PValue(s.ScaleFitness.P))),
			fmt.Sprintf("The first-order prediction and the change of fitness: ρ = %s (p %s); %d of %d rows raise the fitness.",
				report.CellText(s.Prediction.Rho), report.CellText(report.PValue(s.Prediction.P)), s.helpful(), len(s.Rows)))
	}
	return out
}

// pooled is the step over all layers whose number of rows is nearest to n.
func (x *Scales) pooled(n int) (best *ScaleStep) {
	distance := func(s *ScaleStep) float64 { return math.Abs(kernel.Log(float64(s.Rows) / float64(n))) }
	for i := range x.Steps {
		if s := &x.Steps[i]; s.Layer < 0 && (best == nil || distance(s) < distance(best)) {
			best = s
		}
	}
	return best
}

// layersThatDiffer counts the ratios of single layers that are above and below 1.
func (x *Scales) layersThatDiffer() (more, less, n int) {
	for _, s := range x.Steps {
		if s.Layer >= 0 {
			n++
			more += one(s.Ratio.Low > 1)
			less += one(s.Ratio.High < 1)
		}
	}
	return more, less, n
}

func layerName(layer int) string {
	if layer < 0 {
		return "all"
	}
	return strconv.Itoa(layer)
}

func (x *Scales) table() report.Table {
	t := report.Table{
		Name: "scale", Caption: "High-scale rows against random ones: mean absolute change of the metric",
		Columns: []string{"rows", "layer", "matrices", "high scale", "random", "ratio"},
	}
	for _, s := range x.Steps {
		t.Rows = append(t.Rows, []any{s.Rows, layerName(s.Layer), s.Matrices, s.High, s.Random, s.Ratio})
	}
	return t
}

// ratios is the ratio against the number of rows, over all layers and in each.
func (x *Scales) ratios() chart.Chart {
	level := 1.0
	lines := &chart.Lines{X: "rows flipped together", Y: "effect, ratio to random rows", LogX: true, Level: &level, LevelName: "as random rows"}
	line := chart.Series{Name: "all layers"}
	heat := &chart.Heat{Title: "Ratio in each layer", X: "rows flipped together", Y: "layer"}
	cells := map[[2]int]float64{}
	var rows, layers []int
	for _, s := range x.Steps {
		if s.Layer < 0 {
			line.Points = append(line.Points, chart.Point{X: float64(s.Rows), Y: s.Ratio.Value, Low: s.Ratio.Low, High: s.Ratio.High})
			rows = append(rows, s.Rows)
			heat.Cols = append(heat.Cols, text.Thousands(int64(s.Rows)))
			continue
		}
		cells[[2]int{s.Layer, s.Rows}] = s.Ratio.Value
		layers = append(layers, s.Layer)
	}
	slices.Sort(layers)
	for _, l := range slices.Compact(layers) {
		values := make([]float64, len(rows))
		for i, n := range rows {
			values[i] = math.NaN()
			if v, ok := cells[[2]int{l, n}]; ok {
				values[i] = v
			}
		}
		heat.Rows, heat.Values = append(heat.Rows, strconv.Itoa(l)), append(heat.Values, values)
	}
	lines.Series = []chart.Series{line}
	return chart.Chart{
		Name: "scale", Title: "High-scale rows against random rows", Panels: []chart.Panel{lines, heat},
		Alt: "The ratio of the effects of high-scale and random rows against their number, and the same in each layer.",
	}
}

// helpful counts the rows that raise the fitness.
func (s *Singles) helpful() (n int) {
	for _, r := range s.Rows {
		n += one(r.Fitness > 0)
	}
	return n
}

func (s *Singles) correlations() report.Table {
	t := report.Table{Name: "scale-correlations", Caption: "What predicts the effect of a single row", Columns: []string{"of", "with", "ρ", "p"}}
	for _, c := range []struct {
		of, with string
		Correlation
	}{
		{"scale", "size of the effect", s.ScaleEffect}, {"scale", "change of fitness", s.ScaleFitness}, {"prediction", "change of fitness", s.Prediction},
	} {
		t.Rows = append(t.Rows, []any{c.of, c.with, c.Rho, report.PValue(c.P)})
	}
	return t
}

func (s *Singles) table() report.Table {
	t := report.Table{
		Name: "scale-rows", Caption: "Single rows", Brief: 5,
		Columns: []string{"matrix", "row", "scale", "effect", "change of fitness", "prediction"},
	}
	for _, r := range s.Rows {
		t.Rows = append(t.Rows, []any{strings.TrimSuffix(r.Tensor, ".weight"), r.Row, r.Scale, r.Effect, r.Fitness, r.Predicted})
	}
	return t
}

func (s *Singles) scatter() chart.Chart {
	var size, predicted []chart.Point
	for _, r := range s.Rows {
		size = append(size, chart.Point{X: r.Scale, Y: r.Effect, Low: math.NaN(), High: math.NaN()})
		predicted = append(predicted, chart.Point{X: r.Predicted, Y: r.Fitness, Low: math.NaN(), High: math.NaN()})
	}
	return chart.Chart{
		Name: "scale-rows", Title: "Single rows", Columns: 2, Width: 760,
		Alt: "Two scatter plots of single rows: the size of the effect against the scale, and the change of fitness against its prediction.",
		Panels: []chart.Panel{
			&chart.Scatter{Title: "Size by scale", X: "mean scale of the row", Y: "mean absolute change, nats", LogY: true, Series: []chart.Series{{Points: size}}},
			&chart.Scatter{Title: "Change of fitness", X: "prediction, nats", Y: "measured, nats", Diagonal: true, Series: []chart.Series{{Points: predicted}}},
		},
	}
}

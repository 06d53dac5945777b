package experiment

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"bankai"
	"bankai/internal/stats"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// Singles are single rows, drawn at random from all matrices: what flipping each
// does, and what was foreseen of it.
type Singles struct {
	Controls string      `json:"controls"` // where they are from
	Count    int         `json:"count"`    // of them
	Rows     []SingleRow `json:"rows"`

	ScaleEffect  Correlation `json:"scale_and_effect"`
	ScaleFitness Correlation `json:"scale_and_fitness"`
	Forecast     Correlation `json:"forecast_and_fitness"`
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

// singles prepares them.
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

// jobs are the work on them: the model as it is, every row, and the forecast.
func (s *singles) jobs() []scaleJob {
	if s == nil {
		return nil
	}
	jobs := []scaleJob{s.effects.flipping("single rows: as it is", nothing)}
	for i, f := range s.flips {
		key := fmt.Sprintf("single rows: row %d of %s", f.Row, f.Tensor)
		jobs = append(jobs, s.effects.flipping(key, func() []bankai.Flip { return s.flips[i : i+1] }))
	}
	return append(jobs, scaleJob{s.forecastKey(), s.forecast})
}

// forecastKey names the rows that are forecast, all of them.
func (s *singles) forecastKey() string {
	h := fnv.New64a()
	for _, f := range s.flips {
		fmt.Fprintln(h, f.Tensor, f.Row)
	}
	return fmt.Sprintf("single rows: forecast of %d (%016x)", len(s.flips), h.Sum64())
}

// forecast is the fitness foreseen for every row of the sample, by one backward
// pass over all rows of the matrices.
func (s *singles) forecast(ctx context.Context) (scaleMeasure, error) {
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
	out := make([]Number, len(s.flips))
	for i, f := range s.flips {
		x, ok := fitness[row{f.Tensor, f.Row}]
		if !ok {
			return scaleMeasure{}, fmt.Errorf("row %d of %s has no forecast", f.Row, f.Tensor)
		}
		out[i] = Number(x)
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
	var effect, fitness, foreseen []float64
	for i, f := range s.flips {
		row := SingleRow{
			Tensor: f.Tensor, Row: int(f.Row), Scale: s.scales[i], Effect: stats.Mean(magnitudes(changes(before, found[i].Values))),
			Fitness: float64(found[i].Fitness), Predicted: float64(predicted[i]),
		}
		x.Rows = append(x.Rows, row)
		effect, fitness, foreseen = append(effect, row.Effect), append(fitness, row.Fitness), append(foreseen, row.Predicted)
	}
	x.ScaleEffect, x.ScaleFitness, x.Forecast = correlate(s.scales, effect), correlate(s.scales, fitness), correlate(foreseen, fitness)
	return x
}

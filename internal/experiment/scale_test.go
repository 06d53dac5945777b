package experiment

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/stats"
	"bankai/internal/testmodel"
	"bankai/probe"
	"bankai/score"
	"bankai/search"

	"github.com/x448/float16"
)

// someScales is a small experiment.
func someScales() ScaleOptions {
	return ScaleOptions{
		Name: "four", Probes: fiveProbes[:4], Metric: probe.SeqLogprob, Layers: []int{1}, Projections: []string{"gate", "down"},
		Rows: []int{100, 2}, Draws: 2, Sample: 5, ControlName: "one", Controls: fiveProbes[4:],
	}
}

// meanScales are those of a tensor's rows, from the bytes of a made model.
func meanScales(m *testmodel.Model, tensor string, rows int) []float64 {
	data := m.Tensor(tensor).Data
	groups := len(data) / 18 / rows
	means := make([]float64, rows)
	for r := range means {
		for g := range groups {
			h := float16.Frombits(binary.LittleEndian.Uint16(data[(r*groups+g)*18:]))
			means[r] += math.Abs(float64(h.Float32())) / float64(groups)
		}
	}
	return means
}

// effectOfRows is the mean absolute change of a metric when rows of a made model
// are inverted by hand.
func effectOfRows(t *testing.T, m *engine.Model, tensor string, rows []uint64, o ScaleOptions) float64 {
	t.Helper()
	_, cols, _ := m.Weights().Shape(tensor)
	flipped := madeModel()
	for _, r := range rows {
		flipBytes(flipped, m.Weights().Shape, []bankai.Flip{{Tensor: tensor, Row: uint32(r), N: cols}})
	}
	before, after := plainValues(t, m, o.Probes, o.Metric), plainValues(t, enginetest.Load(t, flipped.Bytes(), engine.Options{Threads: 1}), o.Probes, o.Metric)
	total := 0.0
	for p := range before {
		total += math.Abs(after[p] - before[p])
	}
	return total / float64(len(before))
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Abs(b) }

// High-scale rows are those with the largest means of the file's own numbers, and
// the figures are those of files in which the rows are inverted by hand.
func TestScaleAgainstFlippedFiles(t *testing.T) {
	m, o := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1}), someScales()
	x, err := MeasureScale(t.Context(), &Run{Model: m, Seed: 4}, o)
	if err != nil {
		t.Fatal(err)
	}
	type step struct{ rows, layer, matrices int }
	var steps []step
	for _, s := range x.Steps {
		steps = append(steps, step{s.Rows, s.Layer, s.Matrices})
	}
	// Down has 128 rows, so it has no part in flips of 100.
	if want := []step{{2, -1, 2}, {2, 1, 2}, {100, -1, 1}, {100, 1, 1}}; !slices.Equal(steps, want) {
		t.Fatalf("steps %v, want %v", steps, want)
	}
	for _, s := range x.Steps {
		var high, random float64
		for tensor, rows := range map[string]int{"blk.1.ffn_gate.weight": 256, "blk.1.ffn_down.weight": 128} {
			if s.Rows > rows/2 {
				continue
			}
			means := meanScales(madeModel(), tensor, rows)
			order := make([]uint64, rows)
			for r := range order {
				order[r] = uint64(r)
			}
			slices.SortFunc(order, func(a, b uint64) int {
				if means[a] > means[b] || means[a] == means[b] && a < b {
					return -1
				}
				return 1
			})
			high += effectOfRows(t, m, tensor, order[:s.Rows], o) / float64(s.Matrices)
			for d := range o.Draws {
				drawn := draw(drawing(4, fmt.Sprintf("%s, %d random rows, draw %d", tensor, s.Rows, d+1)), uint64(s.Rows), uint64(rows))
				random += effectOfRows(t, m, tensor, drawn, o) / float64(s.Matrices*o.Draws)
			}
		}
		if !near(s.High.Value, high) || !near(s.Random.Value, random) || !near(s.Ratio.Value, high/random) {
			t.Errorf("%d rows, layer %d: high %v, random %v, ratio %v, want %v, %v, %v", s.Rows, s.Layer, s.High.Value, s.Random.Value, s.Ratio.Value, high, random, high/random)
		}
		if !(s.Ratio.Low < s.Ratio.Value && s.Ratio.Value < s.Ratio.High) {
			t.Errorf("ratio %+v is not within its interval", s.Ratio)
		}
	}
}

// A single row's effect and fitness are those of the row under an overlay, probe by
// probe, and its prediction is that of a search.
func TestSingleRows(t *testing.T) {
	m, o := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1}), someScales()
	o.Rows = nil
	x, err := MeasureScale(t.Context(), &Run{Model: m, Seed: 4}, o)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := score.NewProbeEvaluator(m, o.Probes, o.Controls, score.Options{Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: 2}})
	if err != nil {
		t.Fatal(err)
	}
	targets, controls := plainValues(t, m, o.Probes, probe.AnswerLogprob), plainValues(t, m, o.Controls, probe.SeqLogprob)
	var scales, effects, fitness, predictions []float64
	for _, row := range x.Singles.Rows {
		rows, cols, _ := m.Weights().Shape(row.Tensor)
		flip := bankai.Flip{Tensor: row.Tensor, Row: uint32(row.Row), N: cols}
		flipped := madeModel()
		flipBytes(flipped, m.Weights().Shape, []bankai.Flip{flip})
		f := enginetest.Load(t, flipped.Bytes(), engine.Options{Threads: 1})
		var effect, gain, loss float64
		for p, v := range plainValues(t, f, o.Probes, probe.AnswerLogprob) {
			effect += math.Abs(v-targets[p]) / 4
			gain += (v - targets[p]) / 4
		}
		for p, v := range plainValues(t, f, o.Controls, probe.SeqLogprob) {
			loss += max(0, controls[p]-v)
		}
		if math.Abs(row.Effect-effect) > 1e-12 || math.Abs(row.Fitness-(gain-2*loss)) > 1e-12 {
			t.Errorf("row %d of %s: effect %v, fitness %v, want %v, %v", row.Row, row.Tensor, row.Effect, row.Fitness, effect, gain-2*loss)
		}
		if want := meanScales(madeModel(), row.Tensor, int(rows))[row.Row]; !near(row.Scale, want) {
			t.Errorf("row %d of %s: scale %v, want %v", row.Row, row.Tensor, row.Scale, want)
		}
		if want := predictionOf(t, m, ev, flip); row.Predicted != want {
			t.Errorf("row %d of %s: predicted %v, want %v", row.Row, row.Tensor, row.Predicted, want)
		}
		scales, effects, fitness, predictions = append(scales, row.Scale), append(effects, row.Effect), append(fitness, row.Fitness), append(predictions, row.Predicted)
	}
	s := x.Singles
	if s.ScaleEffect.Rho.Value != stats.Spearman(scales, effects) || s.ScaleFitness.Rho.Value != stats.Spearman(scales, fitness) || s.Prediction.Rho.Value != stats.Spearman(predictions, fitness) || s.Prediction.Rho.N != 5 {
		t.Errorf("correlations %+v, %+v, %+v", s.ScaleEffect, s.ScaleFitness, s.Prediction)
	}
}

// predictionOf asks for all rows of one matrix.
func predictionOf(t *testing.T, m *engine.Model, ev *score.Evaluator, flip bankai.Flip) float64 {
	t.Helper()
	layer, projection, _ := bankai.SplitTensor(flip.Tensor)
	ms, err := score.Matrices(m.Weights(), []int{layer}, []string{projection})
	if err != nil {
		t.Fatal(err)
	}
	want := search.Want{Matrices: ms}
	want.Best[search.Row] = ms[0].Rows
	all, _, err := ev.Predict(context.Background(), bankai.New(m.Digest(), bankai.Meta{}), want)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all.Best[search.Row] {
		if f.Flip.Row == flip.Row {
			return f.Fitness
		}
	}
	t.Fatalf("no prediction of %+v", flip)
	return 0
}

// Two matrices, two probes and two draws by hand.
func TestScaleRatio(t *testing.T) {
	s := stepOf(1, 16, 3, []scalePart{
		{high: []float64{4, 8}, random: [][]float64{{1, 1}, {3, 3}}},
		{high: []float64{0, 4}, random: [][]float64{{0, 2}, {2, 0}}},
	})
	if s.High.Value != 4 || s.Random.Value != 1.5 || !near(s.Ratio.Value, 4/1.5) || s.Ratio.N != 2 || s.Matrices != 2 || s.Rows != 16 || s.Layer != 3 {
		t.Errorf("got %+v", s)
	}
	// The extreme draws: both times the probe and the draw that favour one side.
	if s.Ratio.Low < 4.0/8 || s.Ratio.High > 12 || s.Ratio.Low > 1.5 || s.Ratio.High < 4 {
		t.Errorf("interval %+v", s.Ratio)
	}
}

// A larger sample begins with the smaller one, so that a journal's rows count.
func TestSampleGrows(t *testing.T) {
	m, o := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1}), someScales()
	ms, err := score.Matrices(m.Weights(), nil, []string{"gate", "up", "down"})
	if err != nil {
		t.Fatal(err)
	}
	var samples [2][]bankai.Flip
	for i, n := range []int{50, 1280} {
		o.Sample = n
		s, err := o.singles(&Run{Model: m, Seed: 1}, ms)
		if err != nil {
			t.Fatal(err)
		}
		samples[i] = s.flips
	}
	if !slices.Equal(samples[0], samples[1][:50]) {
		t.Error("a larger sample has other rows")
	}
	seen := map[bankai.Flip]bool{}
	for _, f := range samples[1] {
		seen[f] = true
	}
	if len(seen) != 1280 { // all there are
		t.Errorf("%d different rows of 1280", len(seen))
	}
}

func TestScaleIsDeterministic(t *testing.T) {
	o := someScales()
	x := measured(t, "scale", func(ctx context.Context, r *Run) (*Scales, error) { return MeasureScale(ctx, r, o) })
	p := x.Present()
	if len(p.Tables) != 3 || len(p.Charts) != 2 || len(p.Findings) != 4 || !strings.HasPrefix(p.Findings[0], "100 high-scale rows change the metric by ") {
		t.Errorf("%d tables, %d charts, findings %q", len(p.Tables), len(p.Charts), p.Findings)
	}
}

func TestScaleRefuses(t *testing.T) {
	for _, c := range []struct {
		change func(o *ScaleOptions)
		want   string
	}{
		{func(o *ScaleOptions) { o.Rows = []int{0} }, "0 rows: flip at least 1"},
		{func(o *ScaleOptions) { o.Rows = []int{4, 129} }, "129 rows: more than half of the 256 that the largest of the matrices has: ask for fewer"},
		{func(o *ScaleOptions) { o.Draws = 0 }, "0 draws of random rows: at least 1 is needed"},
		{func(o *ScaleOptions) { o.Sample = 3 }, "a sample of 3 rows: at least 4 are needed for a correlation, or 0 for none"},
		{func(o *ScaleOptions) { o.Sample = 385 }, "a sample of 385 rows: the matrices have 384: ask for fewer"},
		{func(o *ScaleOptions) { o.Rows, o.Sample = nil, 0 }, "there is nothing to measure: ask for a number of rows, or for a sample of single rows"},
		{func(o *ScaleOptions) { o.Controls = nil }, "the fitness of single rows needs control probes: give some, or no sample"},
		{func(o *ScaleOptions) { o.Probes = nil }, "there are no probes to measure"},
		{func(o *ScaleOptions) { o.Projections = []string{"head"} }, `unknown projection "head": use gate, up, down, q, k, v, o, qkv, z, alpha, beta, out`},
	} {
		o := someScales()
		c.change(&o)
		if _, err := MeasureScale(t.Context(), &Run{Model: enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1})}, o); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

package experiment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"bankai/internal/chart"
	"bankai/internal/kernel"
	"bankai/internal/text"
)

// Present implements Result.
func (x *Scales) Present() *Presentation {
	out := &Presentation{
		Title: "Scale, gradient and effect",
		Purpose: "Do rows of high scale matter more? The rows of the highest mean scale of a matrix are flipped together, and as many random ones of it, and the change of the " + x.Metric + " is compared. " +
			"It repeats the published experiment 2B: 64 high-scale rows of layer 34 of Bonsai 8B changed the gap by 0.459, 64 random ones by 0.118, a ratio of 3.88. " +
			"Scale tells how much a row does, not whether that helps: for single rows, scale and the first-order forecast that guided search uses are set against the measured change.",
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
			s.Rows, CellText(s.High), CellText(s.Random), CellText(s.Ratio), verdict))
	}
	if more, less, n := x.layersThatDiffer(); n > 1 {
		out = append(out, fmt.Sprintf("Of %d ratios of single layers, %d are above 1 with their whole interval, and %d below (not corrected for their number).", n, more, less))
	}
	if s := x.Singles; s != nil {
		out = append(out, fmt.Sprintf("Single rows: scale and size of the effect, ρ = %s (p %s); scale and change of fitness, ρ = %s (p %s).",
			CellText(s.ScaleEffect.Rho), CellText(P(s.ScaleEffect.P)), CellText(s.ScaleFitness.Rho), CellText(P(s.ScaleFitness.P))),
			fmt.Sprintf("The first-order forecast and the change of fitness: ρ = %s (p %s); %d of %d rows raise the fitness.",
				CellText(s.Forecast.Rho), CellText(P(s.Forecast.P)), s.helpful(), len(s.Rows)))
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

func (x *Scales) table() Table {
	t := Table{
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

func (s *Singles) correlations() Table {
	t := Table{Name: "scale-correlations", Caption: "What foresees the effect of a single row", Columns: []string{"of", "with", "ρ", "p"}}
	for _, c := range []struct {
		of, with string
		Correlation
	}{
		{"scale", "size of the effect", s.ScaleEffect}, {"scale", "change of fitness", s.ScaleFitness}, {"forecast", "change of fitness", s.Forecast},
	} {
		t.Rows = append(t.Rows, []any{c.of, c.with, c.Rho, P(c.P)})
	}
	return t
}

func (s *Singles) table() Table {
	t := Table{
		Name: "scale-rows", Caption: "Single rows", Brief: 5,
		Columns: []string{"matrix", "row", "scale", "effect", "change of fitness", "forecast"},
	}
	for _, r := range s.Rows {
		t.Rows = append(t.Rows, []any{strings.TrimSuffix(r.Tensor, ".weight"), r.Row, r.Scale, r.Effect, r.Fitness, r.Predicted})
	}
	return t
}

func (s *Singles) scatter() chart.Chart {
	var size, foreseen []chart.Point
	for _, r := range s.Rows {
		size = append(size, chart.Point{X: r.Scale, Y: r.Effect, Low: math.NaN(), High: math.NaN()})
		foreseen = append(foreseen, chart.Point{X: r.Predicted, Y: r.Fitness, Low: math.NaN(), High: math.NaN()})
	}
	return chart.Chart{
		Name: "scale-rows", Title: "Single rows", Columns: 2, Width: 760,
		Alt: "Two scatter plots of single rows: the size of the effect against the scale, and the change of fitness against its forecast.",
		Panels: []chart.Panel{
			&chart.Scatter{Title: "Size by scale", X: "mean scale of the row", Y: "mean absolute change, nats", LogY: true, Series: []chart.Series{{Points: size}}},
			&chart.Scatter{Title: "Change of fitness", X: "forecast, nats", Y: "measured, nats", Diagonal: true, Series: []chart.Series{{Points: foreseen}}},
		},
	}
}

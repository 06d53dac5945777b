package experiment

import (
	"fmt"
	"math"

	"bankai/internal/chart"
	"bankai/internal/report"
)

// charts are right answers against bytes, and against work and what broke elsewhere
// where those are known.
func (l *LoRA) charts() []chart.Chart {
	title := fmt.Sprintf("Right answers of %d held-out ones; as it is, %d", l.Base.HeldOut.Total, l.Base.HeldOut.After)
	all := []chart.Chart{{
		Name: "lora", Title: "What a byte buys", Alt: "Right held-out answers against the bytes of patches and of LoRA adapters.",
		Panels: []chart.Panel{&chart.Scatter{
			Title: title, X: "bytes", Y: "right", LogX: true,
			Series: l.series(func(v Adaptation) string { return v.Name }, func(v Adaptation) float64 { return float64(v.Bytes) }),
		}},
	}}
	bySeries := func(v Adaptation) string { return v.Series }
	if len(l.Costs) > 1 {
		all = append(all, chart.Chart{
			Name: "lora-cost", Title: "What a pass buys", Alt: "Right held-out answers against the forward-pass equivalents spent on patches and adapters.",
			Panels: []chart.Panel{&chart.Lines{
				Title: title, X: "forward-pass equivalents", Y: "right", LogX: true,
				Series: l.series(bySeries, func(v Adaptation) float64 {
					if v.Cost == 0 {
						return math.NaN()
					}
					return v.Cost
				}),
			}},
		})
	}
	if l.Base.Problems != nil {
		all = append(all, chart.Chart{
			Name: "lora-loss", Title: "What is gained, and what is lost elsewhere", Alt: "Right held-out answers against the right answers to problems that were lost.",
			Panels: []chart.Panel{&chart.Scatter{
				Title: title, X: fmt.Sprintf("lost of the %d problems that were right", l.Base.Problems.After), Y: "right",
				Series: l.series(bySeries, func(v Adaptation) float64 { return float64(v.Problems.Broke) }),
			}},
		})
	}
	return all
}

// series has a point for each group of results of a name, of the means over its
// seeds; points of one name by called form a series. There is none where x is NaN.
func (l *LoRA) series(called func(Adaptation) string, x func(Adaptation) float64) (all []chart.Series) {
	at := map[string]int{}
	for _, g := range l.grouped() {
		var xs []float64
		for _, v := range g {
			xs = append(xs, x(v))
		}
		mean := report.MeanOf(xs).Value
		if math.IsNaN(mean) {
			continue
		}
		name, right := called(g[0]), held(g)
		k, ok := at[name]
		if !ok {
			k = len(all)
			at[name], all = k, append(all, chart.Series{Name: name})
		}
		all[k].Points = append(all[k].Points, chart.Point{X: mean, Y: right.Value, Low: right.Low, High: right.High})
	}
	return all
}

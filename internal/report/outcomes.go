package report

import (
	"fmt"
	"html/template"
	"math"

	"bankai/internal/chart"
	"bankai/internal/stats"
	"bankai/internal/text"
)

// Outcome is a move that a search tried after it had predicted its effect.
type Outcome struct {
	Granularity string  // what the move inverted: "row", "group", "bit"
	Predicted   float64 // change of fitness, by the first-order prediction
	True        float64 // change of fitness, measured
	Kept        bool    // the move became part of the patch
}

// outcomeView is the outcomes of one granularity as the page shows them. They
// are not pooled: what a row changes and what a bit changes differ by so much
// that the difference alone would make any prediction look good.
type outcomeView struct {
	Granularity string
	SVG         template.HTML
	Tried, Kept int
	Compared    int    // of those tried, with a finite prediction and effect
	Rho         string // Spearman's, of those compared
}

// newOutcomeViews returns a view for each granularity, in order of appearance.
func newOutcomeViews(outcomes []Outcome) ([]outcomeView, error) {
	var names []string
	of := map[string][]Outcome{}
	for _, o := range outcomes {
		if of[o.Granularity] == nil {
			names = append(names, o.Granularity)
		}
		of[o.Granularity] = append(of[o.Granularity], o)
	}
	var views []outcomeView
	for _, name := range names {
		v, err := newOutcomeView(name, of[name])
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

func newOutcomeView(granularity string, outcomes []Outcome) (v outcomeView, err error) {
	v = outcomeView{Granularity: granularity, Tried: len(outcomes)}
	var predicted, measured []float64
	var kept, refused []chart.Point
	for _, o := range outcomes {
		if o.Kept {
			v.Kept++
		}
		if !chart.Finite(o.Predicted) || !chart.Finite(o.True) {
			continue
		}
		predicted, measured = append(predicted, o.Predicted), append(measured, o.True)
		if at := bare(o.Predicted, o.True); o.Kept {
			kept = append(kept, at)
		} else {
			refused = append(refused, at)
		}
	}
	v.Compared = len(predicted)
	v.Rho = correlationText(stats.Spearman(predicted, measured))
	label := fmt.Sprintf("True against predicted change of fitness, %s: Spearman's ρ %s.", plural(v.Compared, granularity+" move"), v.Rho)
	c := chart.Chart{Name: "outcomes", Width: 340, Alt: label, Panels: []chart.Panel{outcomePanel(kept, refused)}}
	v.SVG, err = c.Inline()
	return v, err
}

// outcomePanel draws the outcomes around the line on which they would lie if
// every prediction were true.
func outcomePanel(kept, refused []chart.Point) *chart.Scatter {
	return &chart.Scatter{
		X: "predicted change", Y: "true change", Diagonal: true, Zero: true, Height: 270,
		Series: []chart.Series{{Points: kept}, {Points: refused, Faint: true}},
	}
}

// correlationText gives a coefficient to two digits, or to three where two would
// say 1; "not defined" for NaN.
func correlationText(r float64) string {
	switch {
	case math.IsNaN(r):
		return "not defined"
	case math.Abs(r) >= 0.995 && math.Abs(r) < 1:
		return text.Minus(fmt.Sprintf("%.3f", math.Trunc(1000*r)/1000))
	}
	return text.Minus(fmt.Sprintf("%.2f", r))
}

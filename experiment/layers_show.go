package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bankai/internal/chart"
)

// Present implements Result.
func (x *LayerMap) Present() *Presentation {
	return &Presentation{
		Title: "Layer by layer",
		Purpose: "All rows of one part of one layer are flipped, and the change of the " + x.Metric + " of every probe is measured: where does the model depend on its signs most? " +
			"It repeats the published experiments 2A and 15. On Bonsai 8B, of 36 layers, flipping a whole MLP changed the token gap by 9.0 in layer 34, 3.2 to 7.2 in layers 0 to 4 and 0.7 to 1.6 in layers 17 to 21; " +
			"by seq_logprob the layers 34, 2, 1, 3, 4 came first. A large change says that a layer matters, not that flips there help.",
		Findings: x.findings(),
		Tables:   []Table{x.ranking(), x.table()},
		Charts:   x.charts(),
		Notes: []string{
			fmt.Sprintf("%s: %d probes, %s; of %d it is above 0 as the model is.", x.Probes, x.Count, x.Metric, x.Ahead),
			fmt.Sprintf("Intervals are 95 %% over the probes: Student's t for means, percentiles of %d bootstrap draws for ranks. Ranks are of the mean absolute change among the layers at one site.", resamples),
			"Some flips are one function: negating up and down cancels, as does q and k, and v and o. So a whole MLP does exactly what its gate does alone, up does what down does, q what k does, v what o does, and a whole attention nothing. Equal figures there are no accident.",
			fmt.Sprintf("Sign changes count probes whose metric crossed 0, which means something for seq_logprob and token_gap; p is McNemar's, exact, corrected by Holm for %d tests.", len(x.Effects)),
		},
	}
}

// shown reports whether a site is not one whose flips do what another's do.
func (x *LayerMap) shown(site string) bool {
	return site != "attention" && !slices.Contains(x.Sites, sameAs[site])
}

func (x *LayerMap) findings() (out []string) {
	for _, top := range x.Tops {
		if !x.shown(top.Site) || len(top.Order) < 2 {
			continue
		}
		order := strings.Fields(strings.Trim(fmt.Sprint(top.Order), "[]"))
		first, last := x.effect(top.Site, top.Order[0]), x.effect(top.Site, top.Order[len(order)-1])
		out = append(out, fmt.Sprintf("%s: the layers in order of their effect are %s. Layer %d changes the metric by %s, layer %d by %s. Layer %d is first in %s of bootstrap draws of the probes.",
			top.Site, strings.Join(order[:min(len(order), 10)], ", "), first.Layer, CellText(first.Size), last.Layer, CellText(last.Size), first.Layer, percent(top.Share)))
	}
	sure, most, still := 0, &x.Effects[0], 0
	for i := range x.Effects {
		e := &x.Effects[i]
		sure += one(e.Adjusted < 0.05)
		still += one(e.Size.Value == 0)
		if e.Size.Value > most.Size.Value {
			most = e
		}
	}
	out = append(out, fmt.Sprintf("Of %d sites of layers, %s of layer %d has the largest effect: %s. At %d of them the sign of the metric changes more often one way than chance would have it (p below 0.05, corrected).",
		len(x.Effects), most.Site, most.Layer, CellText(most.Size), sure))
	if still > 0 {
		out = append(out, fmt.Sprintf("%d of them change nothing at all.", still))
	}
	return out
}

func (x *LayerMap) effect(site string, layer int) SiteEffect {
	for _, e := range x.Effects {
		if e.Site == site && e.Layer == layer {
			return e
		}
	}
	panic("no such site")
}

// ranking is the order of the layers at every site.
func (x *LayerMap) ranking() Table {
	t := Table{Name: "layers-ranking", Caption: "Layers at each site, the largest mean absolute change first", Columns: []string{"site", "layers", "first stays first, %"}}
	for _, top := range x.Tops {
		t.Rows = append(t.Rows, []any{top.Site, strings.Trim(fmt.Sprint(top.Order), "[]"), 100 * top.Share})
	}
	return t
}

func (x *LayerMap) table() Table {
	t := Table{
		Name: "layers", Caption: "Every site of every layer, all rows flipped",
		Columns: []string{"site", "layer", "rows", "mean absolute change", "mean change", "sign up", "sign down", "p", "p corrected", "rank", "first, %"},
		Brief:   24,
	}
	for _, e := range x.Effects {
		t.Rows = append(t.Rows, []any{e.Site, strconv.Itoa(e.Layer), e.Rows, e.Size, e.Change, e.Up, e.Down, P(e.P), P(e.Adjusted), e.Rank, 100 * e.Top})
	}
	return t
}

func (x *LayerMap) charts() []chart.Chart {
	heat := &chart.Heat{X: "site", Y: "layer", Cols: x.Sites}
	names := make([]string, len(x.Layers))
	for i, l := range x.Layers {
		names[i] = strconv.Itoa(l)
		row := make([]float64, len(x.Sites))
		for j, site := range x.Sites {
			row[j] = x.effect(site, l).Size.Value
		}
		heat.Values = append(heat.Values, row)
	}
	heat.Rows = names
	bars := &chart.Bars{Value: "mean absolute change, nats", Names: names}
	for _, site := range x.Sites {
		if !x.shown(site) {
			continue
		}
		s := chart.BarSeries{Name: site}
		for _, l := range x.Layers {
			e := x.effect(site, l)
			s.Values = append(s.Values, chart.Point{Y: e.Size.Value, Low: e.Size.Low, High: e.Size.High})
		}
		bars.Series = append(bars.Series, s)
	}
	return []chart.Chart{
		{
			Name: "layers", Title: "Mean absolute change of " + x.Metric + " when all rows are flipped", Panels: []chart.Panel{heat},
			Alt: "A heat map of the mean absolute change of the metric, by layer and site.",
		},
		{
			Name: "layers-bars", Title: "Mean absolute change of " + x.Metric + " by layer, 95 % intervals", Panels: []chart.Panel{bars},
			Alt: "Bars of the mean absolute change of the metric in each layer, with intervals.",
		},
	}
}

package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/chart"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/internal/weights"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// LayerMap is what flipping whole parts of every layer changes of a metric.
type LayerMap struct {
	report.About
	Probes  string       `json:"probes"` // where they are from
	Count   int          `json:"count"`  // of the probes
	Metric  string       `json:"metric"`
	Ahead   int          `json:"ahead"`           // probes whose metric is above 0 as the model is
	Gated   bool         `json:"gated,omitempty"` // the attention has a gate
	Sites   []string     `json:"sites"`
	Layers  []int        `json:"layers"`
	Effects []SiteEffect `json:"effects"` // by site, then by layer
	Tops    []SiteTop    `json:"tops"`    // by site
}

// SiteEffect is one part of one layer, all of whose rows are flipped. Changes are
// of the metric, in nats, over the probes.
type SiteEffect struct {
	Site     string           `json:"site"`
	Layer    int              `json:"layer"`
	Rows     int              `json:"rows"`
	Size     report.Estimate  `json:"size"`        // mean absolute change
	Change   report.Estimate  `json:"change"`      // mean change
	Up       int              `json:"sign_up"`     // probes whose metric came to be above 0
	Down     int              `json:"sign_down"`   // probes whose metric was above 0 and is not any more
	P        report.NullFloat `json:"p_value"`     // McNemar's, of as many up as down
	Adjusted report.NullFloat `json:"p_adjusted"`  // Holm's, over all sites and layers
	Rank     report.Estimate  `json:"rank"`        // of the layer at this site, 1 being the largest change
	Top      float64          `json:"top_of_site"` // share of bootstrap draws in which it is 1
}

// SiteTop is the order of the layers at a site.
type SiteTop struct {
	Site  string  `json:"site"`
	Order []int   `json:"order"` // layers, the largest change first
	Share float64 `json:"share"` // of bootstrap draws with the same layer on top
}

// siteProjections are the projections of a site, which is a part of a layer or one of
// its projections: those that the model has bits of, or all where it has none.
func siteProjections(f *weights.File, layers []int, site string) (names []string, there bool) {
	have := score.ProjectionsOf(f, layers)
	var all []string
	for _, p := range weights.Projections() {
		if site != p.Part.String() && site != p.Short {
			continue
		}
		if all = append(all, p.Short); slices.Contains(have, p.Short) {
			names = append(names, p.Short)
		}
	}
	if len(names) == 0 {
		return all, false
	}
	return names, true
}

// sameAs names, of two sites whose flips are one and the same function, the one
// that is shown: negated up and down rows cancel, and so do q and k, v and o.
// Flipping all of the attention therefore changes nothing at all, unless it has a gate:
// then q, which holds it, is not k.
var sameAs = map[string]string{"gate": "mlp", "down": "up", "k": "q", "o": "v"}

// LayerSites are the sites there are, in the order in which they are shown.
func LayerSites() []string {
	return append([]string{weights.MLP.String(), weights.Attention.String(), weights.DeltaNet.String()}, score.Projections()...)
}

// LayersOptions choose the probes and the sites.
type LayersOptions struct {
	Name   string // of the probes, for people
	Probes probe.Set
	Metric probe.Metric
	Sites  []string // none: all that the model has
	Layers []int    // none: all
}

// Check refuses what cannot be right whatever the model.
func (o LayersOptions) Check() error {
	for _, s := range o.Sites {
		if err := oneOf("site", s, LayerSites()); err != nil {
			return err
		}
	}
	return nil
}

// layerSite is a part of a layer.
type layerSite struct {
	site     string
	layer    int
	matrices []search.Matrix
}

// MeasureLayers flips all rows of every site of every layer, one at a time, and
// measures the probes.
func MeasureLayers(ctx context.Context, r *Run, o LayersOptions) (*LayerMap, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	sites, err := o.sites(r.Model)
	if err != nil {
		return nil, err
	}
	var tensors []search.Matrix
	keys := []string{"as it is"}
	for _, s := range sites {
		tensors = append(tensors, s.matrices...)
		keys = append(keys, fmt.Sprintf("layer %d, %s", s.layer, s.site))
	}
	e, err := newEffects(r.Model, o.Probes, nil, o.Metric, 0, tensors)
	if err != nil {
		return nil, err
	}
	values, err := EachInTurn(ctx, r, keys, func(ctx context.Context, i int) ([]report.NullFloat, error) {
		var flips []bankai.Flip
		if i > 0 {
			flips = sites[i-1].flips()
		}
		s, err := e.score(ctx, flips)
		return numbers(s.Targets), err
	})
	if err != nil {
		return nil, err
	}
	x := o.result(r.Seed, sites, values[0], values[1:])
	x.Gated = r.Model.Config().Gated
	return x, nil
}

// sites are by site, then by layer.
func (o LayersOptions) sites(m *engine.Model) (sites []layerSite, err error) {
	if _, err := score.Matrices(m.Weights(), o.Layers, nil); err != nil { // no such layers
		return nil, err
	}
	for _, site := range LayerSites() {
		if len(o.Sites) > 0 && !slices.Contains(o.Sites, site) {
			continue
		}
		projections, there := siteProjections(m.Weights(), o.Layers, site)
		if !there && len(o.Sites) == 0 {
			continue
		}
		ms, err := score.Matrices(m.Weights(), o.Layers, projections)
		if err != nil {
			return nil, err
		}
		for len(ms) > 0 { // they are layer by layer
			layer, n := layerOf(ms[0]), 1
			for n < len(ms) && layerOf(ms[n]) == layer {
				n++
			}
			sites = append(sites, layerSite{site, layer, ms[:n]})
			ms = ms[n:]
		}
	}
	return sites, nil
}

// layerOf is the layer that a projection is of.
func layerOf(m search.Matrix) int {
	layer, _, _ := weights.ProjectionOf(m.Name)
	return layer
}

func (s layerSite) flips() (flips []bankai.Flip) {
	for _, m := range s.matrices {
		all := make([]uint64, m.Rows)
		for r := range all {
			all[r] = uint64(r)
		}
		flips = append(flips, wholeRows(m, all)...)
	}
	return flips
}

func (o LayersOptions) result(seed uint64, sites []layerSite, before []report.NullFloat, after [][]report.NullFloat) *LayerMap {
	x := &LayerMap{Probes: o.Name, Count: len(before), Metric: o.Metric.String()}
	for _, v := range before {
		x.Ahead += one(v > 0)
	}
	var sizes [][]float64 // [site and layer][probe]
	var ps []float64
	for i, s := range sites {
		moved := changes(before, after[i])
		size := magnitudes(moved)
		e := SiteEffect{Site: s.site, Layer: s.layer, Size: report.MeanOf(size), Change: report.MeanOf(moved)}
		for _, m := range s.matrices {
			e.Rows += m.Rows
		}
		for p := range before {
			e.Up += one(!(before[p] > 0) && after[i][p] > 0)
			e.Down += one(before[p] > 0 && !(after[i][p] > 0))
		}
		e.P = report.NullFloat(stats.McNemar(e.Up, e.Down))
		ps, sizes = append(ps, float64(e.P)), append(sizes, size)
		x.Effects = append(x.Effects, e)
	}
	for i, p := range stats.Holm(ps) {
		x.Effects[i].Adjusted = report.NullFloat(p)
	}
	x.rank(seed, sizes)
	return x
}

// rank orders the layers at every site, and sees over bootstrap draws of the
// probes how firm that order is.
func (x *LayerMap) rank(seed uint64, sizes [][]float64) {
	for from := 0; from < len(x.Effects); {
		site := x.Effects[from].Site
		to := from
		for to < len(x.Effects) && x.Effects[to].Site == site {
			to++
		}
		effects := x.Effects[from:to]
		x.Sites = append(x.Sites, site)
		ranks := rankLayers(seed, sizes[from:to])
		for i := range effects {
			effects[i].Rank, effects[i].Top = ranks[i].rank, ranks[i].first
		}
		sorted := slices.Clone(effects)
		slices.SortStableFunc(sorted, func(a, b SiteEffect) int { return cmp.Compare(a.Rank.Value, b.Rank.Value) })
		top := SiteTop{Site: site, Share: sorted[0].Top}
		for _, e := range sorted {
			top.Order = append(top.Order, e.Layer)
		}
		x.Tops = append(x.Tops, top)
		from = to
	}
	for _, e := range x.Effects {
		x.Layers = append(x.Layers, e.Layer)
	}
	slices.Sort(x.Layers)
	x.Layers = slices.Compact(x.Layers)
}

// layerRank is the rank of a layer, its interval, and how often it is 1.
type layerRank struct {
	rank  report.Estimate
	first float64
}

// rankLayers ranks the rows of sizes, [layer][probe], by their means, and again
// for every bootstrap draw of the probes.
func rankLayers(seed uint64, sizes [][]float64) []layerRank {
	probes := len(sizes[0])
	all := make([]int, probes)
	for i := range all {
		all[i] = i
	}
	drawn := make([][]float64, len(sizes)) // [layer][draw]
	resample(probes, seed, resamples, func(pick []int) {
		for i, rank := range ranksOver(sizes, pick) {
			drawn[i] = append(drawn[i], rank)
		}
	})
	out := make([]layerRank, len(sizes))
	for i, rank := range ranksOver(sizes, all) {
		slices.Sort(drawn[i])
		first, _ := slices.BinarySearch(drawn[i], 1.5)
		out[i] = layerRank{report.PlainEstimate(rank, probes), float64(first) / resamples}
		if probes > 1 {
			out[i].rank.Low, out[i].rank.High = stats.Quantile(drawn[i], 0.025), stats.Quantile(drawn[i], 0.975)
		}
	}
	return out
}

// ranksOver are the ranks of the rows' sums over some columns, the largest being
// 1; equal ones share the mean of theirs.
func ranksOver(sizes [][]float64, pick []int) []float64 {
	sums, ranks := make([]float64, len(sizes)), make([]float64, len(sizes))
	for i, row := range sizes {
		for _, p := range pick {
			sums[i] += row[p]
		}
	}
	for i, s := range sums {
		larger, equal := 0, 0
		for _, t := range sums {
			larger += one(t > s)
			equal += one(t == s)
		}
		ranks[i] = float64(larger) + float64(equal+1)/2
	}
	return ranks
}

// Present implements Result.
func (x *LayerMap) Present() *report.Presentation {
	return &report.Presentation{
		Title: "Layer by layer",
		Purpose: "All rows of one part of one layer are flipped, and the change of the " + x.Metric + " of every probe is measured: where does the model depend on its signs most? " +
			"It repeats the published experiments 2A and 15. On Bonsai 8B, of 36 layers, flipping a whole MLP changed the token gap by 9.0 in layer 34, 3.2 to 7.2 in layers 0 to 4 and 0.7 to 1.6 in layers 17 to 21; " +
			"by seq_logprob the layers 34, 2, 1, 3, 4 came first. A large change says that a layer matters, not that flips there help.",
		Findings: x.findings(),
		Tables:   []report.Table{x.ranking(), x.table()},
		Charts:   x.charts(),
		Notes: []string{
			fmt.Sprintf("%s: %d probes, %s; of %d it is above 0 as the model is.", x.Probes, x.Count, x.Metric, x.Ahead),
			fmt.Sprintf("Intervals are 95 %% over the probes: Student's t for means, percentiles of %d bootstrap draws for ranks. Ranks are of the mean absolute change among the layers at one site.", resamples),
			x.equalities(),
			fmt.Sprintf("Sign changes count probes whose metric crossed 0, which means something for seq_logprob and token_gap; p is McNemar's, exact, corrected by Holm for %d tests.", len(x.Effects)),
		},
	}
}

// equalities says which sites do the same.
func (x *LayerMap) equalities() string {
	if x.Gated {
		return "Some flips are one function: negating up and down cancels, as does v and o. So a whole MLP does exactly what its gate does alone, up does what down does, and v what o does. Equal figures there are no accident. Attention and q hold the gate of the attention, which has no such twin."
	}
	return "Some flips are one function: negating up and down cancels, as does q and k, and v and o. So a whole MLP does exactly what its gate does alone, up does what down does, q what k does, v what o does, and a whole attention nothing. Equal figures there are no accident."
}

// shown reports whether a site is not one whose flips do what another's do.
func (x *LayerMap) shown(site string) bool {
	if x.Gated && (site == "attention" || site == "k") {
		return true
	}
	return site != "attention" && !slices.Contains(x.Sites, sameAs[site])
}

func (x *LayerMap) findings() (out []string) {
	for _, top := range x.Tops {
		if !x.shown(top.Site) || len(top.Order) < 2 {
			continue
		}
		order := strings.Fields(strings.Trim(fmt.Sprint(top.Order), "[]"))
		first, _ := x.effect(top.Site, top.Order[0])
		last, _ := x.effect(top.Site, top.Order[len(order)-1])
		out = append(out, fmt.Sprintf("%s: the layers in order of their effect are %s. Layer %d changes the metric by %s, layer %d by %s. Layer %d is first in %s of bootstrap draws of the probes.",
			top.Site, strings.Join(order[:min(len(order), 10)], ", "), first.Layer, report.CellText(first.Size), last.Layer, report.CellText(last.Size), first.Layer, percent(top.Share)))
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
		len(x.Effects), most.Site, most.Layer, report.CellText(most.Size), sure))
	if still > 0 {
		out = append(out, fmt.Sprintf("%d of them change nothing at all.", still))
	}
	return out
}

// effect is that of a site in a layer; ok is false if the layer has no such part.
func (x *LayerMap) effect(site string, layer int) (e SiteEffect, ok bool) {
	for _, e := range x.Effects {
		if e.Site == site && e.Layer == layer {
			return e, true
		}
	}
	return e, false
}

// ranking is the order of the layers at every site.
func (x *LayerMap) ranking() report.Table {
	t := report.Table{Name: "layers-ranking", Caption: "Layers at each site, the largest mean absolute change first", Columns: []string{"site", "layers", "first stays first, %"}}
	for _, top := range x.Tops {
		t.Rows = append(t.Rows, []any{top.Site, strings.Trim(fmt.Sprint(top.Order), "[]"), 100 * top.Share})
	}
	return t
}

func (x *LayerMap) table() report.Table {
	t := report.Table{
		Name: "layers", Caption: "Every site of every layer, all rows flipped",
		Columns: []string{"site", "layer", "rows", "mean absolute change", "mean change", "sign up", "sign down", "p", "p corrected", "rank", "first, %"},
		Brief:   24,
	}
	for _, e := range x.Effects {
		t.Rows = append(t.Rows, []any{e.Site, strconv.Itoa(e.Layer), e.Rows, e.Size, e.Change, e.Up, e.Down, report.PValue(e.P), report.PValue(e.Adjusted), e.Rank, 100 * e.Top})
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
			row[j] = math.NaN()
			if e, ok := x.effect(site, l); ok {
				row[j] = e.Size.Value
			}
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
			e, ok := x.effect(site, l)
			if !ok {
				e.Size = report.PlainEstimate(math.NaN(), 0)
			}
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

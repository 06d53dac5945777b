package chart

import (
	"fmt"
	"math"
)

var nan = math.NaN()

// at is a point without an interval, and around one with it.
func at(x, y float64) Point         { return Point{x, y, nan, nan} }
func around(x, y, by float64) Point { return Point{x, y, y - by, y + by} }

// samples are charts such as the experiments have.
func samples() []*Chart {
	return []*Chart{perplexity(), layers(), ablation(), accuracy(), matrix(), effects()}
}

func perplexity() *Chart {
	level := 21.4
	var series []Series
	for i, name := range []string{"all MLP layers", "medium scales", "high scales", "attention", "embedding & head"} {
		s := Series{Name: name, Dashed: i > 2}
		for k := range 7 {
			n := math.Pow(10, float64(k))
			ppl := 21.4 * math.Exp(n/3e5*float64(i+1))
			s.Points = append(s.Points, around(n, min(ppl, 9000), 0.08*min(ppl, 9000)*float64(k)/6))
		}
		s.Points = append([]Point{at(0, 21.4)}, s.Points...)
		series = append(series, s)
	}
	return &Chart{
		Name: "robustness", Title: "Random flips: perplexity against the number of flipped bits", Alt: "Perplexity rises beyond 100,000 flips.",
		Panels: []Panel{&Lines{X: "flipped bits", Y: "perplexity", LogX: true, LogY: true, Series: series, Level: &level, LevelName: "unpatched"}},
	}
}

var projections = []string{"gate_proj", "up_proj", "down_proj", "q_proj", "k_proj", "v_proj", "o_proj"}

func layers() *Chart {
	var rows []string
	var values, change [][]float64
	for i := range 8 {
		rows = append(rows, fmt.Sprint("layer ", i))
		var v, c []float64
		for j := range projections {
			x := math.Exp(3*math.Sin(float64(3*i+5*j))) / 4
			v, c = append(v, x), append(c, math.Cos(float64(2*i+7*j))*x)
		}
		values, change = append(values, v), append(change, c)
	}
	values[3][2], change[3][2] = nan, nan
	return &Chart{
		Name: "layers", Title: "What a whole layer's inversion does", Alt: "Heat maps.", Columns: 2, Width: 760,
		Panels: []Panel{
			&Heat{Title: "mean absolute change, nats", Rows: rows, Cols: projections, Values: values, LogColor: true},
			&Heat{Title: "mean change, nats", Rows: rows, Cols: projections, Values: change, Diverging: true},
		},
	}
}

func ablation() *Chart {
	probes := []float64{6, 15, 30, 60, 120}
	zero := 0.0
	panel := func(title string, off float64) *Lines {
		l := &Lines{Title: title, X: "search probes", Y: "held-out, net fixed", LogX: true, Level: &zero}
		for i, name := range []string{"greedy", "gradient", "evolve"} {
			s := Series{Name: name}
			for k, n := range probes {
				s.Points = append(s.Points, around(n, off+float64(k*(i+1))-3, 2.5/float64(k+1)+0.4))
			}
			l.Series = append(l.Series, s)
		}
		return l
	}
	return &Chart{
		Name: "ablate", Title: "Does it generalise, or memorise?", Alt: "Four panels.", Columns: 2,
		Panels: []Panel{panel("row moves", 0), panel("group moves", 1), panel("bit moves", -1), panel("all moves", 12)},
	}
}

func accuracy() *Chart {
	level := 0.25
	names := []string{"capitals of countries", "simple sums", "opposites", "plural forms", "chemical symbols and their elements"}
	bars := func(off float64, by float64) (points []Point) {
		for i := range names {
			points = append(points, around(0, off+0.13*float64(i), by))
		}
		return points
	}
	series := []BarSeries{{"before", bars(0.1, 0.06)}, {"after", bars(0.2, 0.05)}}
	return &Chart{
		Name: "variations", Title: "Share of unseen variations answered right", Alt: "Bars.", Width: 640,
		Panels: []Panel{
			&Bars{Title: "level", Value: "share right", Names: names, Series: series, Horizontal: true, Level: &level},
			&Bars{Title: "upright", Value: "net", Names: []string{"greedy", "gradient", "random"}, Series: []BarSeries{{"net", []Point{around(0, 12, 3), around(0, 20, 4), around(0, -2, 3)}}}},
		},
	}
}

func matrix() *Chart {
	names := []string{"base", "facts.patch", "sums.patch", "lora-r4"}
	return &Chart{
		Name: "compare", Title: "Head to head", Alt: "A matrix.", Width: 640,
		Panels: []Panel{&Heat{
			X: "against", Y: "patch", Rows: names, Cols: names, Diverging: true,
			Values: [][]float64{{nan, -12, 3, 0}, {12, nan, 15, 9}, {-3, -15, nan, -1}, {0, -9, 1, nan}},
			Text:   [][]string{{"", "−12 **", "+3", "0"}, {"+12 **", "", "+15 ***", "+9 *"}, {"−3", "−15 ***", "", "−1"}, {"0", "−9 *", "+1", ""}},
		}},
	}
}

func effects() *Chart {
	var series []Series
	for i, name := range []string{"row", "group", "bit"} {
		s := Series{Name: name}
		for k := range 30 {
			x := math.Exp(float64(k)/4 - float64(2*i))
			s.Points = append(s.Points, at(x, x*math.Exp(math.Sin(float64(7*k+i)))))
		}
		series = append(series, s)
	}
	return &Chart{
		Name: "effects", Title: "Predicted and true effect", Alt: "Points near the diagonal.", Columns: 2,
		Panels: []Panel{
			&Scatter{Title: "logarithmic", X: "predicted |change|, nats", Y: "true |change|, nats", LogX: true, LogY: true, Series: series, Diagonal: true},
			&Scatter{Title: "linear", X: "predicted change, nats", Y: "true change, nats", Series: series[1:], Diagonal: true},
		},
	}
}

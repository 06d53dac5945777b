package experiment

import (
	"cmp"
	"math"
	"slices"

	"bankai/internal/chart"
)

// byProbes are the settings of a factor, fewest probes first.
func (x *Ablate) byProbes(f AblatedFactor) []*Ablated {
	var out []*Ablated
	for _, i := range f.Levels {
		out = append(out, &x.Settings[i])
	}
	slices.SortStableFunc(out, func(a, b *Ablated) int { return cmp.Compare(a.Probes, b.Probes) })
	return out
}

// times is an estimate in another unit.
func (e Estimate) times(by float64) Estimate {
	return Estimate{float64(e.Value * by), float64(e.Low * by), float64(e.High * by), e.N}
}

// pCell is a p-value's cell: blank where there is no test.
func pCell(p Number) any {
	if math.IsNaN(float64(p)) {
		return nil
	}
	return P(p)
}

func (x *Ablate) tables() []Table {
	held := Table{
		Name: "ablate", Caption: "Held-out answers, means over seeds",
		Columns: []string{"setting", "fixed", "broken", "net", "p", "p, corrected", "right, %"},
	}
	memory := Table{
		Name: "ablate-memorised", Caption: "Right answers gained, % of the probes: the search's own and the held-out ones",
		Columns: []string{"setting", "own", "held out", "own less held out"},
	}
	base := Table{
		Name: "ablate-base", Caption: "Net of held-out answers, less that of the base with the same seed",
		Columns: []string{"setting", "difference", "p", "p, corrected"},
	}
	size := Table{
		Name: "ablate-cost", Caption: "Patches and work",
		Columns: []string{"setting", "flips", "bytes", "passes", "seconds"},
	}
	for i, s := range x.Settings {
		held.Rows = append(held.Rows, []any{s.Name, s.Fixed, s.Broke, s.Net, pCell(s.NetP), pCell(s.NetHolm), s.HeldRight.times(100)})
		memory.Rows = append(memory.Rows, []any{s.Name, s.OwnGain.times(100), s.HeldGain.times(100), s.Memorised.times(100)})
		size.Rows = append(size.Rows, []any{s.Name, s.Flips, s.Bytes, s.Passes, s.Seconds})
		if i > 0 {
			base.Rows = append(base.Rows, []any{s.Name, s.FromBase, pCell(s.FromBaseP), pCell(s.FromHolm)})
		}
	}
	tables := []Table{held, memory}
	if len(base.Rows) > 0 {
		tables = append(tables, base)
	}
	return append(tables, size, x.runTable())
}

func (x *Ablate) runTable() Table {
	t := Table{
		Name: "ablate-runs", Caption: "Every search", Brief: 6,
		Columns: []string{"setting", "seed", "own probes", "right before", "after", "held out fixed", "broken", "flips", "bytes", "candidates", "passes", "stopped by"},
	}
	for _, s := range x.Settings {
		for _, r := range s.Runs {
			t.Rows = append(t.Rows, []any{
				s.Name, int(r.Seed), r.Own.Total, r.Own.Before, r.Own.After, r.HeldOut.Fixed, r.HeldOut.Broke,
				r.Flips, r.Bytes, r.Steps, r.Cost, string(r.Stopped),
			})
		}
	}
	return t
}

func (x *Ablate) charts() (out []chart.Chart) {
	levels := chart.Chart{
		Name: "ablate-levels", Title: "Held-out answers, one thing changed at a time", Columns: 2, Width: 760,
		Alt: "Held-out answers fixed and broken, as bars for each setting.",
	}
	for _, f := range x.Factors {
		if f.Name == "probes" && len(f.Levels) > 1 {
			out = append(out, x.probesChart(f))
		} else {
			levels.Panels = append(levels.Panels, x.bars(f))
		}
	}
	if len(levels.Panels) > 0 {
		levels.Columns = min(levels.Columns, len(levels.Panels))
		out = append(out, levels)
	}
	return out
}

// probesChart shows figures against the number of probes.
func (x *Ablate) probesChart(f AblatedFactor) chart.Chart {
	line := func(name string, of func(s *Ablated) Estimate) chart.Series {
		l := chart.Series{Name: name}
		for _, s := range x.byProbes(f) {
			l.Points = append(l.Points, of(s).at(float64(s.Probes)))
		}
		return l
	}
	zero := 0.0
	return chart.Chart{
		Name: "ablate-probes", Title: "What a search learns from so many probes", Columns: 2, Width: 760,
		Alt: "Held-out answers fixed and broken, and answers gained among own and held-out probes, against the number of search probes.",
		Panels: []chart.Panel{
			&chart.Lines{
				Title: "Held-out answers", X: "search probes", Y: "answers", LogX: true, Level: &zero,
				Series: []chart.Series{
					line("fixed", func(s *Ablated) Estimate { return s.Fixed }),
					line("broken", func(s *Ablated) Estimate { return s.Broke }),
				},
			},
			&chart.Lines{
				Title: "Answers gained", X: "search probes", Y: "% of the probes", LogX: true, Level: &zero,
				Series: []chart.Series{
					line("own probes", func(s *Ablated) Estimate { return s.OwnGain.times(100) }),
					line("held out", func(s *Ablated) Estimate { return s.HeldGain.times(100) }),
				},
			},
		},
	}
}

// at is the estimate as a point of a chart.
func (e Estimate) at(x float64) chart.Point {
	return chart.Point{X: x, Y: e.Value, Low: e.Low, High: e.High}
}

// bars shows what the levels of a factor fix and break.
func (x *Ablate) bars(f AblatedFactor) chart.Panel {
	words := factorWords[f.Name]
	b := &chart.Bars{
		Title: "By " + words, Value: "answers",
		Series: []chart.BarSeries{{Name: "fixed"}, {Name: "broken"}},
	}
	for _, i := range f.Levels {
		s := &x.Settings[i]
		b.Names = append(b.Names, s.value(f.Name))
		b.Series[0].Values = append(b.Series[0].Values, s.Fixed.at(0))
		b.Series[1].Values = append(b.Series[1].Values, s.Broke.at(0))
	}
	return b
}

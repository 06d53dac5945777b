package experiment

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/internal/chart"
	"bankai/internal/report"
	"bankai/internal/text"
)

// Present implements Result.
func (x *Ablate) Present() *report.Presentation {
	return &report.Presentation{
		Title: "Searches compared: what is learnt, and what is only memorised",
		Purpose: "Repeats experiments 5 and 9 to 12: the same search with one thing changed at a time. Each seed draws other probes to search with; " +
			"what counts is the held-out probes, which no search sees. A search generalises if it fixes more of them than it breaks; it memorises " +
			"if it gains much more on its own probes than on those. Published, on an 8B model: the patch of 6 probes fixed 2 of 90 held-out answers " +
			"and broke 15; that of 60 probes fixed 5 of 16 and broke none. With attention projections added the held-out gain was gone; with 8 layers " +
			"more of its own probes were right (35 of 60), but fewer of the held-out ones (17 of 30, not 19); groups of 128 weights had no effect. " +
			"Each of these was a single search.",
		Findings: x.findings(),
		Tables:   x.tables(),
		Charts:   x.charts(),
		Notes:    x.notes(),
	}
}

func (x *Ablate) findings() []string {
	base := &x.Settings[0]
	out := []string{fmt.Sprintf("The base, %s: %s of %s held-out answers fixed, %s broken: %s.",
		base.Setting, report.CellText(base.Fixed), text.Thousands(int64(x.Held)), report.CellText(base.Broke), netVerdict(base.Net))}
	for _, f := range x.Factors {
		if f.Name == "probes" {
			out = append(out, x.enough(f), x.memory(f))
		}
	}
	return append(out, x.differing()...)
}

// netVerdict says what a net of fixed less broken answers shows.
func netVerdict(net report.Estimate) string {
	switch {
	case math.IsNaN(net.Low):
		return "one search says nothing of how far another would differ"
	case net.Low > 0:
		return "more fixed than broken, beyond the interval"
	case net.High < 0:
		return "more broken than fixed, beyond the interval"
	}
	return "no difference beyond the interval"
}

// enough says from how many probes on more is fixed than broken.
func (x *Ablate) enough(f AblatedFactor) string {
	levels := x.byProbes(f)
	said := "At no number of probes, up to the largest, are more held-out answers fixed than broken beyond the interval."
	if from := since(levels, func(s *Ablated) bool { return s.Net.Low > 0 }); from != nil {
		corrected := "though not after the correction for the number of settings"
		if sure := since(levels, func(s *Ablated) bool { return s.Net.Low > 0 && s.NetHolm < 0.05 }); sure != nil {
			corrected = fmt.Sprintf("from %d on also after the correction for the number of settings", sure.Probes)
		}
		said = fmt.Sprintf("From %d probes on, more held-out answers are fixed than broken, beyond the interval; %s.", from.Probes, corrected)
	}
	var harmful []string
	for _, s := range levels {
		if s.Net.High < 0 {
			harmful = append(harmful, fmt.Sprint(s.Probes))
		}
	}
	if len(harmful) > 0 {
		said += fmt.Sprintf(" More are broken than fixed, beyond the interval, with %s probes.", strings.Join(harmful, ", "))
	}
	return said
}

// since is the first of the settings from which on holds is true of all; nil if
// it is not even of the last.
func since(settings []*Ablated, holds func(*Ablated) bool) (first *Ablated) {
	for _, s := range slices.Backward(settings) {
		if !holds(s) {
			break
		}
		first = s
	}
	return first
}

// memory says how the gain on the own probes compares with that on others.
func (x *Ablate) memory(f AblatedFactor) string {
	var parts []string
	for _, s := range x.byProbes(f) {
		parts = append(parts, fmt.Sprintf("%d probes %s and %s %%", s.Probes, text.Digits(100*s.OwnGain.Value), text.Digits(100*s.HeldGain.Value)))
	}
	return "Right answers gained among the search's own probes, and among the held-out ones: " + strings.Join(parts, "; ") + "."
}

// differing says which settings other than by their probes differ from the base.
func (x *Ablate) differing() (out []string) {
	for _, f := range x.Factors {
		if x.Seeds < 2 {
			break
		}
		var sure, perhaps []string
		others := 0
		for _, i := range f.Levels {
			s := &x.Settings[i]
			if i == 0 {
				continue
			}
			others++
			said := fmt.Sprintf("%s (net %s from the base)", s.Name, report.CellText(s.FromBase))
			switch {
			case s.FromHolm < 0.05:
				sure = append(sure, said)
			case s.FromBaseP < 0.05:
				perhaps = append(perhaps, said)
			}
		}
		switch {
		case others == 0:
			continue
		case len(sure)+len(perhaps) == 0:
			out = append(out, fmt.Sprintf("By %s: no evidence that any of them fares otherwise than the base.", factorWords[f.Name]))
		case len(sure) > 0:
			out = append(out, fmt.Sprintf("By %s: other than the base, also after the correction: %s.", factorWords[f.Name], strings.Join(sure, ", ")))
		}
		if len(perhaps) > 0 {
			out = append(out, fmt.Sprintf("By %s: other than the base only before the correction: %s.", factorWords[f.Name], strings.Join(perhaps, ", ")))
		}
	}
	return out
}

// factorWords name the factors for people.
var factorWords = map[string]string{
	"probes": "number of probes", "strategy": "strategy", "granularity": "granularity",
	"proj": "projections", "layers": "layers", "metric": "metric",
}

func (x *Ablate) notes() []string {
	budget := fmt.Sprintf("at most %s candidates", text.Thousands(int64(x.Steps)))
	if x.MaxCost > 0 {
		budget += fmt.Sprintf(" and the work of %g forward passes over its own probes and the controls", x.MaxCost)
	}
	controls := "no controls"
	if x.Watched > 0 {
		controls = fmt.Sprintf("%d controls of %s", x.Watched, x.Controls)
	}
	searches := fmt.Sprintf("%d searches of each setting, of seeds", x.Seeds)
	if x.Seeds == 1 {
		searches = "1 search of each setting, of seeds"
	}
	out := []string{
		fmt.Sprintf("%s from %d on; each draws its probes from the %s of %s, has %s, and may take %s. A pass over few probes is less work than one over many.",
			searches, x.Settings[0].Runs[0].Seed, text.Thousands(int64(x.PoolSize)), x.Pool, controls, budget),
		fmt.Sprintf("Held out: %s probes of %s, of which the unpatched model answers %s right. They are the same for all seeds, so answers are not pooled over seeds: the intervals, "+
			"95 %% by Student's t, and the p-values, of t tests, are over seeds, and say what another draw of search probes would do on these held-out probes. The draws come from one pool and overlap.",
			text.Thousands(int64(x.Held)), x.HeldOut, text.Thousands(int64(x.HeldBase))),
	}
	if x.Seeds < 2 {
		return append(out, "One search of each setting tests nothing: what another draw of search probes would do needs at least 2 seeds, better 5.")
	}
	out = append(out, fmt.Sprintf("P-values of a net of 0 are corrected by Holm's method for %d tests. Where all seeds give the same figure other than 0, there is no test.", defined(x.Settings, func(s Ablated) report.NullFloat { return s.NetP })))
	if len(x.Settings) > 1 {
		out = append(out, fmt.Sprintf("Differences are from the base with the same seed; their p-values are corrected by Holm's method for %d tests.",
			defined(x.Settings, func(s Ablated) report.NullFloat { return s.FromBaseP })))
	}
	return out
}

// defined counts the p-values that are.
func defined(settings []Ablated, of func(Ablated) report.NullFloat) (n int) {
	for _, s := range settings {
		n += one(!math.IsNaN(float64(of(s))))
	}
	return n
}

// byProbes are the settings of a factor, fewest probes first.
func (x *Ablate) byProbes(f AblatedFactor) []*Ablated {
	var out []*Ablated
	for _, i := range f.Levels {
		out = append(out, &x.Settings[i])
	}
	slices.SortStableFunc(out, func(a, b *Ablated) int { return cmp.Compare(a.Probes, b.Probes) })
	return out
}

// pCell is a p-value's cell: blank where there is no test.
func pCell(p report.NullFloat) any {
	if math.IsNaN(float64(p)) {
		return nil
	}
	return report.PValue(p)
}

func (x *Ablate) tables() []report.Table {
	held := report.Table{
		Name: "ablate", Caption: "Held-out answers, means over seeds",
		Columns: []string{"setting", "fixed", "broken", "net", "p", "p, corrected", "right, %"},
	}
	memory := report.Table{
		Name: "ablate-memorised", Caption: "Right answers gained, % of the probes: the search's own and the held-out ones",
		Columns: []string{"setting", "own", "held out", "own less held out"},
	}
	base := report.Table{
		Name: "ablate-base", Caption: "Net of held-out answers, less that of the base with the same seed",
		Columns: []string{"setting", "difference", "p", "p, corrected"},
	}
	size := report.Table{
		Name: "ablate-cost", Caption: "Patches and work",
		Columns: []string{"setting", "flips", "bytes", "passes", "seconds"},
	}
	for i, s := range x.Settings {
		held.Rows = append(held.Rows, []any{s.Name, s.Fixed, s.Broke, s.Net, pCell(s.NetP), pCell(s.NetHolm), s.HeldRight.Times(100)})
		memory.Rows = append(memory.Rows, []any{s.Name, s.OwnGain.Times(100), s.HeldGain.Times(100), s.Memorised.Times(100)})
		size.Rows = append(size.Rows, []any{s.Name, s.Flips, s.Bytes, s.Passes, s.Seconds})
		if i > 0 {
			base.Rows = append(base.Rows, []any{s.Name, s.FromBase, pCell(s.FromBaseP), pCell(s.FromHolm)})
		}
	}
	tables := []report.Table{held, memory}
	if len(base.Rows) > 0 {
		tables = append(tables, base)
	}
	return append(tables, size, x.runTable())
}

func (x *Ablate) runTable() report.Table {
	t := report.Table{
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
	line := func(name string, of func(s *Ablated) report.Estimate) chart.Series {
		l := chart.Series{Name: name}
		for _, s := range x.byProbes(f) {
			l.Points = append(l.Points, of(s).At(float64(s.Probes)))
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
					line("fixed", func(s *Ablated) report.Estimate { return s.Fixed }),
					line("broken", func(s *Ablated) report.Estimate { return s.Broke }),
				},
			},
			&chart.Lines{
				Title: "Answers gained", X: "search probes", Y: "% of the probes", LogX: true, Level: &zero,
				Series: []chart.Series{
					line("own probes", func(s *Ablated) report.Estimate { return s.OwnGain.Times(100) }),
					line("held out", func(s *Ablated) report.Estimate { return s.HeldGain.Times(100) }),
				},
			},
		},
	}
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
		b.Series[0].Values = append(b.Series[0].Values, s.Fixed.At(0))
		b.Series[1].Values = append(b.Series[1].Values, s.Broke.At(0))
	}
	return b
}

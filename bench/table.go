package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// row is a line of the table. The cell of a model is empty if nothing is known.
type row struct {
	label string
	cell  func(result) string
}

// table is the report in Markdown: a row for every figure, a column for every
// model, and below it where it was measured.
func (r *report) table() string {
	rows := r.speedRows(fmt.Sprintf("prompt of %d tokens", promptTokens),
		func(u run) float64 { return u.PP }, func(l limits) float64 { return l.PP },
		func(l limits) string { return number(l.GMACs) + " GMAC/s" })
	rows = append(rows, r.speedRows(fmt.Sprintf("generation of %d", generatedTokens),
		func(u run) float64 { return u.TG }, func(l limits) float64 { return l.TG },
		func(l limits) string { return number(l.Bandwidth) + " GB/s" })...)
	rows = append(rows, row{
		fmt.Sprintf("bankai: generation at %d tokens of context, share of that at %d", longTokens, promptTokens),
		func(m result) string {
			if m.Long.TG == 0 {
				return ""
			}
			return percent(m.Long.TG, m.median(m.fastest(), func(u run) float64 { return u.TG }))
		},
	})
	rows = append(rows, searchRows()...)
	for _, e := range r.engines() {
		rows = append(rows, row{e + ": load, most resident memory", func(m result) string { return m.loadCell(e) }})
	}

	var b strings.Builder
	fmt.Fprint(&b, "| tokens/s, against llama.cpp, of the limit |")
	for _, m := range r.Models {
		fmt.Fprintf(&b, " %s shape |", m.Model)
	}
	fmt.Fprintf(&b, "\n|---%s|\n", strings.Repeat("|---", len(r.Models)))
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s |", row.label)
		for _, m := range r.Models {
			fmt.Fprintf(&b, " %s |", row.cell(m))
		}
		b.WriteByte('\n')
	}
	peer, _, _ := strings.Cut(r.Peer, "\n") // what npm has to say follows
	fmt.Fprintf(&b, "\n%s, %d threads; %s: %s\n", r.CPU, r.Threads, peerName, peer)
	return b.String()
}

// speedRows are one speed of the machine at best and of every engine.
func (r *report) speedRows(what string, speed func(run) float64, limit func(limits) float64, cause func(limits) string) []row {
	rows := []row{{what + ": limit of the machine", func(m result) string {
		best := limit(m.limits(m.fastest()))
		if best == 0 {
			return "unknown"
		}
		return number(best) + " (" + cause(m.limits(m.fastest())) + ")"
	}}}
	for _, e := range r.engines() {
		rows = append(rows, row{what + ": " + e, func(m result) string {
			v := m.median(e, speed)
			if v == 0 {
				return ""
			}
			cell := number(v)
			if p := m.median(peerName, speed); p > 0 && e != peerName {
				cell += fmt.Sprintf(", %.1f×", v/p)
			}
			if best := limit(m.limits(m.fastest())); best > 0 {
				cell += ", " + percent(v, best)
			}
			return cell
		}})
	}
	return rows
}

// searchRows are a search's steps, in seconds and passes over all its probes.
func searchRows() []row {
	cell := func(f func(*searched) (seconds float64, note string)) func(result) string {
		return func(m result) string {
			s := m.Long.Search.Measured
			if s == nil {
				return ""
			}
			seconds, note := f(s)
			return number(seconds) + " s" + note
		}
	}
	candidate := func(s *searched, i int) (float64, string) {
		return s.Steps[i].Seconds, fmt.Sprintf(" (layer %d), %s, %.3f FPE", s.Steps[i].Layer, percent(s.Steps[i].Seconds, s.Pass), s.Steps[i].Cost)
	}
	return []row{
		{"search: pass over 60 probes and 20 controls", cell(func(s *searched) (float64, string) { return s.Pass, "" })},
		{"search: candidate in the lowest layer", cell(func(s *searched) (float64, string) { return candidate(s, 0) })},
		{"search: candidate in the last layer but one", cell(func(s *searched) (float64, string) { return candidate(s, len(s.Steps)-1) })},
		{"search: mean of all published layers", cell(func(s *searched) (float64, string) {
			var seconds, cost float64
			for _, step := range s.Steps {
				seconds += step.Seconds / float64(len(s.Steps))
				cost += step.Cost / float64(len(s.Steps))
			}
			return seconds, fmt.Sprintf(", %s, %.3f FPE", percent(seconds, s.Pass), cost)
		})},
		{"search: gradient, forward and backward", cell(func(s *searched) (float64, string) {
			return s.Gradient, fmt.Sprintf(", %.2f passes", s.Gradient/s.Pass)
		})},
	}
}

// engines lists the names of all engines in the order of their turns.
func (r *report) engines() []string {
	var names []string
	for _, m := range r.Models {
		for _, u := range m.Runs {
			if !slices.Contains(names, u.Engine) {
				names = append(names, u.Engine)
			}
		}
	}
	return names
}

// fastest is bankai with its default kernel set, which has its turn before others:
// its limits are the machine's.
func (m result) fastest() string {
	for _, u := range m.Runs {
		if strings.HasPrefix(u.Engine, "bankai, ") {
			return u.Engine
		}
	}
	return ""
}

// limits returns the medians of the limits that an engine's runs measured.
func (m result) limits(engine string) limits {
	of := func(f func(limits) float64) float64 {
		return m.median(engine, func(u run) float64 { return f(u.Limits) })
	}
	return limits{
		PP: of(func(l limits) float64 { return l.PP }), GMACs: of(func(l limits) float64 { return l.GMACs }),
		TG: of(func(l limits) float64 { return l.TG }), Bandwidth: of(func(l limits) float64 { return l.Bandwidth }),
	}
}

// median is that of a figure over an engine's runs, 0 if it has none.
func (m result) median(engine string, figure func(run) float64) float64 {
	var v []float64
	for _, u := range m.Runs {
		if u.Engine == engine {
			v = append(v, figure(u))
		}
	}
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func (m result) loadCell(engine string) string {
	load := m.median(engine, func(u run) float64 { return u.Load })
	if load == 0 {
		return ""
	}
	cell := fmt.Sprintf("%.2f s", load)
	if rss := m.median(engine, func(u run) float64 { return float64(u.RSS) }); rss > 0 {
		cell += fmt.Sprintf(", %.2f× the file", rss/float64(m.FileBytes))
	}
	return cell
}

func percent(part, whole float64) string { return fmt.Sprintf("%.0f %%", 100*part/whole) }

// number has three digits, or all those before the point.
func number(v float64) string {
	decimals := 2
	for limit := 10.0; decimals > 0 && v >= limit; limit *= 10 {
		decimals--
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

package experiment

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/internal/text"
)

// Present implements Result.
func (x *Ablate) Present() *Presentation {
	return &Presentation{
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
		base.Setting, CellText(base.Fixed), text.Thousands(int64(x.Held)), CellText(base.Broke), netVerdict(base.Net))}
	for _, f := range x.Factors {
		if f.Name == "probes" {
			out = append(out, x.enough(f), x.memory(f))
		}
	}
	return append(out, x.differing()...)
}

// netVerdict says what a net of fixed less broken answers shows.
func netVerdict(net Estimate) string {
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
			said := fmt.Sprintf("%s (net %s from the base)", s.Name, CellText(s.FromBase))
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
	out = append(out, fmt.Sprintf("P-values of a net of 0 are corrected by Holm's method for %d tests. Where all seeds give the same figure other than 0, there is no test.", defined(x.Settings, func(s Ablated) Number { return s.NetP })))
	if len(x.Settings) > 1 {
		out = append(out, fmt.Sprintf("Differences are from the base with the same seed; their p-values are corrected by Holm's method for %d tests.",
			defined(x.Settings, func(s Ablated) Number { return s.FromBaseP })))
	}
	return out
}

// defined counts the p-values that are.
func defined(settings []Ablated, of func(Ablated) Number) (n int) {
	for _, s := range settings {
		n += one(!math.IsNaN(float64(of(s))))
	}
	return n
}

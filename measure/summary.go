package measure

import (
	"slices"
	"strings"
)

// KindCount is a line of an audit's summary.
type KindCount struct {
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	Count    int      `json:"count"`
	Meaning  string   `json:"meaning"`
}

// Summary counts the findings of each kind, worst severity first. A set-wide
// overview is no defect and not counted.
func (f Findings) Summary() []KindCount {
	var rows []KindCount
	for _, s := range []Severity{Fatal, Warning, Info} {
		for _, m := range meaning {
			n := len(f.Of(m.kind, s))
			if n == 0 || m.kind == Overview {
				continue
			}
			text := m.text
			if s == Info {
				text = "harmless unless the metric is token_gap: " + text
			}
			rows = append(rows, KindCount{m.kind, s, n, text})
		}
	}
	return rows
}

// Defects returns the findings that Summary counts, in its order.
func (f Findings) Defects() Findings {
	var out Findings
	for _, r := range f.Summary() {
		out = append(out, f.Of(r.Kind, r.Severity)...)
	}
	return out
}

// Grave returns the findings that are more than information.
func (f Findings) Grave() Findings {
	return slices.DeleteFunc(slices.Clone(f), func(x Finding) bool { return x.Severity == Info })
}

// Overviews returns the sentences that tell no defect.
func (f Findings) Overviews() []string {
	var out []string
	for _, x := range f.Of(Overview, Info) {
		out = append(out, strings.ToUpper(x.Detail[:1])+x.Detail[1:]+".")
	}
	return out
}

// Subject says what the finding is about.
func (x Finding) Subject() string {
	switch {
	case x.Probe != "":
		return x.Probe
	case x.Category != "":
		return "category " + x.Category
	}
	return "the set"
}

package measure

import (
	"fmt"
	"io"
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

// shown is how many findings of a kind WriteText spells out.
const shown = 5

// WriteText writes the findings for a person to read: a line for each kind and,
// indented below, what was found. Of information, and beyond the first few of a
// kind unless all is set, only the number is given.
func (f Findings) WriteText(w io.Writer, all bool) error {
	var b strings.Builder
	rows := f.Summary()
	if len(rows) == 0 {
		b.WriteString("No defects found.\n")
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "%-8s%-18s%5d  %s\n", r.Severity, r.Kind, r.Count, r.Meaning)
		if r.Severity == Info && !all {
			continue
		}
		for i, x := range f.Of(r.Kind, r.Severity) {
			if i == shown && !all {
				fmt.Fprintf(&b, "%10s… and %d more\n", "", r.Count-shown)
				break
			}
			fmt.Fprintf(&b, "%10s%s: %s\n", "", x.Subject(), x.Detail)
		}
	}
	for _, text := range f.Overviews() {
		b.WriteString(text + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Defects returns the findings that Summary counts, in its order. The report's
// template calls it.
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

package report

import (
	"fmt"
	"io"
	"strings"

	"bankai/measure"
)

// shownFindings is how many findings of a kind WriteFindings spells out.
const shownFindings = 5

// WriteFindings writes what an audit found for a person to read: a line for each kind and,
// indented below, what was found. Of information, and beyond the first few of a
// kind unless all is set, only the number is given.
func WriteFindings(w io.Writer, f measure.Findings, all bool) error {
	var b strings.Builder
	rows := f.Summary()
	if len(rows) == 0 {
		b.WriteString("No defects found.\n")
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "%-8s%-18s%5d  %s\n", r.Severity, r.Kind, r.Count, r.Meaning)
		if r.Severity == measure.Info && !all {
			continue
		}
		for i, x := range f.Of(r.Kind, r.Severity) {
			if i == shownFindings && !all {
				fmt.Fprintf(&b, "%10s… and %d more\n", "", r.Count-shownFindings)
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

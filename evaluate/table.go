package evaluate

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// WriteText writes the result for a person to read: the counts of each category
// and of the whole, the verdict, and what became of every answer that changed,
// broken ones first. All answers are listed when all is set.
func (r *Result) WriteText(w io.Writer, all bool) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "probes\tbefore\tafter\tfixed\tbroke\t  category")
	row := func(name string, c Counts) {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t  %s\n", c.Total, c.Before, c.After, c.Fixed, c.Broke, name)
	}
	for _, c := range categoryRows(r) {
		row(c.Name, c.Counts)
	}
	t.Flush()
	fmt.Fprintf(&b, "\n%s\n", r.Verdict())
	fmt.Fprintf(&b, "Mean seq_logprob %+.3f before, %+.3f after (nats).\n", r.SeqLogprob.Before, r.SeqLogprob.After)
	r.list(&b, "Broke", Output.Broke)
	r.list(&b, "Fixed", Output.Fixed)
	if all {
		r.list(&b, "Stayed right", func(o Output) bool { return o.RightBefore && o.RightAfter })
		r.list(&b, "Stayed wrong", func(o Output) bool { return !o.RightBefore && !o.RightAfter })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteAlone writes what a model without a patch answers, for a person to read: the
// counts of each category and of the whole, and which answers are wrong; with all
// set, the right ones too.
func (r *Result) WriteAlone(w io.Writer, all bool) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "probes\tright\t  category")
	for _, c := range categoryRows(r) {
		fmt.Fprintf(t, "%d\t%d\t  %s\n", c.Total, c.Before, c.Name)
	}
	t.Flush()
	fmt.Fprintf(&b, "\n%d of %d right.\nMean seq_logprob %+.3f (nats).\n", r.Before, r.Total, r.SeqLogprob.Before)
	r.listAlone(&b, "Wrong", func(o Output) bool { return !o.RightBefore })
	if all {
		r.listAlone(&b, "Right", func(o Output) bool { return o.RightBefore })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// listAlone is list without what a patch changed.
func (r *Result) listAlone(b *strings.Builder, heading string, chosen func(Output) bool) {
	var rows [][]string
	for _, o := range r.Outputs {
		if chosen(o) {
			rows = append(rows, []string{"  " + printable(o.Prompt), "→ " + printable(o.Before), "wanted " + printable(o.Correct)})
		}
	}
	writeRows(b, heading, rows)
}

// list writes the chosen answers as aligned columns under a heading.
func (r *Result) list(b *strings.Builder, heading string, chosen func(Output) bool) {
	var rows [][]string
	for _, o := range r.Outputs {
		if chosen(o) {
			rows = append(rows, []string{"  " + printable(o.Prompt), printable(o.Before), "→ " + printable(o.After), "wanted " + printable(o.Correct)})
		}
	}
	writeRows(b, heading, rows)
}

// lineWidth is the most columns that a row of texts takes.
const lineWidth = 100

// writeRows writes rows of texts in columns under a heading, unless there are none.
// Texts are cut where a row would get too wide: those of the widest column first.
func writeRows(b *strings.Builder, heading string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", heading)
	const gap = 2
	widths := make([]int, len(rows[0]))
	total := gap * (len(widths) - 1)
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i]
	}
	for ; total > lineWidth; total-- {
		widest := 0
		for i := range widths {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		widths[widest]--
	}
	for _, row := range rows {
		line := ""
		for i, text := range row {
			text = cut(text, widths[i])
			line += text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+gap)
		}
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
}

// cut shortens a text to so many characters.
func cut(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

// cell makes a text fit a table: on one line, without control characters, at
// most 44 characters.
func cell(s string) string { return cut(printable(s), 44) }

// printable is a text on one line, without control characters.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '·'
		}
		return r
	}, strings.TrimSpace(s))
	if s == "" {
		return "(nothing)"
	}
	return s
}

func categoryName(name string) string {
	if name == "" {
		return "(none)"
	}
	return name
}

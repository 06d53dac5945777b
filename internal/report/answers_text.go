package report

import (
	"fmt"
	"io"
	"strings"

	"bankai/internal/text"
	"bankai/measure"
)

// WriteAnswers writes what a patch did for a person to read: the counts of each category
// and of the whole, the verdict, and what became of every answer that changed,
// broken ones first. All answers are listed when all is set.
func WriteAnswers(w io.Writer, r *measure.Result, all bool) error {
	var b strings.Builder
	t := text.Table{Indent: text.Gap, Right: text.RightAligned(5)}
	t.Add("probes", "before", "after", "fixed", "broke", "category")
	for _, c := range categoryRows(r) {
		t.Add(c.Total, c.Before, c.After, c.Fixed, c.Broke, c.Name)
	}
	fmt.Fprintf(&b, "%s\n%s\n", &t, Verdict(r))
	if r.SeqLogprob != nil {
		b.WriteString(likelihoodText(r.SeqLogprob, true) + "\n")
	}
	list(&b, r, "Broke", measure.Output.Broke)
	list(&b, r, "Fixed", measure.Output.Fixed)
	if all {
		list(&b, r, "Stayed right", func(o measure.Output) bool { return o.RightBefore && o.RightAfter })
		list(&b, r, "Stayed wrong", func(o measure.Output) bool { return !o.RightBefore && !o.RightAfter })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteBase writes what a model without a patch answers, for a person to read: the
// counts of each category and of the whole, and which answers are wrong; with all
// set, the right ones too.
func WriteBase(w io.Writer, r *measure.Result, all bool) error {
	var b strings.Builder
	t := text.Table{Indent: text.Gap, Right: text.RightAligned(2)}
	t.Add("probes", "right", "category")
	for _, c := range categoryRows(r) {
		t.Add(c.Total, c.Before, c.Name)
	}
	fmt.Fprintf(&b, "%s\n%s\n", &t, BaseVerdict(r))
	if r.SeqLogprob != nil {
		b.WriteString(likelihoodText(r.SeqLogprob, false) + "\n")
	}
	listBase(&b, r, "Wrong", func(o measure.Output) bool { return !o.RightBefore })
	if all {
		listBase(&b, r, "Right", func(o measure.Output) bool { return o.RightBefore })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// likelihoodText says how much likelier right answers are than wrong ones.
func likelihoodText(mean *measure.BeforeAfter, patched bool) string {
	if patched {
		return fmt.Sprintf("Mean seq_logprob %+.3f before, %+.3f after (nats).", mean.Before, mean.After)
	}
	return fmt.Sprintf("Mean seq_logprob %+.3f (nats).", mean.Before)
}

// listBase is list without what a patch changed.
func listBase(b *strings.Builder, r *measure.Result, heading string, chosen func(measure.Output) bool) {
	if hasLong(r, chosen) {
		blocks(b, r, heading, chosen)
		return
	}
	var rows [][]string
	for _, o := range r.Outputs {
		if chosen(o) {
			rows = append(rows, []string{"  " + printable(o.Prompt), "→ " + printable(o.Before), "wanted " + printable(o.Correct)})
		}
	}
	writeRows(b, heading, rows)
}

// list writes the chosen answers as aligned columns under a heading.
func list(b *strings.Builder, r *measure.Result, heading string, chosen func(measure.Output) bool) {
	if hasLong(r, chosen) {
		blocks(b, r, heading, chosen)
		return
	}
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
	t := text.Table{Rows: rows}
	t.Narrow(lineWidth)
	fmt.Fprintf(b, "\n%s:\n%s", heading, &t)
}

// printable is an answer or a prompt on one line, without control characters.
func printable(s string) string { return text.Printable(answerText(s)) }

// longestCategory is how many characters of a category are shown; whoever writes probes may
// write whole texts there.
const longestCategory = 200

// CategoryName is a category for people.
func CategoryName(name string) string {
	if name == "" {
		return "(none)"
	}
	return text.Clip(name, longestCategory)
}

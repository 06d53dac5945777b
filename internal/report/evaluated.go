package report

import (
	"fmt"
	"strings"

	"bankai/internal/text"
	"bankai/measure"
)

// Evaluated is what `eval` measured, as a result that a page can show beside those of
// experiments.
type Evaluated struct {
	About
	Probes      string // the file
	SampledFrom int    // probes that it has, if not all were asked
	Patches     []string
	Result      *measure.Result
}

// Present implements Result.
func (e *Evaluated) Present() *Presentation {
	r := e.Result
	asked := plural(r.Total, "probe")
	if e.SampledFrom > 0 {
		asked = fmt.Sprintf("%s of %s probes, a sample with the categories in proportion", thousandsOf(r.Total), thousandsOf(e.SampledFrom))
	}
	p := &Presentation{Title: "Answers to " + e.Probes, Notes: []string{asked + ", greedy generations. Shares have Wilson's interval."}}
	if s := r.SeqLogprob; s != nil {
		p.Notes[0] = fmt.Sprintf("%s, greedy generations. Mean seq_logprob %s before, %s after, in nats. Shares have Wilson's interval.",
			asked, text.Digits(s.Before), text.Digits(s.After))
	}
	if len(e.Patches) > 0 {
		p.Purpose = "What the model answers without a patch and with " + strings.Join(e.Patches, ", ") + "."
		p.Findings = []string{Verdict(r)}
	} else {
		p.Purpose = "What the model answers as it is."
		p.Findings = []string{BaseVerdict(r)}
	}
	p.Tables = []Table{rightTable("eval", "Right answers by category", "probes", r, len(e.Patches) > 0)}
	p.Changes = changesOf("", r, len(e.Patches) > 0)
	return p
}

// rightTable is the counts of each category and of the whole.
func rightTable(name, caption, asked string, r *measure.Result, patched bool) Table {
	t := Table{Name: name, Caption: caption, Columns: []string{"category", asked, "right", "share"}}
	if patched {
		t.Columns = append(t.Columns, "right after", "share after", "fixed", "broke")
	}
	row := func(name string, c measure.Counts) {
		cells := []any{CategoryName(name), c.Total, c.Before, ShareOf(c.Before, c.Total)}
		if patched {
			cells = append(cells, c.After, ShareOf(c.After, c.Total), c.Fixed, c.Broke)
		}
		t.Rows = append(t.Rows, cells)
	}
	names := r.Categories()
	for _, name := range names {
		row(name, r.ByCategory[name])
	}
	if len(names) != 1 {
		row("all", r.Counts())
	}
	return t
}

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
	Probes  string // the file
	Patches []string
	Result  *measure.Result
}

// Present implements Result.
func (e *Evaluated) Present() *Presentation {
	r := e.Result
	p := &Presentation{
		Title: "Answers to " + e.Probes,
		Notes: []string{fmt.Sprintf("%d probes, greedy generations. Mean seq_logprob %s before, %s after, in nats. Shares have Wilson's interval.",
			r.Total, text.Digits(r.SeqLogprob.Before), text.Digits(r.SeqLogprob.After))},
	}
	patched := len(e.Patches) > 0
	t := Table{Name: "eval", Caption: "Right answers by category", Columns: []string{"category", "probes", "right", "share"}}
	if patched {
		t.Columns = append(t.Columns, "right after", "share after", "fixed", "broke")
		p.Purpose = "What the model answers without a patch and with " + strings.Join(e.Patches, ", ") + "."
		p.Findings = []string{Verdict(r)}
	} else {
		p.Purpose = "What the model answers as it is."
		p.Findings = []string{fmt.Sprintf("%d of %d right.", r.Before, r.Total)}
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
	p.Tables = []Table{t}
	return p
}

package dataset

import (
	"encoding/json"
	"fmt"
	"strings"

	"bankai/internal/text"
)

const (
	mostLabels = 64  // more are hardly labels
	longLabel  = 100 // characters, likewise
)

// finish leaves out what stands there twice and notes what a person should know.
func (r *reader) finish() {
	d := r.d
	d.Format = d.Files[0].Format
	for _, f := range d.Files {
		if f.Format != d.Format {
			d.Format = Several
		}
	}
	d.dropRepeats()
	d.noteConflicts()
	d.noteLabels()
}

// dropRepeats keeps one of the examples that are equal in all that is learnt.
func (d *Dataset) dropRepeats() {
	seen := map[string]bool{}
	kept := d.Examples[:0]
	for i := range d.Examples {
		e := &d.Examples[i]
		key := e.full()
		if seen[key] {
			d.Repeats++
			continue
		}
		seen[key] = true
		kept = append(kept, *e)
	}
	d.Examples = kept
}

// full is the same for examples that teach the same.
func (e *Example) full() string {
	var b strings.Builder
	b.WriteString(string(e.Kind) + "\x00" + e.context() + "\x00" + answerKey(e.Want))
	if e.Rejected != nil {
		b.WriteString("\x00" + answerKey(*e.Rejected))
	}
	return b.String()
}

// context is all that an answer follows, as it is written.
func (e *Example) context() string {
	if e.Messages == nil && e.Tools == nil {
		return e.Prompt
	}
	raw, _ := json.Marshal(struct {
		Prompt   string
		Messages any
		Tools    []json.RawMessage
	}{e.Prompt, e.Messages, e.Tools})
	return string(raw)
}

// noteConflicts names prompts that have different right answers. Of preferences there may
// be several for a prompt.
func (d *Dataset) noteConflicts() {
	type answered struct {
		at     int
		answer string
	}
	first := map[string]answered{}
	n, shown := 0, ""
	for i := range d.Examples {
		e := &d.Examples[i]
		if e.Kind != Answer && e.Kind != Label {
			continue
		}
		key, answer := e.context(), answerKey(e.Want)
		f, known := first[key]
		if !known {
			first[key] = answered{i, answer}
			continue
		}
		if f.answer != answer {
			if n++; n == 1 {
				a := &d.Examples[f.at]
				shown = fmt.Sprintf("%s and %s", place(a.Source, a.Line), place(e.Source, e.Line))
			}
		}
	}
	if n > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%s the same prompt as another and a different answer, such as %s: both cannot be learnt", text.Plural(n, "example has", "examples have"), shown))
	}
}

// noteLabels gathers the labels and says what is odd about them.
func (d *Dataset) noteLabels() {
	counts := map[string]int{}
	long := false
	for i := range d.Examples {
		e := &d.Examples[i]
		if e.Kind != Label {
			continue
		}
		if counts[e.Label]++; counts[e.Label] == 1 {
			d.Labels = append(d.Labels, e.Label)
			long = long || len([]rune(e.Label)) > longLabel
		}
	}
	var once []string
	for _, label := range d.Labels {
		if counts[label] == 1 {
			once = append(once, fmt.Sprintf("%q", text.Clip(text.Printable(label), 30)))
		}
	}
	switch {
	case len(d.Labels) > mostLabels || long:
		d.Notes = append(d.Notes, fmt.Sprintf("there are %d different labels, up to %d characters long: that is probably no column of labels; call it completion if it is what should be said", len(d.Labels), longest(d.Labels)))
	case len(d.Labels) == 1:
		d.Notes = append(d.Notes, "all labels are the same: there is nothing to tell apart")
	case len(once) > 0:
		d.Notes = append(d.Notes, fmt.Sprintf("%s only once, which cannot be both learnt and measured: %s", text.Plural(len(once), "label stands there", "labels stand there"), text.Listed(once[:min(5, len(once))])))
	}
}

func longest(labels []string) int {
	n := 0
	for _, l := range labels {
		n = max(n, len([]rune(l)))
	}
	return n
}

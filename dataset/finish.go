package dataset

import (
	"crypto/sha256"
	"fmt"
	"slices"
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
	d.noteLabels()
}

// dropRepeats keeps one of the examples that are equal in all that is learnt, and notes
// prompts that have different right answers. Of preferences there may be several for a
// prompt.
func (d *Dataset) dropRepeats() {
	seen := map[digest]bool{}
	first := map[digest]int{} // by prompt: the example that answers it first
	kept := d.Examples[:0]
	conflicts, shown := 0, ""
	for i := range d.Examples {
		e := &d.Examples[i]
		context := e.context()
		key := e.digest(context)
		if seen[key] {
			d.Repeats++
			continue
		}
		seen[key] = true
		kept = append(kept, *e)
		if e.Kind != Answer && e.Kind != Label {
			continue
		}
		prompt := digest(sha256.Sum256([]byte(context)))
		k, known := first[prompt]
		if !known {
			first[prompt] = len(kept) - 1
			continue
		}
		if answerKey(kept[k].Want) != answerKey(e.Want) {
			if conflicts++; conflicts == 1 {
				shown = fmt.Sprintf("%s and %s", place(kept[k].Source, kept[k].Line), place(e.Source, e.Line))
			}
		}
	}
	d.Examples = kept
	if conflicts > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%s the same prompt as another and a different answer, such as %s: both cannot be learnt", text.Plural(conflicts, "example has", "examples have"), shown))
	}
}

// digest is the SHA-256 of what an example teaches, or of its prompt.
type digest [sha256.Size]byte

// digest is the same for examples that teach the same.
func (e *Example) digest(context string) digest {
	full := string(e.Kind) + "\x00" + context + "\x00" + answerKey(e.Want)
	if e.Rejected != nil {
		full += "\x00" + answerKey(*e.Rejected)
	}
	return sha256.Sum256([]byte(full))
}

// context is all that an answer follows, in one text.
func (e *Example) context() string {
	if e.Messages == nil && e.Tools == nil {
		return e.Prompt
	}
	var b strings.Builder
	b.WriteString(e.Prompt)
	for _, m := range e.Messages {
		b.WriteString("\x00" + m.Role + "\x00" + m.Name + "\x00" + answerKey(m))
	}
	for _, t := range e.Tools {
		b.WriteString("\x00" + string(t))
	}
	return b.String()
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
			if !slices.Contains(d.Labels, e.Label) {
				d.Labels = append(d.Labels, e.Label)
			}
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

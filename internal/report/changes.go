package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"bankai/internal/text"
	"bankai/measure"
)

// Changes are answers that fared alike, for a page.
type Changes struct {
	Name, Remark string
	Class        string // "broke", "fixed" or "stayed"
	Patched      bool   // there are answers before and after
	Rows         []measure.Output
}

// openChanges is how many answers of each kind a page shows at once.
const openChanges = 25

// First are the answers that are shown at once: none of those that stayed as they were.
func (c Changes) First() []measure.Output {
	if c.Class == "stayed" {
		return nil
	}
	return c.Rows[:min(len(c.Rows), openChanges)]
}

// More are the others.
func (c Changes) More() []measure.Output { return c.Rows[len(c.First()):] }

// changesOf divides the answers of a result: broken ones first; without a patch, wrong
// ones first.
func changesOf(what string, r *measure.Result, patched bool) (all []Changes) {
	if what != "" {
		what = ": " + what
	}
	groups := []Changes{
		{Name: "Broke" + what, Remark: "right before, wrong after", Class: "broke"},
		{Name: "Fixed" + what, Remark: "wrong before, right after", Class: "fixed"},
		{Name: "Stayed wrong" + what, Remark: "wrong before and after", Class: "stayed"},
		{Name: "Stayed right" + what, Remark: "right before and after", Class: "stayed"},
	}
	if !patched {
		groups[2].Name, groups[2].Remark, groups[2].Class = "Wrong"+what, "as the model is", "broke"
		groups[3].Name, groups[3].Remark = "Right"+what, "as the model is"
	}
	for _, o := range r.Outputs {
		at := 2
		switch {
		case o.Broke():
			at = 0
		case o.Fixed():
			at = 1
		case o.RightAfter:
			at = 3
		}
		groups[at].Rows = append(groups[at].Rows, o)
		groups[at].Patched = patched
	}
	return slices.DeleteFunc(groups, func(c Changes) bool { return len(c.Rows) == 0 })
}

// span is part of a text; the marked ones are where it differs from another.
type span struct {
	Text   string
	Marked bool
}

// longText is how many characters of a text a page shows before a click.
const longText = 240

// longSpans is a text for a page.
type longSpans struct {
	Short []span // the beginning, or what surrounds the first difference, if the whole is long
	Whole []span // nil if Short is all
}

// differing divides a text where it differs from another: between what both have at their
// beginning and at their end, in whole words.
func differing(s, other string) []span {
	a, b := []rune(strings.TrimSpace(s)), []rune(strings.TrimSpace(other))
	if len(a) == 0 {
		return []span{{Text: "(nothing)", Marked: len(b) > 0}}
	}
	begin := 0
	for begin < len(a) && begin < len(b) && a[begin] == b[begin] {
		begin++
	}
	if begin == len(a) && begin == len(b) {
		return []span{{Text: string(a)}}
	}
	end := 0
	for end < len(a)-begin && end < len(b)-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	from, to := begin, len(a)-end
	if goesOn(a, begin) || goesOn(b, begin) {
		for from > 0 && isWord(a[from-1]) {
			from--
		}
	}
	if goesOn(a, to) || goesOn(b, len(b)-end) {
		for to < len(a) && isWord(a[to]) {
			to++
		}
	}
	return slices.DeleteFunc([]span{{string(a[:from]), false}, {string(a[from:to]), true}, {string(a[to:]), false}}, func(s span) bool { return s.Text == "" })
}

// goesOn says whether a place is inside of a word.
func goesOn(s []rune, at int) bool {
	return 0 < at && at < len(s) && isWord(s[at-1]) && isWord(s[at])
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

// shortened is a text with its difference from another marked, such that a page stays
// readable.
func shortened(s, other string) longSpans {
	whole := differing(s, other)
	n := 0
	for _, part := range whole {
		n += len([]rune(part.Text))
	}
	if n <= longText {
		return longSpans{Short: whole}
	}
	short := slices.Clone(whole)
	if first := []rune(short[0].Text); !short[0].Marked && len(short) > 1 && len(first) > longText/3 {
		short[0].Text = "…" + string(first[len(first)-longText/3:])
	}
	left := longText
	for i := range short {
		runes := []rune(short[i].Text)
		if len(runes) > left {
			short[i].Text = string(runes[:left]) + "…"
			short = short[:i+1]
			break
		}
		left -= len(runes)
	}
	return longSpans{short, whole}
}

// plainText is a text of which nothing is marked.
func plainText(s string) longSpans { return shortened(s, s) }

const (
	shortAnswer = 60 // characters of an answer that a terminal shows in columns
	fewBlocks   = 20 // answers of a kind that a terminal shows one below the other
)

// hasLong says whether a chosen answer is too long for columns.
func hasLong(r *measure.Result, chosen func(measure.Output) bool) bool {
	return slices.ContainsFunc(r.Outputs, func(o measure.Output) bool {
		return chosen(o) && slices.ContainsFunc([]string{o.Correct, o.Before, o.After}, func(s string) bool {
			s = strings.TrimSpace(s)
			return len([]rune(s)) > shortAnswer || strings.Contains(s, "\n")
		})
	})
}

// blocks writes chosen answers one below the other, each around where it differs from the
// one beside it.
func blocks(b *strings.Builder, r *measure.Result, heading string, chosen func(measure.Output) bool) {
	n := 0
	for _, o := range r.Outputs {
		if !chosen(o) {
			continue
		}
		if n++; n > fewBlocks {
			continue
		}
		if n == 1 {
			fmt.Fprintf(b, "\n%s:\n", heading)
		}
		fmt.Fprintf(b, "  %s: %s\n", text.Printable(o.Name), text.Clip(printable(o.Prompt), lineWidth-4-len([]rune(o.Name))))
		if o.Before == o.After {
			fmt.Fprintf(b, "    wanted  %s\n    answer  %s%s\n", excerpt(o.Correct, o.Before), excerpt(o.Before, o.Correct), reason(o.ReasonBefore))
			continue
		}
		fmt.Fprintf(b, "    wanted  %s\n    before  %s%s\n    after   %s%s\n", excerpt(o.Correct, o.After),
			excerpt(o.Before, o.After), reason(o.ReasonBefore), excerpt(o.After, o.Before), reason(o.ReasonAfter))
	}
	if n > fewBlocks {
		fmt.Fprintf(b, "  … and %d more: \"bankai report\" makes a page of them all from --json\n", n-fewBlocks)
	}
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return "\n            (" + text.Clip(text.Printable(why), lineWidth-14) + ")"
}

// excerpt is a text on one line, from a little before where it differs from another.
func excerpt(s, other string) string {
	a, b := []rune(strings.TrimSpace(s)), []rune(strings.TrimSpace(other))
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	const room = lineWidth - 12
	from := 0
	if len(a) > room && at > room/2 {
		from = min(at-room/4, len(a)-room+1)
	}
	out := string(a[from:])
	if from > 0 {
		out = "…" + out
	}
	if out == "" {
		out = "(nothing)"
	}
	return text.Clip(text.Printable(out), room)
}

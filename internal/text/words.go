package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Count is a number and a noun that takes an s: "1 flip", "12 flips".
func Count(n int, noun string) string { return Plural(n, noun, noun+"s") }

// Plural is a number with one of two words for what is counted: "1 category", "12
// categories".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Measure is an amount, with one digit behind the point where it is a small one, and
// its unit: "1 pass", "12 passes", "0.4 passes".
func Measure(amount float64, unit string) string {
	plural := unit + "s"
	if strings.HasSuffix(unit, "s") {
		plural = unit + "es"
	}
	digits := 0
	if amount < 10 && amount != math.Round(amount) {
		digits = 1
	}
	if text := strconv.FormatFloat(amount, 'f', digits, 64); text != "1" {
		return text + " " + plural
	}
	return "1 " + unit
}

// Listed is "a", "a and b" or "a, b and c".
func Listed(items []string) string {
	if n := len(items); n > 1 {
		return strings.Join(items[:n-1], ", ") + " and " + items[n-1]
	}
	return strings.Join(items, "")
}

// Similar are the words that a word may be meant as: those that are fewest insertions,
// deletions and changes of a character away from it, of which two are the most.
func Similar(word string, words []string) (similar []string) {
	least := 2
	for _, w := range words {
		switch d := distance([]rune(word), []rune(w)); {
		case d < least:
			least, similar = d, []string{w}
		case d == least:
			similar = append(similar, w)
		}
	}
	return similar
}

// distance is how many characters have to be inserted, deleted or changed to make b of a.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1) // of what was read of a, to each start of b
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Line joins the lines of a text by semicolons and has a space for every other control
// character (see [IsControl]), all of which may come from files.
func Line(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return replaced(strings.Join(lines, "; "), ' ')
}

// Printable is a text with a dot for each control character: on one line, and such
// that it cannot steer a terminal.
func Printable(s string) string { return replaced(s, '·') }

// replaced has a character in the place of each control character.
func replaced(s string, by rune) string {
	return strings.Map(func(r rune) rune {
		if IsControl(r) {
			return by
		}
		return r
	}, s)
}

// IsControl says whether a character can end a line, steer a terminal, or show those
// around it in another order: the controls of ASCII and Latin 1, the separators of lines
// and paragraphs, and the embeddings, overrides and isolates of two-way text.
func IsControl(r rune) bool {
	return r < ' ' || 0x7f <= r && r < 0xa0 || 0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}

// Clip shortens a text to a number of characters, of which the last is then "…".
func Clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// TimeLayout is how times are printed for people.
const TimeLayout = "2006-01-02 15:04 MST"

package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"bankai/evaluate"
)

// fact is a name and a value.
type fact struct{ name, value string }

// writeFacts lists facts in two columns, leaving out those without a value.
func writeFacts(w io.Writer, facts ...fact) {
	width := 0
	for _, f := range facts {
		if f.value != "" {
			width = max(width, utf8.RuneCountInString(f.name))
		}
	}
	for _, f := range facts {
		if f.value != "" {
			pad := width - utf8.RuneCountInString(f.name)
			fmt.Fprintf(w, "%s%s  %s\n", f.name, strings.Repeat(" ", pad), f.value)
		}
	}
}

// table starts a table whose columns are aligned on Flush. The columns are ended
// by tabs; right aligns them to the right.
func table(w io.Writer, right bool) *tabwriter.Writer {
	var flags uint
	if right {
		flags = tabwriter.AlignRight
	}
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', flags)
}

// sizeText is a number of bytes with a unit: 492 B, 714 KB, 1.16 GB.
func sizeText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n), ""
	for _, u := range []string{"KB", "MB", "GB", "TB"} {
		if size, unit = size/1000, u; size < 999.5 {
			break
		}
	}
	return threeDigits(size) + " " + unit
}

// amount is a number, a large one in words: 336,768, 4.85 million, 8.19 billion.
func amount(n int64) string {
	switch {
	case n >= 999_500_000:
		return threeDigits(float64(n)/1e9) + " billion"
	case n >= 999_500:
		return threeDigits(float64(n)/1e6) + " million"
	}
	return evaluate.Thousands(n)
}

// threeDigits writes x with three significant digits, or all of its integer
// part.
func threeDigits(x float64) string {
	switch {
	case x >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case x >= 9.995:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// many is a number and a noun: "1 flip", "12 flips".
func many(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// passes is an amount of work: "1 pass", "12 passes", "0.4 passes".
func passes(work float64, noun string) string {
	plural := noun + "s"
	if strings.HasSuffix(noun, "s") {
		plural = noun + "es"
	}
	digits := 0
	if work < 10 && work != math.Round(work) {
		digits = 1
	}
	if text := strconv.FormatFloat(work, 'f', digits, 64); text != "1" {
		return text + " " + plural
	}
	return "1 " + noun
}

// listed is "a", "a and b" or "a, b and c".
func listed(items []string) string {
	if n := len(items); n > 1 {
		return strings.Join(items[:n-1], ", ") + " and " + items[n-1]
	}
	return strings.Join(items, "")
}

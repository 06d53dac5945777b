package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// classEdition is the edition of Unicode the regular expression engine of
// Hugging Face's tokenizers (Oniguruma) knows.
const classEdition = "16.0.0"

// sizes tells the edition apart from all others: how many code points of each
// class it has.
var sizes = map[string]int{"letter": 141028, "number": 1911, "space": 25, "mark": 2501}

// span is a run of code points with one value.
type span struct {
	lo, hi rune
	value  string
}

// add appends the code points lo to hi, joining them to the last span if they
// continue it.
func add(spans []span, lo, hi rune, value string) []span {
	if n := len(spans); n > 0 && spans[n-1].hi+1 == lo && spans[n-1].value == value {
		spans[n-1].hi = hi
		return spans
	}
	return append(spans, span{lo, hi, value})
}

// readClasses reads UnicodeData.txt: lines of fields separated by semicolons,
// of which the first is the code point, the second its name and the third its
// general category. A large block is two lines, whose names end in "First>" and
// "Last>".
func readClasses(r io.Reader) ([]span, error) {
	var spans []span
	first := rune(-1)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		f := strings.Split(lines.Text(), ";")
		if len(f) < 3 {
			return nil, fmt.Errorf("line %d: %d fields, want at least 3", n, len(f))
		}
		code, err := strconv.ParseUint(f[0], 16, 21)
		if err != nil {
			return nil, fmt.Errorf("line %d: code point %q is not hexadecimal", n, f[0])
		}
		if f[2] == "" {
			return nil, fmt.Errorf("line %d: no category", n)
		}
		lo, hi := rune(code), rune(code)
		switch {
		case strings.HasSuffix(f[1], "First>"):
			first = lo
			continue
		case strings.HasSuffix(f[1], "Last>"):
			lo = first
		}
		if class := classOf(hi, f[2]); class != "" {
			spans = add(spans, lo, hi, class)
		}
	}
	return spans, lines.Err()
}

// classOf names what \p{L}, \p{N}, \p{M} and \s match: the categories of letters, of
// numbers and of marks, and the property White_Space, which is the separators' categories
// and six control characters.
func classOf(r rune, category string) string {
	switch {
	case category[:1] == "L":
		return "letter"
	case category[:1] == "N":
		return "number"
	case category[:1] == "M":
		return "mark"
	case category[:1] == "Z", '\t' <= r && r <= '\r', r == 0x85:
		return "space"
	}
	return ""
}

func checkEdition(spans []span) error {
	got := map[string]int{}
	for _, s := range spans {
		got[s.value] += int(s.hi-s.lo) + 1
	}
	for _, class := range []string{"letter", "number", "space", "mark"} {
		if got[class] != sizes[class] {
			return fmt.Errorf("%d code points of class %s, but Unicode %s has %d: is it another edition?",
				got[class], class, classEdition, sizes[class])
		}
	}
	return nil
}

func classSource(spans []span) ([]byte, error) {
	var s source
	s.printf("// classEdition is the edition of Unicode that says what a letter, a number, a space and a\n// mark are.\n")
	s.printf("const classEdition = %q\n\n", classEdition)
	s.printf("var classes = []span{\n")
	s.spans(spans)
	s.printf("}\n")
	return s.format()
}

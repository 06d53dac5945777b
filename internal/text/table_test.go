package text_test

import (
	"fmt"
	"testing"

	"bankai/internal/text"
)

func ExampleTable() {
	t := text.Table{Right: text.RightAligned(1)}
	t.Add("flips", "tensor")
	t.Add(4096, "blk.0.ffn_gate.weight")
	t.Add(7, "größe")
	fmt.Print(&t)
	// Output:
	// flips  tensor
	//  4096  blk.0.ffn_gate.weight
	//     7  größe
}

// The end of a row is not padded, whatever is missing there; the spaces of a cell stay.
func TestTableEnds(t *testing.T) {
	table := text.Table{Indent: "> ", Right: []bool{false, true}}
	table.Add("a", 10, "")
	table.Add("bcd", "", "")
	table.Add("", 7, "x ")
	table.Add()
	if got, want := table.String(), "> a    10\n> bcd\n>       7  x \n\n"; got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// No cell ends a line or steers a terminal, whichever way it came in.
func TestTableControlCharacters(t *testing.T) {
	table := text.Table{Rows: [][]string{{"a\nb", "c"}}}
	table.Add("\x1b[31m\u009b", "\u202ed")
	if got, want := table.String(), "a·b     c\n·[31m·  ·d\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A table that is too wide is cut in its widest columns.
func TestNarrow(t *testing.T) {
	for width, want := range map[int]string{
		30: "abcdefgh  αβγδεζ  12\n",
		18: "abcde…  αβγδεζ  12\n",
		16: "abcd…  αβγδ…  12\n",
		0:  "…  …  …\n", // no cell can give way
	} {
		table := text.Table{}
		table.Add("abcdefgh", "αβγδεζ", 12)
		if table.Narrow(width); table.String() != want {
			t.Errorf("to %d: got %q, want %q", width, table.String(), want)
		}
	}
}

package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestReadClasses(t *testing.T) {
	const file = `0009;<control>;Cc;0
0020;SPACE;Zs;0
0030;DIGIT ZERO;Nd;0
0031;DIGIT ONE;Nd;0
0041;LATIN CAPITAL LETTER A;Lu;0
0042;LATIN CAPITAL LETTER B;Lu;0
0044;LATIN CAPITAL LETTER D;Lu;0
0085;<control>;Cc;0
0301;COMBINING ACUTE ACCENT;Mn;230
3400;<CJK Ideograph Extension A, First>;Lo;0
4DBF;<CJK Ideograph Extension A, Last>;Lo;0
`
	want := []span{
		{0x09, 0x09, "space"},
		{0x20, 0x20, "space"},
		{0x30, 0x31, "number"},
		{0x41, 0x42, "letter"},
		{0x44, 0x44, "letter"},
		{0x85, 0x85, "space"},
		{0x301, 0x301, "mark"},
		{0x3400, 0x4DBF, "letter"},
	}
	got, err := readClasses(strings.NewReader(file))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if err := checkEdition(got); err == nil || !strings.Contains(err.Error(), "another edition") {
		t.Errorf("an excerpt passes for the whole: %v", err)
	}
}

func TestReadClassesRefuses(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"no fields", "0041", "line 1: 1 fields"},
		{"no code point", "0041;A;Lu\nfirst;B;Lu", `line 2: code point "first"`},
		{"no category", "0041;A;", `line 1: no category`},
	} {
		if _, err := readClasses(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// The tables of normalisation in the repository are what this program writes,
// whatever editions the Go release and golang.org/x/text are at.
func TestNFCTablesAreUpToDate(t *testing.T) {
	want, err := nfcSource()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../tables_nfc.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("tables_nfc.go differs: run go generate in internal/bpe")
	}
}

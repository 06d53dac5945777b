package bpe

import (
	"testing"
	"unicode"

	"golang.org/x/text/unicode/rangetable"
)

func TestClassEdition(t *testing.T) {
	for _, c := range []struct {
		name string
		r    rune
		want uint8
	}{
		{"letter of 15.0: Kawi A", 0x11F04, letter},
		{"letter of 15.1: ideograph of extension I", 0x2EBF0, letter},
		{"letter of 16.0: Garay capital A", 0x10D50, letter},
		{"digit of 16.0: Garay zero", 0x10D40, number},
		{"mark of 16.0: Garay vowel sign", 0x10D69, mark},
		{"letter of 17.0: ideograph of extension J", 0x323B0, other},
		{"digit of 17.0: Tolong Siki zero", 0x11DE0, other},
	} {
		if got := class(c.r); got != c.want {
			t.Errorf("%s, %U: class %d, want %d; the tables are to be Unicode %s's", c.name, c.r, got, c.want, classEdition)
		}
	}
}

func TestClassTableIsInOrder(t *testing.T) {
	for i := 1; i < len(classes); i++ {
		if a, b := classes[i-1], classes[i]; a.hi < a.lo || b.lo <= a.hi {
			t.Errorf("%+v before %+v", a, b)
		}
	}
}

// Go's own tables are of another edition; on what both know they agree.
func TestClassAgreesWithGo(t *testing.T) {
	known := rangetable.Assigned("15.0.0")
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.Is(known, r) {
			continue
		}
		want := uint8(other)
		switch {
		case unicode.IsLetter(r):
			want = letter
		case unicode.IsNumber(r):
			want = number
		case unicode.IsMark(r):
			want = mark
		case unicode.IsSpace(r):
			want = space
		}
		if got := class(r); got != want {
			t.Errorf("%U: class %d, want %d", r, got, want)
		}
	}
}

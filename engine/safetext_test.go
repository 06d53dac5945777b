package engine

import (
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bankai/internal/bpe"
	"bankai/internal/testmodel"
)

// byteIDs are the tokens of text in a test model, a byte each.
func byteIDs(text string) (ids []int32) {
	shown := func(b byte) bool { return b >= '!' && b <= '~' || b >= 0xA1 && b != 0xAD }
	var order [256]int32
	n := int32(0)
	for _, first := range []bool{true, false} {
		for b := range 256 {
			if shown(byte(b)) == first {
				order[b] = n
				n++
			}
		}
	}
	for i := range len(text) {
		ids = append(ids, order[text[i]])
	}
	return ids
}

func TestSafeText(t *testing.T) {
	tok := testModel(t, testmodel.Tiny, Options{}).Tokenizer()
	for _, c := range []struct {
		name   string
		stops  []string
		pieces []string // a token is a byte of them
		shown  []string // after each piece
		tail   string
		stop   string
	}{
		{"no stop text", nil, []string{"3x", "^2"}, []string{"3x", "^2"}, "", ""},
		{"half a character", nil, []string{"a\xC3", "\xA9", "b\xE4\xBD"}, []string{"a", "é", "b"}, "\uFFFD", ""},
		{"a stop text", []string{"\n"}, []string{"4", "\nQ: more"}, []string{"4", ""}, "", "\n"},
		{"at once", []string{"END"}, []string{"END"}, []string{""}, "", "END"},
		{"its beginning", []string{"\nQ:"}, []string{"4\n", "Q", "!", "\nQ"}, []string{"4", "", "\nQ!", ""}, "\nQ", ""},
		{"within its beginning", []string{"aab"}, []string{"aa", "ab", "c"}, []string{"", "a", ""}, "", "aab"},
		{"one of two", []string{"abcd", "bc"}, []string{"ab", "c", "d"}, []string{"", "a", ""}, "", "bc"},
		{"a stop text beside half a character", []string{"é"}, []string{"\xC3", "x\xC3", "\xA9"}, []string{"", "\uFFFDx", ""}, "", "é"},
		{"completed by what is never UTF-8", []string{"a\uFFFD"}, []string{"ba\xE4"}, []string{"b"}, "", "a\uFFFD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := newSafeText(tok, c.stops)
			for i, p := range c.pieces {
				got := ""
				for _, id := range byteIDs(p) {
					got += text.push(id)
				}
				if got != c.shown[i] {
					t.Errorf("after %q: %q is shown, want %q", p, got, c.shown[i])
				}
			}
			if tail := text.flush(); tail != c.tail || text.stop != c.stop {
				t.Errorf("the end is %q and the stop text %q, want %q and %q", tail, text.stop, c.tail, c.stop)
			}
			if all := strings.Join(c.shown, "") + c.tail; text.shown.String() != all {
				t.Errorf("all is %q, want %q", text.shown.String(), all)
			}
		})
	}
}

// plainlySafe is what may be shown of a text, as one writes it down, and the place of
// the stop text that ends it, -1 if there is none.
func plainlySafe(text string, stops []string) (shown string, cut int) {
	cut, hold := -1, 0
	for _, stop := range stops {
		if i := strings.Index(text, stop); i >= 0 && (cut < 0 || i < cut) {
			cut = i
		}
		for n := range len(stop) {
			if strings.HasSuffix(text, stop[:n]) {
				hold = max(hold, n)
			}
		}
	}
	if cut >= 0 {
		return text[:cut], cut
	}
	return text[:len(text)-hold], -1
}

// However a text is cut into tokens, all that may be shown is shown at once, and the
// first stop text that is complete ends it, whatever longer one it may be the end of.
func TestSafeTextIsPlain(t *testing.T) {
	tok := testModel(t, testmodel.Tiny, Options{}).Tokenizer()
	alphabet := rapid.SampledFrom([]rune("ab\né"))
	rapid.Check(t, func(t *rapid.T) {
		stops := rapid.SliceOfN(rapid.StringOfN(alphabet, 1, 4, -1), 0, 3).Draw(t, "stops")
		var ids []int32
		for _, part := range rapid.SliceOf(rapid.StringOfN(alphabet, 1, 4, -1)).Draw(t, "text") {
			if rapid.Bool().Draw(t, "bytes") {
				ids = append(ids, byteIDs(part)...)
			} else {
				ids = append(ids, tok.Encode(part)...)
			}
		}
		text, dec, known, shown, stopped := newSafeText(tok, stops), tok.Decoder(), "", "", false
		follow := func(more, got string) {
			if !stopped {
				known += more
				want, cut := plainlySafe(known, stops)
				if shown += got; shown != want {
					t.Fatalf("%q is shown of %q, want %q", shown, known, want)
				}
				stopped = cut >= 0
			} else if got != "" {
				t.Fatalf("%q is shown after a stop text", got)
			}
		}
		for _, id := range ids {
			follow(dec.Push(id), text.push(id))
		}
		rest := text.flush()
		if !stopped && shown+rest != known+dec.Flush() || stopped && rest != "" {
			t.Fatalf("the end of %q is %q", known, rest)
		}
	})
}

// Every token is looked at once: a long text takes no more for each than a short one.
func TestSafeTextIsLinear(t *testing.T) {
	tok := testModel(t, testmodel.Tiny, Options{}).Tokenizer()
	for _, stop := range []string{"\n", strings.Repeat("a", 60) + "b"} {
		text, ids := newSafeText(tok, []string{stop}), byteIDs(strings.Repeat("a", 30000))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, id := range ids {
			text.push(id)
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / uint64(len(ids)); each > 500 {
			t.Errorf("stop text %q: %d bytes for each of %d tokens", stop, each, len(ids))
		}
	}
}

func TestStopTextsAreChecked(t *testing.T) {
	for _, stops := range [][]string{{""}, {"a", ""}, {"a\xFF"}} {
		if checkStopTexts(stops) == nil {
			t.Errorf("%q were accepted", stops)
		}
	}
	if err := checkStopTexts([]string{"\n", "é"}); err != nil {
		t.Error(err)
	}
}

// decoded is the text of ids up to the first stop text.
func decoded(tok *bpe.Tokenizer, ids []int32, stops []string) string {
	text := tok.Decode(ids)
	if shown, cut := plainlySafe(text, stops); cut >= 0 {
		return shown
	}
	return text
}

package bpe

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// encodeSlowly is EncodeParts as one writes it down: character by character, each of
// which knows the part that it is of.
func encodeSlowly(tok *Tokenizer, c Config, parts []Part) (tokens []string) {
	var raw string
	var special []bool // of each byte
	for _, p := range parts {
		raw += p.Text
		special = append(special, slices.Repeat([]bool{p.Special}, len(p.Text))...)
	}
	var text string
	var chars []bool // of each byte of text
	for at := 0; at < len(raw); {
		n := 1
		for n < len(raw)-at && !utf8.FullRuneInString(raw[at:at+n]) {
			n++
		}
		for n > 1 && !utf8.ValidString(raw[at:at+n]) && utf8.FullRuneInString(raw[at:at+n]) {
			n--
		}
		char := replaceMalformed(raw[at : at+n])
		text += char
		chars = append(chars, slices.Repeat([]bool{!slices.Contains(special[at:at+n], false)}, len(char))...)
		at += n
	}
	plain := ""
	flush := func() {
		for _, piece := range splitByRegexp(c.Pre, normalize(plain)) {
			tokens = append(tokens, naiveMerge(c.Merges, piece)...)
		}
		plain = ""
	}
	for text != "" {
		found := ""
		for _, s := range []string{"<|endoftext|>", "<|im_end|>", "<think>more", "<think>"} {
			if found == "" && strings.HasPrefix(text, s) && !slices.Contains(chars[:len(s)], false) {
				found = s
			}
		}
		n := len(found)
		if n > 0 {
			flush()
			tokens = append(tokens, found)
		} else {
			_, n = utf8.DecodeRuneInString(text)
			plain += text[:n]
		}
		text, chars = text[n:], chars[n:]
	}
	flush()
	return tokens
}

// checkParts compares with the slow version and, where one kind of part is alone, with
// the encodings of one text.
func checkParts(t interface{ Fatalf(string, ...any) }, tok *Tokenizer, c Config, parts []Part) {
	ids := tok.EncodeParts(parts)
	var got []string
	for _, id := range ids {
		got = append(got, tok.Token(id))
	}
	if want := encodeSlowly(tok, c, parts); !slices.Equal(got, want) {
		t.Fatalf("%+v: %q, want %q", parts, got, want)
	}
	var text string
	all, none := len(parts) > 0, true
	for _, p := range parts {
		text += p.Text
		all, none = all && p.Special, none && !p.Special
	}
	if want := tok.Encode(text); all && !slices.Equal(ids, want) {
		t.Fatalf("%+v, all special: %v, Encode gives %v", parts, ids, want)
	}
	if want := tok.EncodeOrdinary(text); none && !slices.Equal(ids, want) {
		t.Fatalf("%+v, none special: %v, EncodeOrdinary gives %v", parts, ids, want)
	}
}

func TestEncodeParts(t *testing.T) {
	tok := newSmall(t)
	for _, c := range []struct {
		what  string
		parts []Part
		want  []int32
	}{
		{"content that looks like the end of a turn", []Part{{"a<|im_end|>", false}, {"<|im_end|>", true}}, append(tok.EncodeOrdinary("a<|im_end|>"), imEnd)},
		{"a token across the border", []Part{{"<|im_", true}, {"end|>", false}}, tok.EncodeOrdinary("<|im_end|>")},
		{"and across that of two special parts", []Part{{"<|im_", true}, {"", false}, {"end|>", true}}, []int32{imEnd}},
		{"a merge across the border", []Part{{"<think>hel", true}, {"lo", false}}, []int32{think, id(t, tok, "hello")}},
		{"a mark across the border", []Part{{"e", true}, {"\u0301", false}}, tok.Encode("é")},
		{"half a character", []Part{{"\xc3", true}, {"\xa9", false}, {"<think>", true}}, append(tok.Encode("é"), think)},
		{"nothing", nil, nil},
	} {
		if got := tok.EncodeParts(c.parts); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
		checkParts(t, tok, smallConfig(), c.parts)
	}
	c := smallConfig()
	c.AddBOS, c.BOS = true, endOfText
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.EncodeParts([]Part{{"a", false}, {"a", true}}); !slices.Equal(got, append([]int32{endOfText}, tok.EncodeOrdinary("aa")...)) {
		t.Errorf("a vocabulary that wants a BOS: %v", got)
	}
	if got := tok.EncodeParts([]Part{{"a", false}}); !slices.Equal(got, tok.EncodeOrdinary("a")) {
		t.Errorf("without a special part: %v", got)
	}
}

// Merges that make a special token are not for text of others, also where a piece is
// partly the template's.
func TestPartsMakeNoSpecial(t *testing.T) {
	c := smallConfig()
	c.Tokens, c.Types = append(c.Tokens, "xy"), append(c.Types, typeControl)
	c.Merges = append(c.Merges, "x y")
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	whole := id(t, tok, "xy")
	for _, p := range [][]Part{{{"x", true}, {"y", false}}, {{"x", false}, {"y", true}}, {{"zxy", false}, {"z", true}}} {
		if got := tok.EncodeParts(p); slices.Contains(got, whole) {
			t.Errorf("%v: %v has the control token %d", p, got, whole)
		}
	}
	if got := tok.EncodeParts([]Part{{"a", false}, {"<think>xy", true}}); !slices.Equal(got, []int32{'a', think, whole}) {
		t.Errorf("within a special part: %v", got)
	}
}

func TestEncodePartsProperty(t *testing.T) {
	tok := newSmall(t)
	part := rapid.Custom(func(t *rapid.T) Part {
		return Part{anyText().Draw(t, "text"), rapid.Bool().Draw(t, "special")}
	})
	rapid.Check(t, func(t *rapid.T) {
		checkParts(t, tok, smallConfig(), rapid.SliceOfN(part, 0, 5).Draw(t, "parts"))
	})
}

// FuzzEncodeParts cuts a text into parts at the bits of kinds: an odd byte begins a
// special part, an even one another, after as many bytes as half of it says.
func FuzzEncodeParts(f *testing.F) {
	f.Add("hello<|im_end|><think>more", []byte{7, 12, 3})
	f.Add("e\u0301\xe4\xb8a<think>\xf0\x9f", []byte{3, 4, 9, 2})
	f.Add("a<|im_end|>  the\r\n", []byte{2, 15})
	c := smallConfig()
	tok := newSmall(f)
	f.Fuzz(func(t *testing.T, text string, kinds []byte) {
		if len(text) > 300 {
			t.Skip("the oracle is cubic")
		}
		var parts []Part
		for _, k := range kinds {
			n := min(int(k/2), len(text))
			parts = append(parts, Part{text[:n], k%2 == 1})
			text = text[n:]
		}
		checkParts(t, tok, c, append(parts, Part{text, false}))
	})
}

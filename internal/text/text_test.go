package text_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"unicode"

	"bankai/internal/text"

	"pgregory.net/rapid"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{text.Thousands(0), "0"},
		{text.Thousands(999), "999"},
		{text.Thousands(1000), "1,000"},
		{text.Thousands(5435817984), "5,435,817,984"},
		{text.Thousands(-1234), "−1,234"},

		{text.Amount(336768), "336,768"},
		{text.Amount(4849664), "4.85 million"},
		{text.Amount(999_600), "1.00 million"},
		{text.Amount(8190735360), "8.19 billion"},

		{text.Size(0), "0 B"},
		{text.Size(492), "492 B"},
		{text.Size(714432), "714 KB"},
		{text.Size(999_600), "1.00 MB"},
		{text.Size(1_155_000e3), "1.16 GB"},
		{text.Size(5e15), "5000 TB"},

		{text.ThreeDigits(99.96), "100"},
		{text.ThreeDigits(9.996), "10.0"},
		{text.ThreeDigits(0.5), "0.50"},

		{text.Digits(0), "0"},
		{text.Digits(2.40612), "2.406"},
		{text.Digits(-2.40612), "-2.406"},
		{text.Digits(0.0123456), "0.01235"},
		{text.Digits(0.00012), "0.0001200"},
		{text.Digits(0.00001234), "1.23e-05"},
		{text.Digits(15329.6), "15,330"},
		{text.Digits(999.9), "999.9"},
		{text.Digits(999.96), "1000.0"},
		{text.Digits(123456789), "1.23e+08"},
		{text.Digits(math.NaN()), "–"},
		{text.Digits(math.Inf(1)), "+Inf"},

		{text.Rounded(1), "1"},
		{text.Rounded(47.4), "47"},
		{text.Rounded(999.9999999999999), "1,000"},
		{text.Rounded(333333), "330,000"},
		{text.Rounded(2.14e6), "2,100,000"},
		{text.Rounded(1.25e7), "13 million"},

		{text.Percent(0, 7), "0 %"},
		{text.Percent(1, 0), "0 %"},
		{text.Percent(1, 1), "100 %"},
		{text.Percent(1, 3), "33 %"},
		{text.Percent(97, 100), "97 %"},
		{text.Percent(31, 1000), "3.1 %"},
		{text.Percent(512, 4849664), "0.011 %"},
		{text.Percent(1.3, 1e10), "0.000000013 %"},
		{text.Percent(0.00999, 100), "0.0100 %"},
		{text.Percent(1, 2.5e300), "0.000000000000 %"},

		{text.Probability(1), "1.00"},
		{text.Probability(0.4512), "0.45"},
		{text.Probability(0.0996), "0.10"},
		{text.Probability(0.0654), "0.065"},
		{text.Probability(0.0046), "0.0046"},
		{text.Probability(3.4e-9), "3.4e-09"},
		{text.Probability(1.16e-6), "1.2e-06"},
		{text.Probability(0.00015), "0.00015"},
		{text.Probability(2e-7), "2e-07"},
		{text.Probability(0), "1e-12 or less"},

		{text.Elapsed(3.21), "3.2 s"},
		{text.Elapsed(41.4), "41 s"},
		{text.Elapsed(125.9), "2 min 5 s"},
		{text.Elapsed(3785), "1 h 3 min"},

		{text.Minus("-2.5"), "−2.5"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{text.Count(0, "flip"), "0 flips"},
		{text.Count(1, "flip"), "1 flip"},
		{text.Count(4096, "flip"), "4096 flips"},
		{text.Plural(1, "category", "categories"), "1 category"},
		{text.Plural(2, "category", "categories"), "2 categories"},
		{text.Measure(0.43, "pass"), "0.4 passes"},
		{text.Measure(1, "pass"), "1 pass"},
		{text.Measure(12.4, "pass"), "12 passes"},
		{text.Measure(2, "candidate"), "2 candidates"},
		{text.Listed(nil), ""},
		{text.Listed([]string{"a"}), "a"},
		{text.Listed([]string{"a", "b"}), "a and b"},
		{text.Listed([]string{"a", "b", "c"}), "a, b and c"},
		{text.Line("one\n\n  two\r\n"), "one; two"},
		{text.Line("an escape \x1b[2J and a\ttab"), "an escape  [2J and a tab"},
		{text.Printable("a\tb\x1b"), "a·b·"},
		{text.Clip("größe", 5), "größe"},
		{text.Clip("größer", 5), "größ…"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// Whatever a text holds, it comes out on one line and cannot steer a terminal: neither
// by the control characters of ASCII nor by those from U+0080, of which U+009B begins
// a sequence on its own. What shows text from right to left is a control character, too.
func TestNoControlCharacters(t *testing.T) {
	for _, write := range []func(string) string{text.Line, text.Printable} {
		rapid.Check(t, func(t *rapid.T) {
			got := write(rapid.String().Draw(t, "text") + "\u009b31m\x1b\u2028\u2029\u202a\u202e\u2066\u2069")
			if strings.ContainsFunc(got, func(r rune) bool {
				return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || unicode.Is(unicode.Bidi_Control, r) && r > 0x200f
			}) {
				t.Fatalf("%q has control characters", got)
			}
		})
	}
}

func TestSimilar(t *testing.T) {
	words := []string{"bonsai-4b", "bonsai-8b", "bonsai-8b-mlx", "größe"}
	for word, want := range map[string][]string{
		"bonsai-8b":  {"bonsai-8b"},
		"bonsai8b":   {"bonsai-8b"},
		"bonsai-9b":  {"bonsai-4b", "bonsai-8b"},
		"onsai-8":    {"bonsai-8b"},
		"obnsai-8b":  {"bonsai-8b"},
		"groesse":    nil,
		"grösse":     {"größe"},
		"bonsai":     nil,
		"":           nil,
		"bonsai-8bb": {"bonsai-8b"},
	} {
		if got := text.Similar(word, words); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

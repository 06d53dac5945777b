package dialog

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// marked has brackets around what differs.
func marked(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		if s.Differs {
			s.Text = "[" + s.Text + "]"
		}
		b.WriteString(s.Text)
	}
	return b.String()
}

func TestDifferences(t *testing.T) {
	for _, c := range []struct{ text, other, want string }{
		{"the sum is 12", "the sum is 12", "the sum is 12"},
		{"the sum is 12", "the sum is 14", "the sum is [12]"},
		{"10x^4 + 12x^2", "10x^4 + 4x^2", "10x^4 + [12x]^2"},
		{"a b c", "", "[a b c]"},
		{"", "a", ""},
		{"so it is a cat", "it is a big cat", "[so ]it is a cat"},
		{"the big cat is", "the cat was", "the [big ]cat [is]"},
		{"größer", "größter", "[größer]"},
		{"日本語", "日本人", "日本[語]"},
	} {
		if got := marked(Differences(c.text, c.other)); got != c.want {
			t.Errorf("%q and %q: got %s, want %s", c.text, c.other, got, c.want)
		}
	}
}

// The spans are the text, and as much is common to both texts.
func TestDifferencesKeepTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.StringMatching(`[ab1 ,語]{0,12}`)
		a, b := texts.Draw(t, "a"), texts.Draw(t, "b")
		whole, common := "", func(text, other string) (n int) {
			for _, is := range commonWords(words(text), words(other)) {
				if is {
					n++
				}
			}
			return n
		}
		for _, s := range Differences(a, b) {
			whole += s.Text
		}
		if whole != a {
			t.Fatalf("the spans of %q are %q", a, whole)
		}
		if left, right := common(a, b), common(b, a); left != right {
			t.Fatalf("%q and %q have %d words in common, and %d", a, b, left, right)
		}
	})
}

package bpe

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func (p splitter) split(s string) (pieces []string) {
	for s != "" {
		n := p.pieceLen(s)
		pieces = append(pieces, s[:n])
		s = s[n:]
	}
	return pieces
}

// The files hold what Hugging Face's tokenizers make of these texts.
func TestSplitTable(t *testing.T) {
	for name, rules := range splitters {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open("testdata/splits_" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			lines := bufio.NewScanner(f)
			for n := 1; lines.Scan(); n++ {
				if lines.Text() == "" || strings.HasPrefix(lines.Text(), "#") {
					continue
				}
				var want []string
				if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				text := strings.Join(want, "")
				if got := rules.split(text); !slices.Equal(got, want) {
					t.Errorf("line %d: %+q splits into %+q, want %+q", n, text, got, want)
				}
			}
		})
	}
}

// The oracle is Go's regular expressions, which prefer alternatives as the
// reference does. They lack look-ahead, and their classes are of another edition of
// Unicode, so they run on a picture of the text: one ASCII character for each. The
// picture of a mark is what the rules take it for.
var (
	pictured = regexp.MustCompile(`^(?:(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\pL\pN]?\pL+|\pN| ?[^\s\pL\pN]+[\r\n]*|\s*[\r\n]+)`)
	spaces   = regexp.MustCompile(`^\s+`)
)

var pictureOfMark = map[string]string{"qwen2": "!", "qwen35": "x"}

func picture(rules string, text []rune) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < 0x80 && r != '\v': // Go's \s lacks the vertical tab
			b.WriteRune(r)
		case r == 'ſ':
			b.WriteByte('s')
		default:
			b.WriteByte(("!x1\t" + pictureOfMark[rules])[class(r)])
		}
	}
	return b.String()
}

func splitByRegexp(rules, s string) (pieces []string) {
	text := []rune(s)
	for len(text) > 0 {
		p := picture(rules, text)
		n := len(pictured.FindString(p))
		if n == 0 { // \s+(?!\S)|\s+
			n = len(spaces.FindString(p))
			if n > 1 && n < len(p) {
				n--
			}
		}
		pieces = append(pieces, string(text[:n]))
		text = text[n:]
	}
	return pieces
}

func TestSplitIsTheRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			anyText(),
			rapid.StringMatching(`[sStTrRvVeElLmMdDxſ' 1!\r\n\t\v\x{85}\x{a0}中\x{301}\x{903}]{0,12}`),
		).Draw(t, "text")
		for name, rules := range splitters {
			if got, want := rules.split(text), splitByRegexp(name, text); !slices.Equal(got, want) {
				t.Fatalf("%s: %+q splits into %+q, want %+q", name, text, got, want)
			}
		}
	})
}

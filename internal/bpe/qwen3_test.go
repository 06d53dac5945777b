package bpe

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// The tests in this file compare with Qwen3's own tokenizer. Its vocabulary is too
// large for this repository. They run where two variables are set:
//
//	BANKAI_QWEN3_TOKENIZER  Qwen3's tokenizer.json
//	BANKAI_QWEN3_CASES      lines of {"text":…,"bytes_hex":…,"ids":[…],"decoded":…}: a text
//	                        and its ids, the same text as it was before malformed UTF-8
//	                        was replaced, and the ids' text without control tokens; all
//	                        but the ids may be missing
const (
	tokenizerVariable = "BANKAI_QWEN3_TOKENIZER"
	casesVariable     = "BANKAI_QWEN3_CASES"
)

// fileFrom returns the path that an environment variable holds.
func fileFrom(t testing.TB, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skipf("NOT RUN: set %s", variable)
	}
	return path
}

// qwen3Config reads Hugging Face's tokenizer.json.
func qwen3Config(t testing.TB) Config {
	t.Helper()
	text, err := os.ReadFile(fileFrom(t, tokenizerVariable))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Added []struct {
			ID      int32
			Content string
			Special bool
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int32
			Merges [][2]string
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	c := Config{EOS: -1, BOS: -1, Pad: -1, Pre: "qwen2"}
	c.Tokens = make([]string, len(file.Model.Vocab)+len(file.Added))
	c.Types = make([]int32, len(c.Tokens))
	for text, id := range file.Model.Vocab {
		c.Tokens[id], c.Types[id] = text, typeNormal
	}
	for _, a := range file.Added {
		c.Tokens[a.ID], c.Types[a.ID] = a.Content, typeUserDefined
		if a.Special {
			c.Types[a.ID] = typeControl
		}
	}
	for _, m := range file.Model.Merges {
		c.Merges = append(c.Merges, m[0]+" "+m[1])
	}
	return c
}

func TestQwen3AgreesWithReference(t *testing.T) {
	f, err := os.Open(fileFrom(t, casesVariable))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := New(qwen3Config(t))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<26)
	n, bad := 0, 0
	for ; lines.Scan(); n++ {
		var c struct {
			Text    *string
			Bytes   string `json:"bytes_hex"`
			IDs     []int32
			Decoded *string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		var texts []string
		if c.Text != nil {
			texts = append(texts, *c.Text)
		}
		if malformed, err := hex.DecodeString(c.Bytes); err != nil {
			t.Fatal(err)
		} else if len(malformed) > 0 {
			texts = append(texts, string(malformed))
		}
		for _, text := range texts {
			if got := tok.Encode(text); !slices.Equal(got, c.IDs) {
				bad++
				t.Errorf("Encode(%+q)\n got %v\nwant %v", text, got, c.IDs)
			}
		}
		if c.Decoded != nil {
			if got := tok.Decode(c.IDs); got != *c.Decoded {
				bad++
				t.Errorf("Decode(%v)\n got %+q\nwant %+q", c.IDs, got, *c.Decoded)
			}
		}
	}
	if lines.Err() != nil || n == 0 {
		t.Fatal("no cases read:", lines.Err())
	}
	t.Logf("%d cases, %d differences", n, bad)
}

// None of Qwen3's special tokens can be written in an ordinary text.
func TestQwen3EncodeOrdinary(t *testing.T) {
	tok, err := New(qwen3Config(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(tok.specials.sorted) == 0 {
		t.Fatal("no special tokens")
	}
	for _, s := range tok.specials.sorted {
		text := "a" + s.text + "\n" + s.text + s.text
		if got := tok.EncodeOrdinary(text); slices.ContainsFunc(got, tok.isSpecial) || tok.Decode(got) != text {
			t.Errorf("EncodeOrdinary(%q): %v, text %q", text, got, tok.Decode(got))
		}
	}
}

func BenchmarkQwen3New(b *testing.B) {
	c := qwen3Config(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQwen3Encode(b *testing.B) {
	tok, err := New(qwen3Config(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, text := range []struct{ name, text string }{
		{"Chinese64k", manyIdeographs(64000)},
		{"EnglishMiB", strings.Repeat("The quick brown fox didn't jump over 12 lazy dogs. ", 1<<20/51)},
		{"OneLetterMiB", strings.Repeat("a", 1<<20)},
		{"SpacesMiB", strings.Repeat(" ", 1<<20)},
	} {
		b.Run(text.name, func(b *testing.B) {
			b.SetBytes(int64(len(text.text)))
			b.ReportAllocs()
			for b.Loop() {
				tok.Encode(text.text)
			}
		})
	}
}

// manyIdeographs returns n different and repeated Chinese characters without a space.
func manyIdeographs(n int) string {
	text := make([]rune, n)
	for i := range text {
		text[i] = 0x4E00 + rune(i*7919%20000)
	}
	return string(text)
}

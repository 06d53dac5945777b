package bpe

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestEncode(t *testing.T) {
	tok := newSmall(t)
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"words", "hello the", "hello Ġthe"},
		{"merges stay inside a piece", "hello  the", "hello Ġ Ġthe"},
		{"digits stay apart", "aa11", "aa 1 1"},
		{"normalised", "e\u0301", "Ã©"},
		{"malformed", "\xff\xe4\xbda", "ï¿½ï¿½ a"},
		{"special token", "a<|im_end|>a", "a <|im_end|> a"},
		{"special tokens in a row", "<think><|im_end|>", "<think> <|im_end|>"},
		{"the longest special token", "<think>more", "<think>more"},
		{"not quite the longest", "<think>mor", "<think> m o r"},
		{"not quite a special token", "<thin", "< t h i n"},
		{"spaces around a special token", "  <think>  ", "ĠĠ <think> ĠĠ"},
		{"no composing across a special token", "e<think>\u0301", "e <think> Ì ģ"},
		{"no composing into a special token", "<think>\u0338", "<think> Ì ¸"},
		{"unused tokens are not recognised", "[PAD]", "[ P A D ]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, id := range tok.Encode(c.text) {
				got = append(got, tok.Token(id))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("Encode(%+q): %s, want %s", c.text, got, c.want)
			}
		})
	}
}

// The file holds the ids that Hugging Face's tokenizers give for the tests' vocabulary
// with Qwen3.5's rules of splitting, by which marks are letters.
func TestEncodeQwen35(t *testing.T) {
	c := smallConfig()
	c.Pre = "qwen35"
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("testdata/ids_qwen35.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var want struct {
			Text string
			IDs  []int32
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if got := tok.Encode(want.Text); !slices.Equal(got, want.IDs) {
			t.Errorf("Encode(%+q)\n got %v\nwant %v", want.Text, got, want.IDs)
		}
	}
	if n == 0 {
		t.Error("no lines")
	}
}

// In an ordinary text no token is special: each is spelt out, alone and between others.
func TestEncodeOrdinary(t *testing.T) {
	c := smallConfig()
	c.BOS, c.AddBOS = endOfText, true
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"words", "hello the", "hello Ġthe"},
		{"normalised", "e\u0301", "Ã©"},
		{"malformed", "\xff\xe4\xbda", "ï¿½ï¿½ a"},
		{"a control token", "a<|im_end|>a", "a < | i m _ e n d | > a"},
		{"a user-defined token", "<think>", "< t h i n k >"},
		{"an unused token", "[PAD]", "[ P A D ]"},
		{"merges through what would be special", "aa<think>aa", "aa < t h i n k > aa"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, id := range tok.EncodeOrdinary(c.text) {
				got = append(got, tok.Token(id))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("EncodeOrdinary(%+q): %s, want %s", c.text, got, c.want)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		text := anyText().Draw(t, "text")
		for _, tok := range newSmalls(t) {
			checkOrdinary(t, tok.Tokenizer, tok.config, text)
		}
	})
}

// A vocabulary whose merges make a special token makes it of a whole text alone.
func TestEncodeOrdinaryAgainstMerges(t *testing.T) {
	c := smallConfig()
	c.Types[mergedIDs] = typeControl // he
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Encode("he"); !slices.Equal(got, []int32{mergedIDs}) {
		t.Errorf("Encode: %v", got)
	}
	if got := tok.EncodeOrdinary("he hello"); slices.ContainsFunc(got, tok.isSpecial) || tok.Decode(got) != "he hello" {
		t.Errorf("EncodeOrdinary: %v, text %q", got, tok.Decode(got))
	}
}

func (t *Tokenizer) isSpecial(id int32) bool {
	return slices.ContainsFunc(t.specials.sorted, func(s special) bool { return s.id == id })
}

// checkOrdinary compares with a plain rendering of the steps that knows of no special
// tokens, and decodes again.
func checkOrdinary(t interface{ Fatalf(string, ...any) }, tok *Tokenizer, c Config, text string) {
	normal := normalize(replaceMalformed(text))
	var want []string
	for _, piece := range splitByRegexp(c.Pre, normal) {
		want = append(want, naiveMerge(c.Merges, piece)...)
	}
	ids := tok.EncodeOrdinary(text)
	var got []string
	for _, id := range ids {
		if got = append(got, tok.Token(id)); tok.isSpecial(id) {
			t.Fatalf("EncodeOrdinary(%+q): the special token %q", text, tok.Token(id))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("EncodeOrdinary(%+q): %q, want %q", text, got, want)
	}
	if got := tok.Decode(ids); got != normal {
		t.Fatalf("%+q comes back as %+q", normal, got)
	}
}

func TestEncodeBeginsWithBOSWhereAsked(t *testing.T) {
	c := smallConfig()
	c.BOS, c.AddBOS = endOfText, true
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tok.Encode("a"), []int32{endOfText, 'a'}; !slices.Equal(got, want) {
		t.Errorf("Encode(a) = %v, want %v", got, want)
	}
}

func TestEncodeAgreesWithNaiveSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyText().Draw(t, "text")
		for _, tok := range newSmalls(t) {
			checkEncode(t, tok.Tokenizer, tok.config, text)
		}
	})
}

// checkEncode compares with a plain rendering of the steps, and decodes again.
func checkEncode(t interface{ Fatalf(string, ...any) }, tok *Tokenizer, c Config, text string) {
	var want []string
	var normal strings.Builder
	for rest := replaceMalformed(text); rest != ""; {
		plain, token := cutSpecial(rest)
		rest = rest[len(plain)+len(token):]
		for _, piece := range splitByRegexp(c.Pre, normalize(plain)) {
			want = append(want, naiveMerge(c.Merges, piece)...)
		}
		if token != "" {
			want = append(want, token)
		}
		normal.WriteString(normalize(plain) + token)
	}
	ids := tok.Encode(text)
	var got []string
	d := tok.Decoder()
	d.ShowControl = true
	var decoded strings.Builder
	for _, id := range ids {
		got = append(got, tok.Token(id))
		decoded.WriteString(d.Push(id))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Encode(%+q): %q, want %q", text, got, want)
	}
	if decoded.String() != normal.String() {
		t.Fatalf("%+q comes back as %+q", normal.String(), decoded.String())
	}
}

// cutSpecial cuts text before and after its first special token.
func cutSpecial(text string) (plain, token string) {
	for i := range text {
		for _, token := range []string{"<|endoftext|>", "<|im_end|>", "<think>more", "<think>"} {
			if strings.HasPrefix(text[i:], token) {
				return text[:i], token
			}
		}
	}
	return text, ""
}

func TestTokens(t *testing.T) {
	tok := newSmall(t)
	if got := tok.Vocab(); got != smallTokens {
		t.Errorf("Vocab() = %d, want %d", got, smallTokens)
	}
	for id, want := range map[int32]string{-1: "", ' ': "Ġ", mergedIDs: "he", imEnd: "<|im_end|>", smallTokens: ""} {
		if got := tok.Token(id); got != want {
			t.Errorf("Token(%d) = %q, want %q", id, got, want)
		}
	}
}

func TestSpecials(t *testing.T) {
	want := []string{"<think>", "<think>more", "<|endoftext|>", "<|im_end|>"}
	if got := newSmall(t).Specials(); !slices.Equal(got, want) {
		t.Errorf("Specials() = %q, want %q", got, want)
	}
}

func TestIsEnd(t *testing.T) {
	tok := newSmall(t)
	for id := int32(-1); id <= smallTokens; id++ {
		if got, want := tok.IsEnd(id), id == imEnd || id == endOfText; got != want {
			t.Errorf("IsEnd(%d) = %v, want %v (%s)", id, got, want, tok.Token(id))
		}
	}
}

func TestTokenizerIsSafeForConcurrentUse(t *testing.T) {
	tok := newSmall(t)
	const text = "hello the abc<|im_end|>你好 it's 12\n"
	want := tok.Encode(text)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if got := tok.Encode(text); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				tok.Decode(want)
			}
		})
	}
	all.Wait()
}

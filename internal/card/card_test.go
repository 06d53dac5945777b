package card

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai"
)

var update = flag.Bool("update", false, "write testdata/*.md anew")

// shape is that of all tensors of the tests' model.
func shape(string) (rows, cols uint32, ok bool) { return 512, 512, true }

func fitted(t testing.TB, m bankai.Meta, flips ...bankai.Flip) *bankai.Patch {
	t.Helper()
	p, err := bankai.New(bankai.Digest{1}, m, flips...).Fit(shape)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The cards of a patch that says all it can, and of one that says nothing.
func TestGolden(t *testing.T) {
	full := bankai.Meta{
		Name: "derivatives", Description: "applies the power rule to every term", BaseModel: "prism-ml/Bonsai-8B-gguf", License: "Apache-2.0", Author: "Ada",
		Created: time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC), Tool: "bankai 0.1", Command: "bankai search --probes a.json -o derivatives.bankai", Metric: "answer_logprob",
		Arithmetic: bankai.Arithmetic{Heads: 32, KVHeads: 8, HeadDim: 128, RMSEps: 1e-6, RopeTheta: 1e6},
		Claims: []bankai.Claim{
			{Name: "validation#power+chain", Probes: bankai.Digest{2}, Total: 300, Before: 169, After: 190, Fixed: 29, Broke: 8, PValue: 0.0007528970600105822},
			{Name: "held out, likelier answers", Probes: bankai.Digest{3}, Total: 60, Before: 10, After: 50, Fixed: 50, Broke: 10, PValue: 1e-7},
			{Name: "guard, answers that stayed the same", Probes: bankai.Digest{4}, Total: 96, Before: 96, After: 95, Broke: 1, PValue: 1},
		},
		Conflicts: []bankai.Conflict{{Content: bankai.Digest{5}, Name: "integrals", Why: "both forget sums"}},
		Metadata:  map[string]json.RawMessage{"guard": json.RawMessage(`{"edition":1,"seed":1,"tokens":2000,"digest":"` + bankai.Digest{4}.String() + `","kl":0.00063}`)},
	}
	flips := []bankai.Flip{
		{Tensor: "blk.2.ffn_gate.weight", Row: 7, N: bankai.ToEnd},
		{Tensor: "blk.2.ffn_gate.weight", Row: 9, Col: 128, N: 128},
		{Tensor: "blk.10.attn_v.weight", Row: 1, N: bankai.ToEnd},
		{Tensor: "token_embd.weight", Row: 5, Col: 3, N: 1},
	}
	for name, c := range map[string]struct {
		patch   *bankai.Patch
		options Options
	}{
		"full":  {fitted(t, full, flips...), Options{Signed: "Ada (0123456789ABCDEF)"}},
		"empty": {bankai.New(bankai.Digest{}, bankai.Meta{}), Options{}},
	} {
		got, err := Of(c.patch, c.options)
		if err != nil {
			t.Fatal(err)
		}
		path := "testdata/" + name + ".md"
		if *update {
			if err := os.WriteFile(path, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")); !bytes.Equal(got, want) {
			t.Errorf("%s: the card is\n%s", path, got)
		}
	}
}

// hostile are texts that would be something else than text on a page.
var hostile = []string{
	"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td></table><b>", "&lt;script&gt;", "<!-- x", "<a href='javascript:alert(1)'>",
	"[x](javascript:alert(1))", "![x](https://evil.example/p.png)", "[x]: https://evil.example", "https://evil.example/", "www.evil.example", "me@evil.example",
	"a | b | c", "`x`", "``` \nx", "```", "~~~", "# heading", "- item", "1. item", "> quote", "===", "---", "***", "**bold** _it_ ~~no~~",
	"$$x$$", "\\", "\\|", "\\`", "a\n\n---\nlicense: mit\n---\n", "\": {}\n- x", "'", "\"", "x: y", "%", "@handle", "\x1b[31m", "\u202egnp.exe", "\u2028x", "\x00", "\t",
	"https://evil.example/`|`", "<https://evil.example>", "{{ x }}", "{% x %}", "a\\", ":smile:", "x^2^",
}

// What a patch says of itself is text on the card, wherever it stands: no markup, no link
// and no HTML comes of it, no line is ended by it, and no cell.
func TestHostileTexts(t *testing.T) {
	plain := lines(t, "harmless")
	for _, text := range hostile {
		if printable(text) == "" {
			continue // as if nothing were said
		}
		got := lines(t, text)
		if len(got) != len(plain) {
			t.Errorf("%q makes %d lines, want %d", text, len(got), len(plain))
			continue
		}
		fenced := false
		for i, line := range got[front(got):] {
			i += front(got)
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
				continue
			}
			if fenced || strings.HasPrefix(line, seal) {
				continue
			}
			checkLine(t, text, line)
			if cells(line) != cells(plain[i]) {
				t.Errorf("%q makes %d cells: %s", text, cells(line), line)
			}
		}
	}
}

// front is how many lines the front matter takes, which is YAML: see TestFrontMatter.
func front(lines []string) int { return 2 + slices.Index(lines[1:], "---") }

// lines are those of a card whose every text is the same.
func lines(t *testing.T, text string) []string {
	p := fitted(t, bankai.Meta{
		Name: text, Description: text, BaseModel: text, License: text, Author: text, Tool: text, Command: text, Metric: text,
		Claims:    []bankai.Claim{{Name: text}},
		Conflicts: []bankai.Conflict{{Content: bankai.Digest{5}, Name: text, Why: text}},
	}, bankai.Flip{Tensor: "x" + strings.ToValidUTF8(text, ""), Row: 1, Col: 1, N: 1}, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 1, Col: 1, N: 1})
	card, err := Of(p, Options{Ref: "x", Signed: text})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(card), "\n")
}

// checkLine refuses what would begin HTML, a link or emphasis outside of code.
func checkLine(t *testing.T, text, line string) {
	t.Helper()
	outside := withoutCode(line)
	bare := strings.NewReplacer(`\\`, "", "\\`", "", `\*`, "", `\_`, "", `\[`, "", `\]`, "", `\!`, "", `\~`, "", `\$`, "", `\:`, "", `\.`, "", `\^`, "").Replace(outside)
	for _, bad := range []string{"<", ">", "](", "![", "**", "~~", "$$", "://", "www.", "@", "\x1b", "\u202e", "\u2028", "\x00"} {
		if strings.Contains(bare, bad) {
			t.Errorf("%q: the line has %q: %s", text, bad, line)
		}
	}
}

// withoutCode takes the spans of code out of a line, in which nothing is markup.
func withoutCode(line string) string {
	var out strings.Builder
	for line != "" {
		if strings.HasPrefix(line, "\\") && len(line) > 1 {
			out.WriteString(line[:2])
			line = line[2:]
			continue
		}
		if !strings.HasPrefix(line, "`") {
			out.WriteString(line[:1])
			line = line[1:]
			continue
		}
		fence := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		rest := line[len(fence):]
		for {
			at := strings.Index(rest, fence)
			if at < 0 {
				return out.String() + "unclosed" + rest
			}
			after := strings.TrimLeft(rest[at:], "`")
			whole := len(rest[at:])-len(after) == len(fence)
			rest = after
			if whole {
				break
			}
		}
		line = rest
	}
	return out.String()
}

// cells counts the bars that a table splits a line at.
func cells(line string) int {
	return strings.Count(line, "|") - strings.Count(line, `\|`)
}

// The front matter has only the values that it is made for, each on its line.
func TestFrontMatter(t *testing.T) {
	for _, c := range []struct{ license, model, want string }{
		{"", "", ""},
		{"MIT", "demo", "license: mit\n"},
		{"GPL-3.0-or-later", "", "license: gpl-3.0\n"},
		{"my own terms: ask", "", "license: other\nlicense_name: \"my-own-terms-ask\"\n"},
		{"a\"\n---\nx: y", "", "license: other\nlicense_name: \"a-x-y\"\n"},
		{"", "prism-ml/Bonsai-8B-gguf", "base_model: \"prism-ml/Bonsai-8B-gguf\"\nbase_model_relation: adapter\n"},
		{"", "../etc", ""},
		{"", "a/b/c", ""},
		{"", "a/b\nx: y", ""},
	} {
		card, err := Of(bankai.New(bankai.Digest{}, bankai.Meta{License: c.license, BaseModel: c.model}), Options{})
		want := "---\n" + c.want + "library_name: bankai\ntags:\n- bankai\n- 1-bit\n- patch\n---\n\n# "
		if err != nil || !strings.HasPrefix(string(card), want) {
			t.Errorf("%q, %q: %v\n%s", c.license, c.model, err, card[:min(len(card), 300)])
		}
	}
}

// A card knows itself, and that it was changed.
func TestIsOwn(t *testing.T) {
	card, err := Of(bankai.New(bankai.Digest{}, bankai.Meta{}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(card, []byte("Limits"), []byte("Borders"), 1)
	for _, c := range []struct {
		file         string
		own, changed bool
	}{
		{string(card), true, false},
		{string(edited), false, true},
		{string(card) + "more\n", false, true},
		{"# a page\n", false, false},
		{"", false, false},
		{"\n" + seal, false, true},
	} {
		if own, changed := IsOwn([]byte(c.file)); own != c.own || changed != c.changed {
			t.Errorf("%.40q…: own %v, changed %v", c.file, own, changed)
		}
	}
}

// FuzzProse: whatever a text is, it stays on its line and leaves no bare markup.
func FuzzProse(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := prose(text)
		if strings.ContainsAny(line, "\n\r<>@") || cells(line) != 0 && !strings.Contains(line, `\\`) {
			t.Errorf("%q became %q", text, line)
		}
		if span := code(text); strings.ContainsAny(span, "\n\r|") || withoutCode("a"+span+"b") != "ab" && span != "" {
			t.Errorf("%q became the code %q", text, span)
		}
		if fence := block(text); strings.Count(fence, "\n") != 3 {
			t.Errorf("%q became the block %q", text, fence)
		}
	})
}

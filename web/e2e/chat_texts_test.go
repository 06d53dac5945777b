package e2e

import (
	"slices"
	"testing"
)

// Whatever is written is shown as it was, in every script, and nothing of it is markup.
func testTextsAsTheyAre(t *testing.T, s *served) {
	p := open(t, s.url)
	p.see("#view-chat h1")
	for i, prompt := range []string{
		"Füße über Öl – straßenweise", "مرحبا، كيف حالك؟", "👩‍👩‍👧 🇩🇪 é", `<script>globalThis.bad = 1</script>`, `<img src=x onerror="globalThis.bad = 1">`,
	} {
		p.ask(i+1, prompt)
		if got := js[string](p, `[...document.querySelectorAll(".prompt > .said")].at(-1).textContent`); got != prompt {
			t.Errorf("%q is shown as %q", prompt, got)
		}
		if p.said(i+1, "") == "" {
			t.Errorf("%q has no answer", prompt)
		}
	}
	if js[bool](p, `"bad" in globalThis || document.querySelector("main script, main img") !== null`) {
		t.Error("a prompt became markup")
	}
	if dir := js[string](p, `getComputedStyle(document.querySelectorAll(".prompt > .said")[1]).direction`); dir != "rtl" {
		t.Errorf("Arabic is written %s", dir)
	}
	p.accessible()
}

// Tokens that are parts of a character make one piece of the text, and what a model says is
// no markup either. The tokens are such as the server sends.
func testTokensOfBytes(t *testing.T, s *served) {
	p := open(t, s.url)
	p.see("#view-chat h1")
	got := js[[]string](p, `import("./page/chat-tokens.js").then(({ TokenLine }) => {
		const token = (text, bytes) => [text, -0.5, [[text, -0.5]], ...(bytes ? [bytes] : [])];
		const base = new TokenLine("base"), line = new TokenLine("patch", base);
		for (const t of [token("a"), token("bytes:\\xf0\\x9f", [0xf0, 0x9f]), token("bytes:\\x98\\x80", [0x98, 0x80]), token("<b>x</b>"), token("c")]) line.push(t);
		for (const t of [token("a"), token("bytes:\\xf0\\x9f", [0xf0, 0x9f]), token("bytes:\\x98\\x81", [0x98, 0x81]), token("<b>x</b>")]) base.push(t);
		base.end("");
		line.end("");
		return [...line.list.children].map((e) => e.className + "|" + e.textContent + "|" + e.ariaLabel).concat(line.whole.textContent, line.verdict());
	})`)
	want := []string{
		"token|a|token 1: a", `token differs first|😀|tokens 2 to 3: 😀, the first difference, the base has bytes:\x98\x81`,
		"token|<b>x</b>|token 4: <b>x</b>", "token differs|c|token 5: c, the base has nothing here", "a😀<b>x</b>c",
		`differs first at token 3: “bytes:\x98\x80”, the base has “bytes:\x98\x81”`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	checkManyTokens(p)
}

// checkManyTokens finds that while tokens come they are compared until two answers part and no
// more, and that long answers are aligned at their end.
func checkManyTokens(p *tab) {
	p.Helper()
	got := js[[]int](p, `import("./page/chat-tokens.js").then(({ TokenLine }) => {
		const base = new TokenLine("base"), line = new TokenLine("patch", base);
		for (let i = 0; i < 3000; i++) for (const l of [line, base]) l.push([" t" + i % (l === base ? 7 : 8), -1, []]);
		line.end("");
		base.end("");
		return [line.list.childElementCount, line.checked, line.list.querySelectorAll(".differs").length];
	})`)
	// Each eighth token is one that the base does not have, and the one after it is where the
	// base goes on.
	if got[0] != 3000 || got[1] > 8 || got[2] < 3000/8 || got[2] > 3000/2 {
		p.Errorf("%d elements, %d compared as they came, %d marks", got[0], got[1], got[2])
	}
}

// After the first difference those tokens are marked that the other answer does not have, and
// not all that have another number there.
func testAligned(t *testing.T, s *served) {
	p := open(t, s.url)
	p.see("#view-chat h1")
	for _, test := range []struct{ mine, theirs, marked, cut string }{
		{"a b c d", "a b c d", "", ""},
		{"a x c d", "a b c d", "x", ""},
		{"a x y b c d e", "a b c d e", "x y", ""},
		{"a c d e", "a b c d e", "c", ""}, // a token is not there: where it would be is the first difference
		{"a x c d y f", "a b c d e f", "x y", ""},
		{"a b c d e", "a x b", "b", "cut"}, // nobody knows how the base would have gone on
		{"a b c d e", "a x b", "b c d e", ""},
	} {
		marked := js[string](p, `import("./page/chat-tokens.js").then(({ TokenLine }) => {
			const base = new TokenLine("base"), line = new TokenLine("patch", base);
			for (const [l, text] of [[line, `+quoted(test.mine)+`], [base, `+quoted(test.theirs)+`]]) for (const t of text.split(" ")) l.push([t, -1, []]);
			line.end("", false);
			base.end("", `+quoted(test.cut)+` !== "");
			return [...line.list.querySelectorAll(".differs")].map((e) => e.textContent).join(" ");
		})`)
		if marked != test.marked {
			t.Errorf("%q beside %q: marked are %q, want %q", test.mine, test.theirs, marked, test.marked)
		}
	}
}

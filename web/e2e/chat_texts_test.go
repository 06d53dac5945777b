package e2e

import (
	"slices"
	"testing"
)

// Whatever is written is shown as it was, in every script, and nothing of it is markup.
func TestChatShowsTextsAsTheyAre(t *testing.T) {
	p := open(t, chatServer(t).url)
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
func TestChatTokensOfBytes(t *testing.T) {
	p := open(t, serve(t, "").url)
	p.see("#view-chat h1")
	got := js[[]string](p, `import("./page/chat-tokens.js").then(({ TokenLine }) => {
		const token = (text, bytes) => [text, -0.5, [[text, -0.5]], ...(bytes ? [bytes] : [])];
		const base = new TokenLine("base"), line = new TokenLine("patch", base);
		for (const t of [token("a"), token("bytes:\\xf0\\x9f", [0xf0, 0x9f]), token("bytes:\\x98\\x80", [0x98, 0x80]), token("<b>x</b>"), token("c")]) line.push(t);
		for (const t of [token("a"), token("bytes:\\xf0\\x9f", [0xf0, 0x9f]), token("bytes:\\x98\\x81", [0x98, 0x81]), token("<b>x</b>")]) base.push(t);
		base.end("");
		line.end("");
		return [...line.element.children].map((e) => e.className + "|" + e.textContent + "|" + e.title).concat(line.verdict());
	})`)
	want := []string{
		"token|a|", `token differs first|😀|the base has bytes:\x98\x81 here`, "token|<b>x</b>|", "token differs|c|the base has ended before",
		`differs first at token 3: “bytes:\x98\x80”, the base has “bytes:\x98\x81”`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	checkManyTokens(p)
}

// checkManyTokens finds that a thousand tokens are compared once each, so that they take time
// in proportion to their number.
func checkManyTokens(p *tab) {
	p.Helper()
	steps := js[[]int](p, `import("./page/chat-tokens.js").then(({ TokenLine }) => {
		const base = new TokenLine("base"), lines = [1, 2, 3, 4, 5].map(() => new TokenLine("patch", base));
		let compared = 0;
		for (const line of lines) Object.defineProperty(line, "checked", { get() { return this.at ?? 0; }, set(v) { this.at = v; compared++; } });
		for (let i = 0; i < 1000; i++) for (const line of [...lines, base]) line.push([" t" + i % (line === base ? 7 : 8), -1, []]);
		return [compared, lines[4].element.childElementCount];
	})`)
	if steps[0] != 5*1000 || steps[1] != 1000 {
		p.Errorf("%d comparisons, %d elements", steps[0], steps[1])
	}
}

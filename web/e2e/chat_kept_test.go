package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Where nothing was said there is nothing to export, and there are examples: what is chosen is
// asked, and what is typed stays. The focus goes from what asks to Stop, and to the prompt.
func testBegins(t *testing.T, s *served) {
	p := open(t, s.url)
	p.see("#view-chat h1")
	p.wait(`document.querySelector("#export-json").disabled && document.querySelector("#export-markdown").disabled`)
	p.write("#prompt", "typed")
	js[bool](p, `(document.querySelector("#stop").addEventListener("focus", () => { globalThis.stopped = true; }), true)`)
	p.click(".example")
	p.answered(1)
	p.seeText(".prompt", "The derivative of x^4 + 9x^3 is")
	p.wait(`!document.querySelector("#export-json").disabled && !document.querySelector(".empty").checkVisibility()`)
	p.wait(`document.querySelector("#prompt").value === "typed" && globalThis.stopped && document.activeElement.id === "prompt"`)
	p.click("#send")
	p.answered(2)
	p.wait(`document.activeElement.id === "prompt"`)
	p.seeText(".turn:nth-child(2) .facts-line", "tokens/s to this page")
}

// Whatever the browser kept, the page is there; of what cannot be read only that is left out.
func testKeptShapes(t *testing.T, s *served) {
	p := open(t, s.url)
	p.see("#view-chat h1")
	const good = `{"id":"one","began":"2026-11-30T00:22:00Z","model":"demo","digest":"57f71546","columns":["","gone",7],"turns":[null,{"prompt":"kept","answers":{
		"":{"text":"an answer","tokens":[5],"finish":"stop","model":"other","fingerprint":"bk1-00000000-0-fast"},"gone":3}}]}`
	for _, kept := range []string{`{}`, `5`, `[null]`, `"text"`, `[[]]`, `{"a`, `[{"id":1},{"id":"two","turns":[{"prompt":{}}]},` + good + `]`} {
		js[bool](p, `(() => {
			for (const name of ["chats", "chat.columns", "chat.settings", "chat.draft", "chat.nobase"]) localStorage.setItem("bankai." + name, `+quoted(kept)+`);
			sessionStorage.setItem("bankai.chat.open", "one");
			return true;
		})()`)
		p.do(chromedp.Reload())
		p.see("#send")
		if js[bool](p, `!document.querySelector("#notice").hidden`) {
			t.Errorf("with %s: %s", kept, p.text("#notice"))
		}
	}
	p.seeText("#kept > summary", "Conversations (1)")
	p.seeText(".turn .cell .said", "an answer")
	p.seeText(".turn .facts-line", "answered by another model, other")
	p.accessible()
	p.click("#new-talk") // what is open is kept when the page is left
	js[bool](p, `(() => {
		localStorage.setItem("bankai.chats", JSON.stringify(Array.from({ length: 50 }, (_, i) => ({ id: "n" + i, turns: [{ prompt: "kept" }] }))));
		localStorage.setItem("bankai.chat.settings", "{}");
		return true;
	})()`)
	p.do(chromedp.Reload())
	p.see("#send")
	p.ask(1, night)
	p.seeText(".dropped", "1 old conversation had to go")
}

// A column whose patch is gone says so, in words for people, and the others are answered.
func testPatchGone(t *testing.T, s *served) {
	p := open(t, s.url+"#chat/drv")
	p.allow("404")
	p.see(".cell, #send")
	p.seeText(".chips", "not on this server")
	p.wait(`document.querySelectorAll(".chip").length === 2`) // until some are chosen, base and the one of the address
	p.addColumn("sums")
	p.ask(1, night)
	p.seeText(`.cell[data-column="drv"] .facts-line`, "the patch drv is gone: remove the column")
	p.seeText(`.cell[data-column="sums"] .facts-line`, "ended at the end of the line")
	p.write("#prompt", "")
	p.press(kb.Escape)
	if text := p.text("main"); len(text) == 0 || js[bool](p, `/compare\[|GET \/api/.test(document.body.innerText)`) {
		t.Errorf("the page talks of its requests: %s", text)
	}
}

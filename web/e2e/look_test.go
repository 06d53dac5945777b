package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// The frame of the page keeps what it tells in the reader's own colours, on paper, from
// right to left and on the widest screens; and whatever is pressed is large enough.
func TestLook(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	p := open(t, s.url)
	p.see("#view-chat h1")
	t.Run("forced colours", p.within(t, func(t *testing.T) {
		// Such elements as the parts have once something was asked of them.
		js[bool](p, `(() => {
			const add = (to, tag, properties) => to.appendChild(Object.assign(document.createElement(tag), properties));
			const all = add(document.querySelector("main"), "div", { id: "samples" });
			for (const state of ["", "on", "done", "failed"]) add(all, "i", { className: "dot " + state });
			add(add(all, "div", { className: "strip" }), "i", { className: "h3" });
			add(all, "i", { className: "swatch h2" });
			add(all, "div", { className: "row" }).setAttribute("aria-selected", "true");
			add(all, "span", { className: "token differs first" });
			add(all, "span", { className: "token differs" });
			add(all, "mark", {});
			return true;
		})()`)
		p.told("nav a[aria-current]", ".dot", ".strip", ".strip i", ".swatch", "[aria-selected=true]", ".token.differs", "mark", ".chip")
		js[bool](p, "(document.getElementById('samples').remove(), true)")
	}))
	t.Run("on paper", p.within(t, func(t *testing.T) {
		command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
		defer command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
		for _, part := range []string{"chat", "patches", "anatomy", "evaluation", "search"} {
			js[bool](p, "(location.hash = "+quoted(part)+", true)")
			p.see("#view-" + part + " h1")
			left := js[[]string](p, `[...document.querySelectorAll("nav, form, button, input, select, textarea")].filter((e) => e.checkVisibility()).map((e) => e.outerHTML.slice(0, 80))`)
			if len(left) > 0 {
				t.Errorf("%s is printed with %s", part, strings.Join(left, "\n"))
			}
		}
	}))
	t.Run("from right to left", p.within(t, func(t *testing.T) {
		js[bool](p, "(document.documentElement.dir = 'rtl', true)")
		for _, part := range []string{"chat", "patches", "anatomy", "evaluation", "search"} {
			js[bool](p, "(location.hash = "+quoted(part)+", true)")
			p.see("#view-" + part + " h1")
			for _, width := range []int64{320, 1280} {
				p.size(width, 900, "light")
				if at := js[[2]float64](p, "(() => { scrollTo(-1e4, 0); const r = document.querySelector('header').getBoundingClientRect(); return [r.left, r.width]; })()"); at != [2]float64{0, float64(width)} {
					t.Errorf("%s at %d pixels: the header begins at %v and is %v wide", part, width, at[0], at[1])
				}
			}
		}
		js[bool](p, "(document.documentElement.dir = '', true)")
	}))
	t.Run("on a wide screen", p.within(t, func(t *testing.T) {
		p.size(3840, 1200, "light")
		if apart := js[float64](p, "document.querySelector('.brand').getBoundingClientRect().left - document.querySelector('main > section:not([hidden]) h1').getBoundingClientRect().left"); apart < -1 || apart > 1 {
			t.Errorf("the header begins %v pixels from the content", apart)
		}
	}))
	t.Run("targets", p.within(t, func(t *testing.T) {
		p.size(1280, 900, "light")
		for _, part := range []string{"chat", "patches", "anatomy", "evaluation", "search"} {
			js[bool](p, "(location.hash = "+quoted(part)+", true)")
			p.see("#view-" + part + " h1")
			small := js[[]string](p, `[...document.querySelectorAll("button, summary, nav a, label:has(> input:is([type=checkbox], [type=radio]))")].filter((e) => e.checkVisibility())
				.filter((e) => Math.min(e.getBoundingClientRect().width, e.getBoundingClientRect().height) < 23.9).map((e) => e.outerHTML.slice(0, 80))`)
			if len(small) > 0 {
				t.Errorf("in %s are too small: %s", part, strings.Join(small, "\n"))
			}
		}
	}))
	t.Run("times", p.within(t, func(t *testing.T) {
		got := js[[]string](p, `import(new URL("page/numbers.js", location)).then(({ when }) => [when("2026-11-30T00:02:59"), when("none")])`)
		if strings.Join(got, "|") != "2026-11-30 00:02|" {
			t.Errorf("times are %q", got)
		}
	}))
}

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// The pictures of the documentation: what a user of the built-in model sees, with its two
// patches. They are made with -pictures; without, that is what is left out.
func TestPicturesOfThePage(t *testing.T) {
	if !*pictures {
		t.Skip("the pictures of docs/page are made with -pictures")
	}
	home := t.TempDir()
	for _, name := range []string{"derivatives", "integrals"} {
		patch, err := os.ReadFile(filepath.Join(root, "models/demo", name+".bankai"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name+".bankai"), patch, 0o600); err != nil {
			t.Fatal(err)
		}
		bankai(t, home, "library", "add", name+".bankai")
	}
	p := open(t, serve(t, home).url)
	p.see("#view-chat h1")
	p.greedy()
	p.addColumn("derivatives", "integrals")
	p.ask(1, "The derivative of x^4 + 9x^3 is")
	js[bool](p, `([...document.querySelectorAll(".turn .cell .first-difference, .turn .cell .first")].at(0) ?? [...document.querySelectorAll(".turn .cell[data-column='derivatives'] .tokens [data-token], .turn .cell[data-column='derivatives'] .tokens [tabindex]")].at(0)).focus(), true`)
	p.picture("chat")

	p.click("header nav a[href='#patches']")
	p.seeText("#view-patches", "integrals")
	p.picture("patches")

	js[bool](p, "(location.hash = 'anatomy/derivatives', true)")
	p.see("#flip-map")
	p.click("#flip-map [role=gridcell].h5, #flip-map .h5")
	p.see("#flip-rows")
	js[bool](p, "scrollTo(0, 0), true")
	p.picture("anatomy-flips")
	p.write("#trace-prompt", "The derivative of x^4 + 9x^3 is 4x^3 + 27x^2")
	p.click("#trace-start")
	p.see("#trace-table")
	js[bool](p, "document.querySelector('#trace-title').scrollIntoView(), true")
	p.picture("anatomy-trace")

	p.click("header nav a[href='#evaluation']")
	p.choose("#evaluation-set", "demo:validate")
	p.click(".ev-patches input[value='derivatives']")
	p.click("#evaluation-start")
	p.see(".ev-result .tiles")
	js[bool](p, "scrollTo(0, 0), true")
	p.picture("evaluation")

	p.click("header nav a[href='#search']")
	p.choose("#search-form [name=probes]", "demo:search_few")
	p.choose("#search-form [name=validate]", "demo:validate")
	p.choose("#search-form [name=controls]", "demo:control_few")
	p.write("#search-form [name=name]", "few")
	p.write("#search-form [name=steps]", "40")
	p.click("#search-form button[type=submit]")
	p.seeText("#search-run", "done")
	p.see("#search-run svg")
	js[bool](p, "scrollTo(0, 0), true")
	p.picture("search")
}

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// fillSearch asks for a small search, whose limits the page is given as people type them.
func fillSearch(p *tab, name, granularity, steps string) {
	p.Helper()
	p.wait("document.querySelector(\"#search-form option[value='demo:search_few']\")")
	p.choose("#search-form [name=probes]", "demo:search_few")
	p.choose("#search-form [name=validate]", "demo:control_few") // five are soon looked at
	p.write("#search-form [name=name]", name)
	p.write("#search-form [name=steps]", steps)
	js[bool](p, "document.querySelector('#search-form details').open = true")
	p.choose("#search-form [name=granularity]", granularity)
	p.write("#search-form [name=guard]", "none")
}

// A search to its end, reloaded in its middle: the page says what the program printed. The patch
// is kept, is there in the chat, and the picture is that of reports.
func TestSearch(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	p := open(t, s.url+"#search")
	fillSearch(p, "few", "row", "6")
	p.click("#search-form button[type=submit]")
	p.see("#search-run .phase")
	p.wait("document.activeElement.tagName === 'H2' && document.activeElement.innerText === 'few'")
	id := strings.TrimPrefix(js[string](p, "location.hash"), "#search/")
	p.do(chromedp.Reload())
	p.see("#search-run [data-verdict=validation]")
	p.seeText("#search-run .phase", "done")

	var d struct {
		Fitness  float64
		Flips    int
		Steps    int
		Accepted int
		Validate struct {
			Total, Before, After, Fixed, Broke int
		}
	}
	data, err := os.ReadFile(filepath.Join(s.home, "searches", id, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	for tile, want := range map[string]string{
		"fitness, nats":    fmt.Sprintf("%+.4f", d.Fitness),
		"validation right": fmt.Sprintf("%d of %d", d.Validate.After, d.Validate.Total),
		"flips":            fmt.Sprint(d.Flips),
		"candidates tried": fmt.Sprintf("%d of 6", d.Steps),
		"candidates kept":  fmt.Sprint(d.Accepted),
		"fixed":            fmt.Sprint(d.Validate.Fixed),
		"broke":            fmt.Sprint(d.Validate.Broke),
	} {
		if got := p.text("[data-tile='" + tile + "']"); !strings.HasPrefix(got, want) {
			t.Errorf("the tile %s says %q, the program printed %s", tile, got, want)
		}
	}
	if got, want := p.text("[data-verdict=validation]"), fmt.Sprintf("%d of %d right before, %d after", d.Validate.Before, d.Validate.Total, d.Validate.After); !strings.Contains(got, want) {
		t.Errorf("the verdict is %q, without %q", got, want)
	}
	if kept := js[int](p, "[...document.querySelectorAll('#search-kept tbody tr')].filter((r) => r.children[2].textContent).length"); kept != d.Accepted {
		t.Errorf("%d kept moves are listed, of %d", kept, d.Accepted)
	}
	p.see("#search-run .plot svg[aria-label^='Above, fitness against cost']")
	p.accessible()
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "light")
		p.fits()
	}
	p.size(1280, 900, "light")

	p.click("#search-keep")
	p.seeText("#search-run [role=status]", "Kept as few")
	if got := js[string](p, "fetch('v1/completions', {method: 'POST', body: JSON.stringify({model: 'demo:few', prompt: '12+30=', max_tokens: 4})}).then((r) => r.json()).then((r) => r.model)"); got != "demo:few" {
		t.Errorf("the model is %q", got)
	}
	p.do(chromedp.Reload()) // which it is told from: the server has the patch
	p.seeText("#search-run [role=status]", "Kept as few")
	p.click("#search-run a[href='#chat/few']")
	p.seeText("#view-chat", "few")
	js[bool](p, "history.back(), true")
	p.see("#search-run .plot svg")
	p.click("#search-run a[href='#evaluation/few']")
	p.wait("[...document.querySelectorAll('#view-evaluation input:checked')].some((box) => box.value === 'few')")
	js[bool](p, "history.back(), true")
	p.see("#search-run .plot svg")

	other := open(t, s.url+"#search/"+id)
	other.allow("404 (Not Found)")
	other.see("#search-download")
	p.click("#search-delete")
	p.see("dialog.confirm")
	p.press("\r") // on Cancel
	p.wait("!" + find("dialog.confirm"))
	if at := js[string](p, "document.activeElement.id"); at != "search-delete" {
		t.Errorf("the focus is on %q", at)
	}
	p.click("#search-delete")
	p.click("dialog.confirm button[value=yes]")
	p.seeText("#search-runs", "There are none yet.")
	p.wait("document.activeElement.innerText === 'Search'")
	other.click("#search-download")
	other.seeText("#search-run", "was deleted")
	if n := js[int](other, "document.querySelectorAll('#search-run button').length"); n != 0 {
		t.Errorf("%d buttons of a search that is deleted", n)
	}
}

// A search goes on while the page is offline, and the page finds it again. Stopped, it keeps what
// it found; with more candidates it goes on to its end.
func TestSearchStops(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	p := open(t, s.url+"#search")
	p.allow("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED")
	fillSearch(p, "long", "row", "100000")
	p.click("#search-form button[type=submit]")
	p.wait(moved(1))
	p.accessible()
	second := open(t, s.url+"#search")
	second.allow("409 (Conflict)")
	fillSearch(second, "two", "row", "3")
	second.click("#search-form button[type=submit]")
	second.seeText("#search-wrong", "the search for long is running")
	second.seeText("#search-runs", "long")
	second.click("#search-wrong a")
	second.see("#search-stop")
	second.wait("document.activeElement.tagName === 'H2' && document.activeElement.innerText === 'long'")
	p.offline(true)
	p.seeText("#search-run .lost", "The connection is lost")
	before := js[int](p, movedNow)
	p.offline(false)
	p.wait(moved(before + 1))
	p.wait("!" + find("#search-run .lost"))

	p.click("#search-stop")
	p.seeText("#search-run .phase", "stopped")
	steps := js[int](p, "Number.parseInt(document.querySelector('[data-tile=\"candidates tried\"]').innerText.replace(',', ''))")
	p.wait("document.activeElement.tagName === 'H2'") // the button that had the focus is of no use now
	p.do(chromedp.Reload())
	p.seeText("#search-run .phase", "stopped")
	p.see("#search-keep")
	p.write("#search-run .acts input[type=number]", fmt.Sprint(steps+1))
	p.click("#search-resume")
	p.seeText("#search-run .phase", "done")
	if at := js[string](p, "document.querySelector('#search-run .acts input[type=number]').value"); at != fmt.Sprint(2*(steps+1)) {
		t.Errorf("to go on to %s candidates is offered", at)
	}
	p.seeText("[data-tile='candidates tried']", fmt.Sprintf("%d of %[1]d", steps+1))
}

// movedNow is how many moves a search has made.
const movedNow = `Number.parseInt(document.querySelector("[data-tile='candidates kept']")?.innerText.replace(",", "") ?? "0")`

// moved is that a search has made some moves.
func moved(n int) string {
	return fmt.Sprintf("%s > %d", movedNow, n)
}

// What is wrong is said where it is, and nothing that was typed is lost. What files and probes
// are called is text.
func TestSearchRefuses(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	p := open(t, s.url+"#search")
	p.allow("400 (Bad Request)")
	fillSearch(p, "few", "row", "3")
	p.write("#search-form [name=layers]", "99")
	p.click("#search-form button[type=submit]")
	p.seeText("#search-wrong", "99")
	p.write("#search-form [name=layers]", "")
	p.write("#search-form [name=steps]", "1.5")
	p.click("#search-form button[type=submit]")
	p.seeText("#search-wrong", "candidates must be a whole number")
	if got := js[string](p, "document.getElementById(document.activeElement.getAttribute('aria-describedby')).innerText"); !strings.Contains(got, "candidates must") {
		t.Errorf("at the field is %q", got)
	}
	p.write("#search-form [name=steps]", "3")
	p.write("#search-form [name=minutes]", "0")
	p.click("#search-form button[type=submit]")
	p.seeText("#search-wrong", "minutes must be more than 0")
	p.write("#search-form [name=minutes]", "")
	p.write("#search-form [name=layers]", "99")
	p.click("#search-form button[type=submit]")
	p.seeText("#search-wrong", "Layers")
	if at, typed := js[string](p, "document.activeElement.name"), js[string](p, "document.querySelector('#search-form [name=layers]').value"); at != "layers" || typed != "99" {
		t.Errorf("the focus is on %q, %q is typed", at, typed)
	}
	p.do(chromedp.Reload())
	p.wait("document.querySelector(\"#search-form option[value='demo:search_few']\")")
	p.wait("document.querySelector('#search-form [name=layers]').value === '99' && document.querySelector('#search-form [name=name]').value === 'few'")
	js[bool](p, "document.querySelector('#search-form details').open = true")
	p.write("#search-form [name=layers]", "")

	evil := `<img src=x onerror="document.title='owned'">`
	probes, err := json.Marshal([]map[string]string{{"name": evil, "prompt": evil, "correct": "4", "wrong": "4", "category": evil}})
	if err != nil {
		t.Fatal(err)
	}
	p.drop("#search-form", map[string][]byte{evil + ".json": probes})
	p.seeText("#search-form", evil)
	p.accessible()
	p.click("#search-form button[type=submit]")
	p.seeText("#search-run .phase", "fatal finding")
	p.seeText("#search-run .phase", evil)
	js[bool](p, "document.querySelector('#search-run > details:last-child').open = true")
	p.seeText("#search-run .facts", evil[strings.LastIndex(evil, "/")+1:])
	if n := js[int](p, "document.querySelectorAll('main img').length"); n != 0 || strings.Contains(js[string](p, "document.title"), "owned") {
		t.Errorf("%d pictures, the title is %q", n, js[string](p, "document.title"))
	}
	p.accessible()
	p.size(320, 900, "dark")
	p.fits()

	p.click("#search-again")
	p.seeText("#search-form", ", of the search before")
	js[bool](p, "document.querySelector('#search-form [name=force]').click(), true")
	p.click("#search-form button[type=submit]")
	p.seeText("#search-run .phase", "done")
}

// Where others can reach the server, starting a search takes an admin key, and the page says so.
func TestSearchTakesAnAdminKey(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for name, key := range map[string]string{"users.txt": "user-key", "admins.txt": "admin-key"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, home, "--api-key-file", "users.txt", "--admin-key-file", "admins.txt")
	p := open(t, s.url+"#search")
	p.allow(http.StatusText(http.StatusUnauthorized), http.StatusText(http.StatusForbidden))
	p.write("#key-value", "user-key")
	p.click("#key-use")
	p.seeText("#search-may", "an admin key")
	fillSearch(p, "few", "row", "1")
	p.click("#search-form button[type=submit]")
	p.seeText("#key-why", "admin key")
	p.write("#key-value", "admin-key")
	p.click("#key-use")
	p.seeText("#search-run .phase", "done") // nothing writes into its folder any more
}

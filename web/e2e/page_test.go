package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Every part of the page can be seen, at every width, light and dark, and axe finds nothing.
func TestParts(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	p := open(t, s.url)
	for _, part := range []string{"chat", "patches", "anatomy", "evaluation", "search"} {
		p.click("header nav a[href='#" + part + "']")
		p.see("#view-" + part + " h1")
		for _, width := range []int64{320, 1280, 3840} {
			p.size(width, 900, "light")
			p.fits()
		}
		p.size(1280, 900, "light")
		p.accessible()
	}
}

// The page works below any path: behind a proxy that takes the path off, and behind one that
// leaves it, which the server knows; with and without the slash at the end.
func TestBelowAPath(t *testing.T) {
	t.Parallel()
	plain, prefixed := serve(t, ""), serve(t, "", "--path-prefix", "/deep/down")
	strip := httptest.NewServer(http.StripPrefix("/tools/bankai", proxyTo(t, plain.url)))
	t.Cleanup(strip.Close)
	leave := httptest.NewServer(proxyTo(t, strings.TrimSuffix(prefixed.url, "/deep/down/")))
	t.Cleanup(leave.Close)
	for _, url := range []string{strip.URL + "/tools/bankai/", prefixed.url, strings.TrimSuffix(prefixed.url, "/"), leave.URL + "/deep/down/"} {
		p := open(t, url)
		p.seeText("#model", "demo")
		p.see("#view-chat h1")
	}
}

// proxyTo is a proxy to a server that knows nothing of it.
func proxyTo(t *testing.T, to string) http.Handler {
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
}

// A server that wants a key is asked for nothing before there is one: a wrong one is said to
// be wrong, and the right one is kept as long as the tab.
func TestKey(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "", "--api-key-file", keys)
	p := open(t, s.url)
	p.allow("401")
	p.seeText("#key", "wants a key")
	p.accessible()
	p.write("#key-value", "battery staple")
	p.click("#key-use")
	p.seeText("#key-why", "not one of this server's")
	p.write("#key-value", "correct horse")
	p.press("\r")
	p.seeText("#model", "demo")
	p.do(chromedp.Reload())
	p.seeText("#model", "demo")
	if js[bool](p, "document.getElementById('key').open") {
		t.Error("the page asks for the key again")
	}
}

// An address that was made to lead elsewhere leads nowhere: what it names is a part of an
// address and no way.
func TestAddresses(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, "").url)
	p.allow("404", "400")
	p.see("#view-chat h1")
	js[bool](p, "(globalThis.asked = [], globalThis.fetch = new Proxy(fetch, {apply: (f, t, a) => { asked.push(a[1].method + ' ' + new URL(a[0]).pathname); return f.apply(t, a); }}), true)")
	for _, hash := range []string{"search/../patches/x", "evaluation/..%2fpatches%2fx?y=", "search/..", "patches/..", "constructor", "__proto__", "anatomy/%E0%A4", "anatomy/..", "main", "chat/..%2F"} {
		js[bool](p, "(asked.length = 0, location.hash = "+quoted(hash)+", true)")
		p.wait("new URL(document.URL).hash.length > 1 && document.querySelectorAll('main > section:not([hidden]) h1').length > 0")
		p.wait("document.querySelectorAll('main > section:not([hidden])').length === 1")
		for _, asked := range js[[]string](p, "asked") {
			if strings.HasSuffix(asked, "/api/patches/x") || strings.Contains(asked, "/../") {
				t.Errorf("#%s asks %s", hash, asked)
			}
		}
	}
	p.do(chromedp.Navigate(p.origin + "/#main")) // as after the link that skips the navigation
	p.see("#view-chat h1")
}

// A key that no header can have is refused in the dialog. Without one the page says what is
// wrong, and can be told the key later.
func TestKeyLater(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, serve(t, "", "--api-key-file", keys).url)
	p.allow("401")
	p.write("#key-value", "ключ")
	p.click("#key-use")
	p.wait("document.getElementById('key-value').validationMessage.includes('ASCII')")
	p.press("\x1b")
	p.seeText("#notice", "wants a key")
	p.accessible()
	p.click("#key-open")
	p.write("#key-value", "horse")
	p.press("\r")
	p.seeText("#model", "demo")
	p.wait("document.getElementById('notice').hidden")
	p.see("#view-chat h1")
}

// The page notices another model under the old address, when it is looked at again.
func TestAnotherModel(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	bankai(t, home, "patch", "apply", "demo", "-o", "other.gguf", "--patch", patchFile(t, home))
	s := serve(t, home)
	p := open(t, s.url)
	p.seeText("#model", "demo")
	s.stop()
	p.allow("ERR_")
	serve(t, home, "--model", "other.gguf", "--listen", strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/"))
	js[bool](p, "document.dispatchEvent(new Event('visibilitychange'))")
	p.seeText("#notice", "another model")
	p.seeText("#model", "other")
}

// patchFile is a small patch in a folder.
func patchFile(t *testing.T, dir string) string {
	t.Helper()
	const patch = `{"version":1,"name":"p","flips":[{"layer":1,"proj":"up_proj","row":3}]}`
	if err := os.WriteFile(filepath.Join(dir, "p.json"), []byte(patch), 0o600); err != nil {
		t.Fatal(err)
	}
	return "p.json"
}

package web

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/weights"
	"bankai/models/demo"
)

// get asks the page for a file.
func get(path string, head ...string) *httptest.ResponseRecorder {
	q := httptest.NewRequest("GET", path, http.NoBody)
	for i := 0; i < len(head); i += 2 {
		q.Header.Set(head[i], head[i+1])
	}
	got := httptest.NewRecorder()
	Page().ServeHTTP(got, q)
	return got
}

// filesOf is every file of the page by its address.
func filesOf(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"/": get("/").Body.String(), "/page/look.css": get("/page/look.css").Body.String()}
	addExamples(func(at string, _ []byte) { all[at] = get(at).Body.String() })
	err := fs.WalkDir(embedded, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "page/index.html" {
			return err
		}
		all["/"+name] = get("/" + name).Body.String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What the page names is there, and it names everything that is there by where it lies
// relative to the page, so that it works below any path.
func TestFilesAreThere(t *testing.T) {
	files := filesOf(t)
	named := map[string]bool{"/": true}
	for at, text := range files {
		for _, m := range regexp.MustCompile(`(?:href|src)="([^"#]+)"|(?m:^import[^"]*|import\()"([^"]+)"`).FindAllStringSubmatch(text, -1) {
			name := m[1] + m[2]
			if strings.HasPrefix(name, "/") || strings.Contains(name, ":") {
				t.Errorf("%s names %s, which is not relative to it", at, name)
			}
			if name = path.Join(path.Dir(at), name); files[name] == "" {
				t.Errorf("%s names %s, which is not there", at, name)
			}
			named[name] = true
		}
		// What modules fetch, and what lists of such files name, is relative to the page.
		for _, m := range regexp.MustCompile(`"(page/[^"]+)"`).FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(at, "/page/") {
				continue
			}
			if files["/"+m[1]] == "" {
				t.Errorf("%s fetches %s, which is not there", at, m[1])
			}
			named["/"+m[1]] = true
		}
	}
	for at := range files {
		if !named[at] {
			t.Errorf("nothing names %s", at)
		}
	}
	if got := get("/page/none.js"); got.Code != 404 {
		t.Errorf("a file that is not there: %d", got.Code)
	}
}

// A browser refuses whatever could make a text into markup or script, and asks every time
// whether a file is still the same.
func TestHeaders(t *testing.T) {
	for at := range filesOf(t) {
		got := get(at)
		h := got.Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-cache", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if !strings.HasPrefix(h.Get(name), want) {
				t.Errorf("%s: %s: %q", at, name, h.Get(name))
			}
		}
		if strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: %s", at, h.Get("Content-Security-Policy"))
		}
		for ending, kind := range map[string]string{".js": "text/javascript", ".css": "text/css", "/": "text/html", ".svg": "image/svg+xml"} {
			if strings.HasSuffix(at, ending) && !strings.HasPrefix(h.Get("Content-Type"), kind) {
				t.Errorf("%s is %s", at, h.Get("Content-Type"))
			}
		}
		if again := get(at, "If-None-Match", h.Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s, which the browser has: %d", at, again.Code)
		}
	}
}

// No file has what the policy would refuse, nor an address of elsewhere.
func TestNoMarkupFromText(t *testing.T) {
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\bon[a-z]+="|style="|<script>|javascript:|https?://[^"\s]+`)
	for at, text := range filesOf(t) {
		for _, found := range bad.FindAllString(text, -1) {
			if found != "http://www.w3.org/2000/svg" && found != "http://www.w3.org/1999/xhtml" {
				t.Errorf("%s has %s", at, found)
			}
		}
	}
}

// The built-in model's patches are there as the program has them, and the list says which
// model they are for and what they flip as a server that has them does.
func TestExamples(t *testing.T) {
	f, err := weights.FromBytes("demo", demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []example
	if err := json.Unmarshal(get("/page/examples.json").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != len(demo.Patches()) {
		t.Fatalf("%d examples", len(list))
	}
	for i, embedded := range demo.Patches() {
		p, err := bankai.Read(bytes.NewReader(get("/" + list[i].File).Body.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if p, err = f.Fit(p); err != nil {
			t.Fatal(err)
		}
		if want := (example{embedded.Name, "page/examples/" + embedded.Name + ".bankai", f.Digest(), "sha256:" + p.WithBase(f.Digest()).ContentDigest().String()}); list[i] != want {
			t.Errorf("got %+v, want %+v", list[i], want)
		}
	}
	if kind := get("/page/examples.json").Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("the list is %s", kind)
	}
}

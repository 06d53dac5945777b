package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
)

func local(t *testing.T) *running { return start(t, Options{Loopback: true}) }

// put gives the server a patch.
func (r *running) put(name string, p *bankai.Patch, status int) patchDoc {
	r.t.Helper()
	got := r.do("PUT", "/api/patches/"+name, string(encoded(r.t, p)))
	if got.status != status {
		r.t.Fatalf("PUT %s: %+v", name, got)
	}
	return parse[patchDoc](r.t, got.body)
}

// A patch is put, listed, shown, replaced and deleted; requests see each at once.
func TestPutAndDelete(t *testing.T) {
	r := local(t)
	said := func(p *bankai.Patch) string { return r.alone(prompt, p, 12, greedy) }
	doc := r.put("new", patchA(), 201)
	if doc.Name != "new" || doc.Model != "demo:new" || doc.Flips != 300 || doc.Bits != 300*256 || doc.Base != r.model.Digest() || doc.Title != "rows" {
		t.Errorf("%+v", doc)
	}
	if got := r.ask(texts, completionBody("demo:new", "")).text(); got != said(patchA()) {
		t.Errorf("put: %q", got)
	}
	if shown := parse[patchDoc](t, r.do("GET", "/api/patches/new", "").body); shown.Digest != doc.Digest || shown.Tensors["blk.1.ffn_up.weight"] != 300 {
		t.Errorf("%+v", shown)
	}
	list := parse[struct{ Patches []patchDoc }](t, r.do("GET", "/api/patches", "").body)
	if names := fmt.Sprintf("%d %s", len(list.Patches), list.Patches[3].Name); names != "4 new" {
		t.Errorf("listed: %s", names)
	}
	if other := r.put("new", patchB(), 200); other.Digest == doc.Digest {
		t.Error("another patch has the same digest")
	}
	if got := r.ask(texts, completionBody("demo:new", "")).text(); got != said(patchB()) {
		t.Errorf("replaced: %q", got)
	}
	if got := r.do("DELETE", "/api/patches/new", ""); got.status != 204 {
		t.Errorf("%+v", got)
	}
	r.refuses(404, "DELETE", "/api/patches/new", "")
	r.refuses(404, "GET", "/api/patches/new", "")
	r.refuses(404, "POST", texts, completionBody("demo:new", ""))
}

// What is no patch for this model is refused, and the others stay (vllm#13698, #11702,
// #4879, dynamo#5184: one bad adapter took all down).
func TestBadPatchesAreRefusedAlone(t *testing.T) {
	r := local(t)
	good := encoded(t, patchA())
	changed := slices.Clone(good)
	changed[len(changed)/2] ^= 1
	tall := bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: 1 << 20, N: bankai.ToEnd})
	for _, c := range []struct {
		name, data string
		status     int
	}{
		{"x", "", 400},
		{"x", "hello", 400},
		{"x", "{}", 400},
		{"x", "GGUF\x03\x00", 400},
		{"x", string(good[:len(good)/2]), 400},
		{"x", string(changed), 400},
		{"x", string(encoded(t, patchA().WithBase(bankai.Digest{7}))), 409},
		{"x", string(encoded(t, tall)), 409},
		{"demo", string(good), 400},
		{"latest", string(good), 400},
		{"X", string(good), 400},
		{"a%3Ab", string(good), 400},
		{"a%2Fb", string(good), 400},
		{"%2e%2e", string(good), 400},
		{"%C3%A9", string(good), 400},
		{strings.Repeat("x", 300), string(good), 400},
	} {
		e := r.refuses(c.status, "PUT", "/api/patches/"+c.name, c.data)
		if got := r.do("PUT", "/api/patches/"+c.name, c.data); c.status == 409 && got.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: clients would try again: %+v", e.Message, got.header)
		}
	}
	if got := r.Patches(); !slices.Equal(got, []string{"a", "b", "both"}) {
		t.Errorf("there are %v", got)
	}
	if got := r.ask(texts, completionBody("demo:a", "")).text(); got != r.alone(prompt, patchA(), 12, greedy) {
		t.Errorf("a says %q", got)
	}
}

// Patches of which one says that it must not be combined with the other answer no request
// together, in either order; each alone does.
func TestConflictingPatchesAreRefusedTogether(t *testing.T) {
	r := local(t)
	foe := bankai.Conflict{Content: patchA().ContentDigest(), Name: "a", Why: "both forget sums"}
	r.put("foe", patchB().WithMeta(bankai.Meta{Conflicts: []bankai.Conflict{foe}}), 201)
	for _, model := range []string{"demo:a+foe", "demo:foe+a"} {
		for _, path := range []string{texts, chats} {
			body := completionBody(model, "")
			if path == chats {
				body = fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"x"}]}`, model)
			}
			e := r.refuses(409, "POST", path, body)
			if !strings.HasSuffix(e.Message, " must not be combined (both forget sums): name one of them") || e.param() != "patches" {
				t.Errorf("%s: %q of %q", model, e.Message, e.param())
			}
		}
	}
	if got := r.do("GET", "/api/patches/foe", "").body; !strings.Contains(got, `"why":"both forget sums"`) {
		t.Errorf("it is not said: %s", got)
	}
	for _, model := range []string{"demo:a", "demo:foe"} {
		if got := r.ask(texts, completionBody(model, "")).text(); got == "" {
			t.Errorf("%s says nothing", model)
		}
	}
}

// A path is no name (lorax#51, aibrix#555, audio.cpp#614), wherever it is given.
func TestPathsAreNoNames(t *testing.T) {
	r := local(t)
	path := filepath.Join(t.TempDir(), "p.bankai")
	if err := patchA().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, "file://" + path, "/etc/passwd", "../../p", "a/../" + path} {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		r.refuses(404, "POST", texts, completionBody("demo:"+name, ""))
		r.refuses(404, "POST", texts, completionBody("demo", `,"patches":[`+string(quoted)+`]`))
		r.refuses(400, "POST", texts, completionBody("demo", `,"patches":[{"path":`+string(quoted)+`}]`))
		r.refuses(400, "PUT", "/api/patches/x", string(quoted))
		r.do("DELETE", "/api/patches/"+strings.ReplaceAll(name, "/", "%2F"), "")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// Same name, new content (vllm#42125, #30931): each answer is that of a server that never
// had another patch under the name.
func TestReplacedPatchIsNotRemembered(t *testing.T) {
	r := local(t)
	long := strings.Repeat("The sailor sleeps. ", 6) + "At night the"
	body := fmt.Sprintf(`{"model":"demo:x","prompt":%q,"temperature":0,"max_tokens":10}`, long)
	for i, p := range []*bankai.Patch{patchA(), patchB(), patchA(), rows(100, 300)} {
		r.put("x", p, map[bool]int{true: 201, false: 200}[i == 0])
		for range 2 {
			if got := r.ask(texts, body).text(); got != r.alone(long, p, 10, greedy) {
				t.Errorf("patch %d: %q", i, got)
			}
		}
	}
}

// A running request keeps its patch (vllm#47724, #5105): it ends with the bytes of the one
// that it began with, whatever is put or deleted meanwhile, and others come and go.
func TestRunningRequestsKeepTheirPatch(t *testing.T) {
	r := local(t)
	r.put("x", patchA(), 201)
	const n = 8
	want := make([]string, n)
	open := make([]*http.Response, n)
	for i := range n {
		seed := uint64(i)
		want[i] = r.alone("At night the", patchA(), 120, engine.Sampling{Temperature: 1, TopP: 1, Seed: seed})
		body := fmt.Sprintf(`{"model":"demo:x","prompt":"At night the","max_tokens":120,"temperature":1,"top_k":0,"top_p":1,"min_p":0,"seed":%d,"stream":true}`, seed)
		a, err := r.http.Post(r.url+texts, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		open[i] = a
	}
	for i := range 40 {
		r.put("x", rows(uint32(i), 200), 200)
		r.put(fmt.Sprintf("other-%d", i), rows(uint32(2*i), 3), 201)
	}
	r.do("DELETE", "/api/patches/x", "")
	if got := r.do("DELETE", "/api/patches/x", ""); got.status != 404 { // not held up by those that run
		t.Errorf("deleted again: %+v", got)
	}
	for i, a := range open {
		got := ""
		for lines := bufio.NewScanner(a.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: {"); ok {
				got += parse[answered](t, "{"+data).text()
			}
		}
		a.Body.Close()
		if got != want[i] {
			t.Errorf("request %d: %q, want %q", i, got, want[i])
		}
	}
	r.refuses(404, "POST", texts, completionBody("demo:x", ""))
}

// Names are put and deleted at once (vllm#11727, sglang#36894), while requests name them:
// each request has the answer under one of the patches, or is told that there is none.
func TestPutDeleteAndAskAtOnce(t *testing.T) {
	r := local(t)
	allowed := []string{r.alone(prompt, patchA(), 8, greedy), r.alone(prompt, patchB(), 8, greedy)}
	body := fmt.Sprintf(`{"model":"demo:x","prompt":%q,"temperature":0,"max_tokens":8}`, prompt)
	concurrently(12, func(i int) {
		for k := range 8 {
			switch {
			case i < 2:
				r.do("PUT", "/api/patches/x", string(encoded(t, []*bankai.Patch{patchA(), patchB()}[i])))
			case i == 2 && k%3 == 0:
				r.do("DELETE", "/api/patches/x", "")
			default:
				got := r.do("POST", texts, body)
				if got.status == 404 {
					continue
				}
				if text := parse[answered](t, got.body).text(); got.status != 200 || !slices.Contains(allowed, text) {
					t.Errorf("%+v", got)
				}
			}
		}
	})
}

// A hundred patches, asked in turn, all answer (production-stack#708, vllm#11077).
func TestHundredPatches(t *testing.T) {
	r := local(t)
	for i := range 100 {
		r.put(fmt.Sprintf("p%d", i), rows(uint32(i*5), 300), 201)
	}
	concurrently(8, func(w int) {
		for i := w; i < 100; i += 8 {
			body := fmt.Sprintf(`{"model":"demo:p%d","prompt":%q,"temperature":0,"max_tokens":5}`, i, prompt)
			if got, want := r.ask(texts, body).text(), r.alone(prompt, rows(uint32(i*5), 300), 5, greedy); got != want {
				t.Errorf("p%d: %q, want %q", i, got, want)
			}
		}
	})
}

// More sets than are kept: those that are dropped are made again.
func TestOverlaysAreDropped(t *testing.T) {
	r := local(t)
	l := r.current.Load()
	for i := range uint32(maxOverlays + 50) {
		p, err := l.patches.fit("x", rows(i, 1))
		if err != nil {
			t.Fatal(err)
		}
		a, errA := l.patches.set([]*patch{p})
		b, errB := l.patches.set([]*patch{p})
		if errA != nil || errB != nil || a.overlay == nil || a.overlay != b.overlay {
			t.Fatal("equal sets have two overlays")
		}
	}
	if n := l.patches.overlays.used.Len(); n != maxOverlays || len(l.patches.overlays.known) != n {
		t.Errorf("%d overlays are kept", n)
	}
	// Large ones are dropped sooner: here there is room for three.
	var bytes int64
	for i := range uint32(8) {
		p, err := l.patches.fit("x", bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: i, Col: 3, N: 1}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: 100, N: 5}))
		if err != nil {
			t.Fatal(err)
		}
		set, err := l.patches.set([]*patch{p})
		if err != nil {
			t.Fatal(err)
		}
		bytes = set.overlay.Bytes()
		l.patches.overlays.room = 3*bytes + bytes/2
	}
	if c := l.patches.overlays; c.used.Len() != 3 || len(c.known) != 3 || c.bytes != 3*bytes || bytes < 2*256/8 {
		t.Errorf("%d overlays of %d bytes are kept, one of which has %d", c.used.Len(), c.bytes, bytes)
	}
}

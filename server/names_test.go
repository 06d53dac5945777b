package server

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
)

var greedy = engine.Sampling{}

const prompt = "Find the derivative of 2x^8:"

// completion is a greedy one of the test's prompt, under a model and further members.
func completionBody(model, more string) string {
	return fmt.Sprintf(`{"model":%q,"prompt":%q,"temperature":0,"max_tokens":12%s}`, model, prompt, more)
}

// Every way of naming patches leads to the answer that the engine gives under them, and
// the answer says what it was made under.
func TestNamesOfPatches(t *testing.T) {
	r := start(t, Options{InlinePatches: 64 << 10})
	a, b := patchA(), patchB()
	ab, err := a.Xor(b)
	if err != nil {
		t.Fatal(err)
	}
	content := func(p *bankai.Patch) string {
		fitted, err := p.WithBase(r.model.Digest()).Fit(r.model.Weights().Shape)
		if err != nil {
			t.Fatal(err)
		}
		return "sha256:" + fitted.ContentDigest().String()
	}
	inline := base64.StdEncoding.EncodeToString(encoded(t, a))
	for _, c := range []struct {
		model, patches string
		want           *bankai.Patch
		echoed         string
	}{
		{"demo", "", nil, "demo"},
		{"demo:latest", "", nil, "demo:latest"},
		{"demo:a", "", a, "demo:a"},
		{"a", "", a, "a"},
		{"demo:a+b", "", ab, "demo:a+b"},
		{"demo:b+a", "", ab, "demo:b+a"},
		{"demo:both", "", ab, "demo:both"},
		{"demo", `["a"]`, a, "demo:a"},
		{"demo", `[]`, nil, "demo"},
		{"demo", `null`, nil, "demo"},
		{"demo:a", `["a"]`, a, "demo:a"},
		{"demo:a+b", `["both"]`, ab, "demo:both"},
		{"demo", `["` + content(a) + `"]`, a, "demo:a"},
		{"demo", `["a@` + content(a) + `"]`, a, "demo:a"},
		{"demo", `[{"data":"` + inline + `"}]`, a, "demo:" + content(a)[:19]},
		{"demo", `["b",{"data":"` + inline + `"}]`, ab, "demo:b+" + content(a)[:19]},
	} {
		more := ""
		if c.patches != "" {
			more = `,"patches":` + c.patches
		}
		got := r.ask(texts, completionBody(c.model, more))
		digest := "00000000"
		if c.want != nil {
			digest = content(c.want)[7:15]
		}
		want := r.alone(prompt, c.want, 12, greedy)
		if got.text() != want || got.Model != c.echoed || got.Fingerprint != fmt.Sprintf("bk1-%.8s-%s-fast", r.model.Digest(), digest) {
			t.Errorf("%s %s: %q of %s, %s, want %q of %s", c.model, c.patches, got.text(), got.Model, got.Fingerprint, want, c.echoed)
		}
	}
	if plain, patched := r.alone(prompt, nil, 12, greedy), r.alone(prompt, ab, 12, greedy); plain == patched {
		t.Errorf("the patches change nothing, so they test nothing: %q", plain)
	}
	got := r.do("POST", texts, completionBody("demo:b+a", ""))
	if want := "b@" + content(b) + ", a@" + content(a); got.header.Get("Bankai-Patches") != want {
		t.Errorf("the answer is said to be under %q, want %q", got.header.Get("Bankai-Patches"), want)
	}
}

// Nothing that is not there, or makes no sense, is answered: least of all by the model
// without patches.
func TestUnknownNamesAreRefused(t *testing.T) {
	r := start(t, Options{InlinePatches: 1 << 10})
	other := base64.StdEncoding.EncodeToString(encoded(t, rows(1, 2).WithBase(bankai.Digest{1})))
	cut := base64.StdEncoding.EncodeToString(encoded(t, rows(1, 2))[:20])
	for _, c := range []struct {
		model, patches string
		status         int
		param, says    string
	}{
		{"gpt-4o", "", 404, "model", `no model "gpt-4o"`},
		{"", "", 404, "model", "no model"},
		{"Demo", "", 404, "model", "no model"},
		{"demo:", "", 404, "model", "no patch"},
		{"demo:a+", "", 404, "model", "no patch"},
		{"demo:c", "", 404, "model", `no patch "c"`},
		{"demo:a,b", "", 404, "model", "no patch"},
		{"demo:latest+a", "", 404, "model", `no patch "latest"`},
		{"other:a", "", 404, "model", "no model"},
		{"demo:a:latest", "", 404, "model", "no model"},
		{"a+b", "", 404, "model", "no model"},
		{"../a", "", 404, "model", "no model"},
		{"demo:a+a", "", 400, "patches", "a is named twice, and both together do nothing"},
		{"demo:" + strings.Repeat("a+", 100) + "a", "", 400, "model", "101 patches"},
		{"demo", `["c"]`, 404, "patches", `patches[0]: there is no patch "c"`},
		{"demo", `["a","a"]`, 400, "patches", "named twice"},
		{"demo", `["a","/etc/passwd"]`, 404, "patches", "patches[1]"},
		{"demo", `["sha256:00"]`, 400, "patches", "64 hexadecimal"},
		{"demo", `["sha256:` + strings.Repeat("0", 64) + `"]`, 404, "patches", "no patch with the digest"},
		{"demo", `["a@sha256:` + strings.Repeat("0", 64) + `"]`, 404, "patches", "is not what"},
		{"demo:a", `["b"]`, 400, "patches", "name different patches"},
		{"demo:a", `[]`, 400, "patches", "name different patches"},
		{"demo", `"a"`, 400, "patches", "a list of names"},
		{"demo", `[7]`, 400, "patches", "must be a name"},
		{"demo", `[null]`, 400, "patches", "must be a name"},
		{"demo", `[{"path":"/etc/passwd"}]`, 400, "patches", "must be a name"},
		{"demo", `[{"data":"%%"}]`, 400, "patches", "base64"},
		{"demo", `[{"data":""}]`, 400, "patches", "the file is empty"},
		{"demo", `[{"data":"` + cut + `"}]`, 400, "patches", "cannot be read"},
		{"demo", `[{"data":"` + other + `"}]`, 409, "patches", "made for model 01"},
		{"demo", `[{"data":"` + strings.Repeat("A", 4000) + `"}]`, 400, "patches", "more than 1024 bytes"},
	} {
		more := ""
		if c.patches != "" {
			more = `,"patches":` + c.patches
		}
		for _, path := range []string{texts, chats} {
			body := completionBody(c.model, more)
			if path == chats {
				body = strings.Replace(body, fmt.Sprintf(`"prompt":%q`, prompt), `"messages":[{"role":"user","content":"x"}]`, 1)
			}
			e := r.refuses(c.status, "POST", path, body)
			if e.param() != c.param || !strings.Contains(e.Message, c.says) {
				t.Errorf("%s %.50s: %q of %q", c.model, c.patches, e.Message, e.param())
			}
			if c.status == 404 && (e.Code == nil || *e.Code != "model_not_found") {
				t.Errorf("%s %s: the code is %v", c.model, c.patches, e.Code)
			}
		}
	}
	if n := r.generated(); n != 0 {
		t.Errorf("%d tokens were generated", n)
	}
	if got := start(t, Options{}).refuses(400, "POST", texts, completionBody("demo", `,"patches":[{"data":""}]`)); !strings.Contains(got.Message, "--inline-patches") {
		t.Errorf("patches inside of requests that are not allowed: %s", got.Message)
	}
}

// Names of models with colons, as of sglang#12745, where the model gpt-oss:120b was taken
// for the adapter 120b of gpt-oss: what is there under the very name comes first.
func TestBaseNameWithColonIsNoAdapter(t *testing.T) {
	r := startNamed(t, Options{Loopback: true}, "bonsai:8b")
	if got := r.do("PUT", "/api/patches/8b", string(encoded(t, rows(300, 250)))); got.status != 201 {
		t.Fatal(got)
	}
	for id, want := range map[string]*bankai.Patch{
		"bonsai:8b": nil, "bonsai:8b:latest": nil, "8b": rows(300, 250), "bonsai:8b:8b": rows(300, 250), "bonsai:8b:a": patchA(),
	} {
		if got := r.ask(texts, completionBody(id, "")); got.text() != r.alone(prompt, want, 12, greedy) {
			t.Errorf("%s: %q", id, got.text())
		}
	}
	for _, id := range []string{"bonsai", "bonsai:a", "bonsai:latest", "bonsai:8b:", "bonsai:8b:8B"} {
		r.refuses(404, "POST", texts, completionBody(id, ""))
	}
}

// The list has the model and each patch; other sets are found when they are asked for.
func TestModels(t *testing.T) {
	r := start(t, Options{})
	list := parse[struct{ Data []modelDoc }](t, r.do("GET", "/v1/models", "").body)
	var ids []string
	for _, m := range list.Data {
		ids = append(ids, m.ID)
		if m.Object != "model" || m.Created == 0 || m.OwnedBy == "" || (m.Parent == nil) != (m.ID == "demo") || !strings.HasPrefix(m.Root, "sha256:") {
			t.Errorf("%+v", m)
		}
	}
	if !slices.Equal(ids, []string{"demo", "demo:a", "demo:b", "demo:both"}) {
		t.Errorf("the models are %v", ids)
	}
	root := func(id string) string {
		return parse[modelDoc](t, r.do("GET", "/v1/models/"+id, "").body).Root
	}
	if got := root("demo:a+b"); got != root("demo:both") || got == "" || got == root("demo") {
		t.Errorf("two patches have the root %s", got)
	}
	if got := parse[modelDoc](t, r.do("GET", "/v1/models/demo%3Aa%2Bb", "").body); got.ID != "demo:a+b" {
		t.Errorf("an escaped id: %+v", got)
	}
	for _, id := range []string{"x", "demo:x", "demo:a+x%2Fy", "demo%2F..%2Fa"} {
		if e := r.refuses(404, "GET", "/v1/models/"+id, ""); e.param() != "model" {
			t.Errorf("%s: %+v", id, e)
		}
	}
}

package server

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/store/signature"
)

// author is somebody who signs.
type author struct {
	signature.SecretKey
	t testing.TB
}

func newAuthor(t testing.TB) author {
	t.Helper()
	k, err := signature.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return author{k, t}
}

// header is the signature of a patch as requests send it.
func (a author) header(p *bankai.Patch) []string {
	a.t.Helper()
	return []string{"Bankai-Signature", base64.StdEncoding.EncodeToString(a.sign(p))}
}

func (a author) sign(p *bankai.Patch) []byte {
	a.t.Helper()
	sig, err := signature.Sign(a.SecretKey, p, signature.Comment{Time: time.Unix(1_700_000_000, 0)})
	if err != nil {
		a.t.Fatal(err)
	}
	return sig
}

func (a author) id() string { return a.Public().ID().String() }

// signedRows is a patch as its author has it: as it was before it was fitted to a model.
func signedRows(from uint32) *bankai.Patch { return rows(from, 100) }

// A server that wants signatures has no patch but those that somebody signed whom it
// trusts, and says why there is no other. None of what is refused costs a token.
func TestRequireSigned(t *testing.T) {
	ann, bob, eve := newAuthor(t), newAuthor(t), newAuthor(t)
	trust := signature.Trust{{Key: ann.Public(), Name: "ann"}, {Key: bob.Public(), Names: []string{"math*"}}}
	var now atomic.Pointer[signature.Trust]
	now.Store(&trust)
	r := listen(t, Options{Loopback: true, InlinePatches: 64 << 10, RequireSigned: true, Trust: func() (signature.Trust, error) { return *now.Load(), nil }})
	r.model = enginetest.Demo(t, engine.Options{Threads: 2})
	r.serveUnder("demo", []NamedPatch{
		{Name: "a", Patch: patchA(), Signer: &signature.Signer{Trusted: trust[0]}},
		{Name: "b", Refused: errors.New("signed by somebody")},
		{Name: "c", Patch: patchB()},
	})
	if got := r.Patches(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("there are %v", got)
	}
	for name, why := range map[string]string{"b": "signed by somebody", "c": "the patch is not signed"} {
		want := `there is no patch "` + name + `", for it was left out: ` + why
		for _, got := range []refusal{
			r.refuses(404, "POST", texts, completionBody("demo:"+name, "")),
			r.refuses(404, "POST", texts, completionBody("demo:a+"+name, "")),
			r.refuses(404, "POST", texts, completionBody(name, "")),
			r.refuses(404, "POST", texts, completionBody("demo", `,"patches":["`+name+`"]`)),
			r.refuses(404, "GET", "/api/patches/"+name, ""),
			r.refuses(404, "GET", "/v1/models/demo:"+name, ""),
		} {
			if !strings.Contains(got.Message, want) {
				t.Errorf("%s: %s", name, got.Message)
			}
		}
	}
	p := signedRows(600)
	data := string(encoded(t, p))
	inline := base64.StdEncoding.EncodeToString([]byte(data))
	if got := r.refuses(403, "POST", texts, completionBody("demo", `,"patches":[{"data":"`+inline+`"}]`)); !strings.Contains(got.Message, "patches inside of requests have no signatures") {
		t.Errorf("inside a request: %s", got.Message)
	}
	other, changed := ann.header(signedRows(700)), ann.header(p)
	raw, err := base64.StdEncoding.DecodeString(changed[1])
	if err != nil {
		t.Fatal(err)
	}
	changed[1] = base64.StdEncoding.EncodeToString(bytes.Replace(raw, []byte("time=17"), []byte("time=18"), 1))
	for _, c := range []struct {
		name   string
		head   []string
		status int
		want   string
	}{
		{"x", nil, 403, "the patch is not signed, and this server takes only patches that are: send the signature in the header Bankai-Signature"},
		{"x", eve.header(p), 403, "signed by the key " + eve.id() + ", which is not trusted here"},
		{"x", bob.header(p), 403, `who is trusted with patches named math* alone, and this one is "x"`},
		{"x", other, 403, "the patch was changed after the key " + ann.id() + " signed it"},
		{"x", changed, 403, "the signature or its comment was changed"},
		{"x", []string{"Bankai-Signature", "aGVsbG8="}, 403, "not a minisign signature"},
		{"x", []string{"Bankai-Signature", "!"}, 400, "is not base64 with padding"},
		{"a", eve.header(p), 403, "is not trusted here"},
	} {
		got := r.refuses(c.status, "PUT", "/api/patches/"+c.name, data, c.head...)
		if !strings.Contains(got.Message, c.want) || got.param() != "Bankai-Signature" {
			t.Errorf("%s: %s, want %q", c.name, got.Message, c.want)
		}
	}
	if n := r.generated(); n != 0 {
		t.Errorf("%d tokens were generated", n)
	}
	for name, by := range map[string]author{"b": ann, "math-2": bob} {
		got := r.do("PUT", "/api/patches/"+name, data, by.header(p)...)
		doc := parse[patchDoc](t, got.body)
		if got.status != 201 || doc.By == nil || doc.By.String() != by.id() {
			t.Errorf("%s: %+v", name, got)
		}
		r.ask(texts, completionBody("demo:"+name, ""))
	}
	now.Store(new(signature.Trust)) // a key that is trusted no more counts at once
	r.refuses(403, "PUT", "/api/patches/later", data, ann.header(p)...)
	r.refuses(404, "POST", texts, completionBody("demo:b", ""))
}

// What was put and given is checked again when trust changes: it is withheld, with the
// reason, and comes back. Nothing that runs is touched.
func TestTrustChanges(t *testing.T) {
	ann, bob := newAuthor(t), newAuthor(t)
	type state struct {
		trust  signature.Trust
		unread error
	}
	var now atomic.Pointer[state]
	both := signature.Trust{{Key: ann.Public(), Name: "ann"}, {Key: bob.Public(), Name: "bob"}}
	now.Store(&state{trust: both})
	r := listen(t, Options{Loopback: true, RequireSigned: true, Trust: func() (signature.Trust, error) { return now.Load().trust, now.Load().unread }})
	r.model = enginetest.Demo(t, engine.Options{Threads: 2})
	a, b, c := signedRows(600), signedRows(700), signedRows(800)
	given := func(name string, p *bankai.Patch, by author, why error) NamedPatch {
		n := NamedPatch{Name: name, Patch: p, Signed: &Signed{p, [][]byte{by.sign(p)}}, Refused: why}
		if why == nil {
			n.Signer = &signature.Signer{Trusted: signature.Trusted{Key: by.Public()}}
		}
		return n
	}
	r.serveUnder("demo", []NamedPatch{given("file", a, ann, nil), given("later", b, bob, errors.New("signed by somebody"))})
	if got := r.do("PUT", "/api/patches/math", string(encoded(t, c)), ann.header(c)...); got.status != 201 {
		t.Fatalf("put: %+v", got)
	}
	damaged := errors.New("keys/" + ann.id() + ".json: the library is damaged")
	const out, unknown = "it was left out: ", ", which is not trusted here"
	byAnn, byBob := `"signed_by":"`+ann.id()+`"`, `"signed_by":"`+bob.id()+`"`
	noAnn, noBob := out+"signed by the key "+ann.id()+unknown, out+"signed by the key "+bob.id()+unknown
	for _, step := range []struct {
		what string
		state
		file, later, math string // what is said of each
	}{
		{"both are trusted", state{trust: both}, byAnn, byBob, byAnn},
		{"ann with math alone", state{trust: signature.Trust{{Key: ann.Public(), Names: []string{"math*"}}, both[1]}}, "with patches named math* alone", byBob, byAnn},
		{"bob alone", state{trust: both[1:]}, noAnn, byBob, noAnn},
		{"ann's key cannot be read", state{both[1:], damaged}, damaged.Error(), byBob, damaged.Error()},
		{"nobody", state{}, noAnn, noBob, noAnn},
		{"both again", state{trust: both}, byAnn, byBob, byAnn},
	} {
		now.Store(&step.state)
		for name, want := range map[string]string{"file": step.file, "later": step.later, "math": step.math} {
			if got := r.do("GET", "/api/patches/"+name, ""); !strings.Contains(got.body, want) {
				t.Errorf("%s: %s: %d %s, want %s", step.what, name, got.status, got.body, want)
			}
		}
	}
	// A patch that takes the name of one that is withheld stays when that is trusted again.
	now.Store(&state{trust: both[1:]})
	if got := r.do("PUT", "/api/patches/math", string(encoded(t, b)), bob.header(b)...); got.status != 201 {
		t.Errorf("put in its place: %+v", got)
	}
	now.Store(&state{trust: both})
	if got := r.do("GET", "/api/patches/math", "").body; !strings.Contains(got, `"signed_by":"`+bob.id()) {
		t.Errorf("it is %s", got)
	}
	// One that is withheld can be deleted, and does not come back.
	now.Store(&state{})
	r.refuses(404, "GET", "/api/patches/math", "")
	if got := r.do("DELETE", "/api/patches/math", ""); got.status != 204 {
		t.Errorf("deleted: %+v", got)
	}
	now.Store(&state{trust: both})
	r.refuses(404, "DELETE", "/api/patches/math", "")
	r.refuses(404, "GET", "/api/patches/math", "")
}

// Where no signature is asked for, a patch stays, and says who signed it and is trusted now.
func TestTrustChangesWhatIsShown(t *testing.T) {
	ann := newAuthor(t)
	var now atomic.Pointer[signature.Trust]
	now.Store(&signature.Trust{{Key: ann.Public(), Name: "ann"}})
	r := start(t, Options{Loopback: true, Trust: func() (signature.Trust, error) { return *now.Load(), nil }})
	p := signedRows(600)
	r.do("PUT", "/api/patches/x", string(encoded(t, p)), ann.header(p)...)
	for _, c := range []struct {
		trust signature.Trust
		want  string
	}{
		{signature.Trust{{Key: ann.Public(), Name: "ann"}}, `"signer":"ann"`},
		{nil, `"signed_by":null`},
		{signature.Trust{{Key: ann.Public(), Name: "anna"}}, `"signer":"anna"`},
	} {
		now.Store(&c.trust)
		if got := r.do("GET", "/api/patches/x", ""); got.status != 200 || !strings.Contains(got.body, c.want) {
			t.Errorf("%d %s, want %s", got.status, got.body, c.want)
		}
	}
}

// Where signatures are not asked for, good ones are shown, and bad ones refused all the
// same. A set of patches is signed by whoever signed all of them.
func TestSignedBy(t *testing.T) {
	ann, bob, eve := newAuthor(t), newAuthor(t), newAuthor(t)
	trust := signature.Trust{{Key: ann.Public(), Name: "ann"}, {Key: bob.Public()}}
	r := start(t, Options{Loopback: true, Trust: func() (signature.Trust, error) { return trust, errors.New("another key is damaged") }})
	x, y, z := signedRows(600), signedRows(700), signedRows(800)
	for _, c := range []struct {
		name string
		p    *bankai.Patch
		head []string
		want string
	}{
		{"x", x, ann.header(x), `"signed_by":"` + ann.id() + `","signer":"ann"`},
		{"y", y, ann.header(y), `"signed_by":"` + ann.id() + `"`},
		{"z", z, bob.header(z), `"signed_by":"` + bob.id() + `"`},
		{"none", signedRows(650), nil, `"signed_by":null`},
		{"eve", signedRows(750), eve.header(signedRows(750)), `"signed_by":null`},
	} {
		got := r.do("PUT", "/api/patches/"+c.name, string(encoded(t, c.p)), c.head...)
		if got.status != 201 || !strings.Contains(got.body, c.want) {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
		if got := r.do("GET", "/api/patches/"+c.name, ""); !strings.Contains(got.body, c.want) {
			t.Errorf("%s: %s", c.name, got.body)
		}
	}
	r.refuses(403, "PUT", "/api/patches/x", string(encoded(t, y)), ann.header(x)...)
	for id, want := range map[string]string{
		"demo": `"signed_by":null`, "demo:x": `"signed_by":"` + ann.id(), "demo:x+y": `"signed_by":"` + ann.id(),
		"demo:x+z": `"signed_by":null`, "demo:x+none": `"signed_by":null`, "demo:a": `"signed_by":null`,
	} {
		if got := r.do("GET", "/v1/models/"+id, "").body; !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if got := r.do("GET", "/v1/models", "").body; strings.Count(got, `"signed_by":"`) != 3 {
		t.Errorf("the list of models is %s", got)
	}
	if got := r.do("PUT", "/api/patches/x", string(encoded(t, x))); !strings.Contains(got.body, `"signed_by":null`) {
		t.Errorf("put again without a signature: %s", got.body)
	}
}

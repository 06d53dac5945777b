package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/claims"
	"bankai/internal/enginetest"
	"bankai/internal/stats"
	"bankai/internal/testmodel"
	"bankai/store/signature"
)

const checks = "/api/patches/check"

// measured is a patch with all that can be said of one.
func measured() *bankai.Patch {
	return patchA().WithMeta(bankai.Meta{
		Name: "sums", Description: "adds up", BaseModel: "demo", Created: time.Unix(1_700_000_000, 0), Tool: "bankai 1", Command: "bankai adapt <x>",
		Metric: "answer_logprob", License: "Apache-2.0", Author: "Ada",
		Claims: []bankai.Claim{{Name: "held-out", Total: 1400, Before: 774, After: 1164, Fixed: 430, Broke: 40, PValue: stats.McNemar(430, 40)}},
	})
}

// A patch that is looked at is described as one that is added, and is not added.
func TestCheckDescribesWhatPutAdds(t *testing.T) {
	r := local(t)
	file := string(encoded(t, measured()))
	got := parse[checkedDoc](t, r.do("POST", checks+"?name=new", file).body)
	if names := r.Patches(); !slices.Equal(names, []string{"a", "b", "both"}) {
		t.Fatalf("there are %v", names)
	}
	if got.File != int64(len(file)) || got.Bound || !slices.Equal(got.Same, []string{"a"}) || got.Replaces != nil || got.Added != "" {
		t.Errorf("%+v", got)
	}
	put := r.put("new", measured(), 201)
	put.Added = ""
	if is, want := fmt.Sprintf("%+v", got.patchDoc), fmt.Sprintf("%+v", put); !writtenAlike(t, got.patchDoc, put) {
		t.Errorf("checked: %s\nput: %s", is, want)
	}
	if c := put.Claims[0]; len(put.Claims) != 1 || !writtenAlike(t, c, claims.FiguresOf(measured().Meta().Claims)[0]) || c.AfterShare.Value != 1164.0/1400 {
		t.Errorf("%+v", c)
	}
	if put.Command != "bankai adapt <x>" || put.Created != "2023-11-14T22:13:20Z" || put.Tool != "bankai 1" || put.Metric != "answer_logprob" || put.Cells[0].Flips != 300 || put.Rows != 300 || put.Unsigned != "the patch is not signed" {
		t.Errorf("%+v", put)
	}
	for _, c := range []struct{ query, same, replaces string }{{"", "[a new]", ""}, {"?name=b", "[a new]", "b"}, {"?name=other", "[a new]", ""}} {
		got := parse[checkedDoc](t, r.do("POST", checks+c.query, file).body)
		replaces := ""
		if got.Replaces != nil {
			replaces = got.Replaces.Name
		}
		if same := fmt.Sprint(got.Same); same != c.same || replaces != c.replaces {
			t.Errorf("%q: the same are %s, it replaces %q", c.query, same, replaces)
		}
	}
	bound := encoded(t, measured().WithBase(r.model.Digest()))
	if got := parse[checkedDoc](t, r.do("POST", checks, string(bound)).body); !got.Bound {
		t.Error("it names its model, and that is not said")
	}
}

func writtenAlike(t *testing.T, a, b any) bool {
	t.Helper()
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	return bytes.Equal(x, y)
}

// What PUT refuses is refused with the same words when it is looked at, and who may not add
// patches may not look at them here.
func TestCheckRefusesWhatPutRefuses(t *testing.T) {
	r := local(t)
	good := encoded(t, patchA())
	changed := slices.Clone(good)
	changed[len(changed)/2] ^= 1
	for _, c := range []struct{ name, data string }{
		{"x", ""},
		{"x", "hello"},
		{"x", "{}"},
		{"x", "GGUF\x03\x00"},
		{"x", string(good[:len(good)/2])},
		{"x", string(changed)},
		{"x", string(encoded(t, patchA().WithBase(bankai.Digest{7})))},
		{"demo", string(good)},
		{"X", string(good)},
		{"a%3Ab", string(good)},
	} {
		put := r.do("PUT", "/api/patches/"+c.name, c.data)
		if got := r.do("POST", checks+"?name="+c.name, c.data); got.status != put.status || got.body != put.body || got.status < 400 {
			t.Errorf("%s, %.10q: %d %s, and put %d %s", c.name, c.data, got.status, got.body, put.status, put.body)
		}
	}
	closed := start(t, Options{AdminKeys: []string{"root"}, Keys: []string{"user"}})
	closed.refuses(401, "POST", checks, string(good))
	closed.refuses(403, "POST", checks, string(good), "Authorization", "Bearer user")
	if got := closed.do("POST", checks, string(good), "Authorization", "Bearer root"); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

// Who signed a patch is found out when it is looked at, and why nobody is known to have.
func TestCheckFindsTheSigner(t *testing.T) {
	ann, eve := newAuthor(t), newAuthor(t)
	trust := func() (signature.Trust, error) {
		return signature.Trust{{Key: ann.Public(), Name: "ann", Names: []string{"math*"}}}, nil
	}
	r := start(t, Options{Loopback: true, Trust: trust})
	p := signedRows(600)
	for _, c := range []struct {
		name     string
		head     []string
		signer   string
		unsigned string
	}{
		{"math", ann.header(p), "ann", ""},
		{"other", ann.header(p), "", "who is trusted with patches named math* alone"},
		{"math", eve.header(p), "", "which is not trusted here"},
		{"math", nil, "", "the patch is not signed"},
	} {
		got := parse[checkedDoc](t, r.do("POST", checks+"?name="+c.name, string(encoded(t, p)), c.head...).body)
		if got.Signer != c.signer || !strings.Contains(got.Unsigned, c.unsigned) || (got.Unsigned == "") != (c.unsigned == "") {
			t.Errorf("%s: signed by %q, unsigned: %q", c.name, got.Signer, got.Unsigned)
		}
	}
	r.refuses(403, "POST", checks+"?name=math", string(encoded(t, p)), ann.header(signedRows(700))...)
}

// A list says of a patch what its own description says, but for details, however much that
// is, and which names are left out.
func TestListIsBrief(t *testing.T) {
	long := strings.Repeat("א", 100_000)
	var many []bankai.Claim
	for i := range 100 {
		many = append(many, bankai.Claim{Name: fmt.Sprintf("set %d", i), Total: 9, Before: 3, After: 5, Fixed: 3, Broke: 1, PValue: 0.625})
	}
	r := listen(t, Options{Loopback: true})
	r.model = enginetest.Demo(t, engine.Options{Threads: 2})
	r.serveUnder("demo", []NamedPatch{
		{Name: "long", Patch: patchA().WithMeta(bankai.Meta{Name: "x", Description: long, Claims: many})},
		{Name: "sums", Patch: measured()},
		{Name: "gone", Refused: signature.ErrTampered},
	})
	list := parse[struct {
		Patches []patchDoc `json:"patches"`
		LeftOut []leftOut  `json:"left_out"`
	}](t, r.do("GET", "/api/patches", "").body)
	if len(list.Patches) != 2 || len(list.LeftOut) != 1 || list.LeftOut[0] != (leftOut{"gone", signature.ErrTampered.Error()}) {
		t.Fatalf("%+v", list)
	}
	if p := list.Patches[0]; len([]rune(p.Description)) != listedText || len(p.Claims) != listedClaims || p.MoreClaims != 100-listedClaims {
		t.Errorf("%d characters, %d claims and %d more", len([]rune(p.Description)), len(p.Claims), p.MoreClaims)
	}
	if p := parse[patchDoc](t, r.do("GET", "/api/patches/long", "").body); p.Description != long || len(p.Claims) != 100 || p.MoreClaims != 0 {
		t.Errorf("%d characters, %d claims", len(p.Description), len(p.Claims))
	}
	whole := parse[patchDoc](t, r.do("GET", "/api/patches/sums", "").body)
	if whole.patchDetails = (patchDetails{}); !writtenAlike(t, whole, list.Patches[1]) {
		t.Errorf("%+v, listed %+v", whole, list.Patches[1])
	}
}

// A thousand patches are listed in a time in which nobody notices.
func TestManyPatchesAreListed(t *testing.T) {
	r := listen(t, Options{Loopback: true})
	r.model = enginetest.Demo(t, engine.Options{Threads: 2})
	var all []NamedPatch
	for i := range 1000 {
		all = append(all, NamedPatch{Name: fmt.Sprintf("p%d", i), Patch: rows(uint32(i%500), 5).WithMeta(measured().Meta())})
	}
	r.serveUnder("demo", all)
	r.do("GET", "/api/patches", "")
	began := time.Now()
	got := r.do("GET", "/api/patches", "")
	if took := time.Since(began); took > 5*time.Second || strings.Count(got.body, `"held-out"`) != 1000 {
		t.Errorf("%d bytes in %v", len(got.body), took)
	}
}

// Whatever file comes: it is looked at with the outcome that adding it has, and looking
// changes nothing.
func FuzzCheckedPatch(f *testing.F) {
	good := encoded(f, measured())
	var asJSON bytes.Buffer
	if err := patchB().WriteJSON(&asJSON); err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, good[:len(good)/2], asJSON.Bytes(), nil, []byte("{}"), []byte("GGUF"), encoded(f, patchA().WithBase(bankai.Digest{1}))} {
		f.Add(seed)
	}
	s := New(Options{AdminKeys: []string{"root"}})
	if err := s.Serve(enginetest.Load(f, testmodel.New(testmodel.Tiny, 1).Bytes(), engine.Options{Threads: 1}), "tiny", nil); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Drain(context.Background()) })
	ask := func(method, path string, body []byte) *httptest.ResponseRecorder {
		q := httptest.NewRequest(method, path, bytes.NewReader(body))
		q.Header.Set("Authorization", "Bearer root")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, q)
		return w
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		checked := ask("POST", checks+"?name=x", file)
		if len(s.Patches()) > 0 {
			t.Fatal("it was added")
		}
		put := ask("PUT", "/api/patches/x", file)
		ask("DELETE", "/api/patches/x", nil)
		if (checked.Code == 200) != (put.Code == 201) || checked.Code != 200 && checked.Body.String() != put.Body.String() {
			t.Errorf("checked: %d %s\nput: %d %s", checked.Code, checked.Body, put.Code, put.Body)
		}
	})
}

// A patch for another model is refused with which one that is, in a name that cannot turn the
// words around it, and with that this server has another: nobody gives a server its model.
func TestCheckTellsOfTheOtherModel(t *testing.T) {
	r := local(t)
	foreign := encoded(t, patchA().WithBase(bankai.Digest{7}).WithMeta(bankai.Meta{BaseModel: "\u202eother\n"}))
	got := r.do("POST", checks, string(foreign))
	want := fmt.Sprintf("the patch does not fit the model: it was made for model 070000000000… (·other·), and this server has another, %.12s…", r.model.Digest())
	if said := parse[struct{ Error struct{ Message string } }](t, got.body).Error.Message; got.status != 409 || said != want {
		t.Errorf("%d %q, want %q", got.status, said, want)
	}
}

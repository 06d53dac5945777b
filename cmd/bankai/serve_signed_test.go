package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/source"
)

// A server that wants signatures has what somebody signed whom its user trusts: of the
// library, of files, and of those that are put. One's own key is trusted from the start,
// and what is signed or trusted while it runs counts at once.
func TestServeSigned(t *testing.T) {
	t.Setenv("BANKAI_HOME", t.TempDir())
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	run := func(args ...string) string {
		t.Helper()
		status, out, log := runApp(args...)
		if status != statusDone {
			t.Fatalf("%v: %s", args, log)
		}
		return out
	}
	demo, err := source.OpenModel(source.DemoModel, nil)
	if err != nil {
		t.Fatal(err)
	}
	base := demo.Digest()
	demo.Close()
	for i, name := range []string{"kept", "late", "file", "plain", "put"} {
		p := bankai.New(base, bankai.Meta{}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: uint32(i), N: bankai.ToEnd})
		if err := p.WriteFile(in(name + ".bankai")); err != nil {
			t.Fatal(err)
		}
	}
	made := struct {
		ID string `json:"key_id"`
	}{}
	if err := json.Unmarshal([]byte(run("keygen", "--no-password", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	run("keygen", "-o", in("eve.key"), "--no-password")
	run("patch", "sign", in("kept.bankai"), in("file.bankai"), in("put.bankai"))
	run("library", "add", in("kept.bankai"), in("late.bankai"))
	s := serve(t, "--require-signed", "--patch", "file="+in("file.bankai"), "--patch", "plain="+in("plain.bankai"))
	s.await(200, "ok")
	// signer is who signed a patch of the server, or why there is none.
	signer := func(name string) string {
		t.Helper()
		status, _, body := s.ask("GET", "/api/patches/"+name, "")
		doc := struct {
			By    string `json:"signed_by"`
			Error struct{ Message string }
		}{}
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(fmt.Sprint(status, " ", doc.By, doc.Error.Message))
	}
	is := func(name, want string) {
		t.Helper()
		if got := signer(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	leftOut := func(name string) string {
		return fmt.Sprintf("404 there is no patch %q, for it was left out: the patch is not signed", name)
	}
	is("kept", "200 "+made.ID)
	is("file", "200 "+made.ID)
	is("plain", leftOut("plain"))
	is("late", leftOut("late"))
	run("patch", "sign", "late")
	is("late", "200 "+made.ID)

	data, err := os.ReadFile(in("put.bankai"))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := os.ReadFile(in("put.bankai.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(signature []byte) int {
		t.Helper()
		q, err := http.NewRequest("PUT", s.url+"/api/patches/put", strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		if signature != nil {
			q.Header.Set("Bankai-Signature", base64.StdEncoding.EncodeToString(signature))
		}
		a, err := s.client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return a.StatusCode
	}
	if got := put(nil); got != 403 {
		t.Errorf("put without a signature: %d", got)
	}
	is("put", `404 there is no patch "put": GET /api/patches lists those that there are`)
	if got := put(sig); got != 201 {
		t.Errorf("put with a signature: %d", got)
	}
	is("put", "200 "+made.ID)

	home := os.Getenv("BANKAI_HOME")
	key := filepath.Join(home, "keys", made.ID+".json")
	trusted, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	run("library", "trust", "--remove", made.ID)
	if got := signer("kept"); !strings.Contains(got, "404 ") || !strings.Contains(got, "signed by the key "+made.ID+", which is not trusted here") {
		t.Errorf("by a key that is trusted no more: %s", got)
	}
	if got := put(sig); got != 403 {
		t.Errorf("put with a signature by a key that is trusted no more: %d", got)
	}
	for _, name := range []string{"file", "put"} { // which are no patches of the library
		if got := signer(name); !strings.Contains(got, "404 ") || !strings.Contains(got, "which is not trusted here") {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, name := range []string{"kept", "plain", "late"} {
		if status, _, body := s.ask("POST", "/v1/completions", strings.Replace(question, "{", `{"model":"demo:`+name+`",`, 1)); status != 404 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}

	if err := os.WriteFile(key, trusted, 0o666); err != nil { // as if it had never been removed
		t.Fatal(err)
	}
	for _, name := range []string{"kept", "file", "put"} {
		is(name, "200 "+made.ID)
	}
	// What is damaged is told to those who ask, without telling where it lies here.
	for _, c := range []struct{ file, patch string }{
		{"keys/" + made.ID + ".json", "kept"}, {"keys/" + made.ID + ".json", "file"}, {"names/late.json", "late"},
	} {
		path := filepath.FromSlash(c.file)
		if err := os.WriteFile(filepath.Join(home, path), []byte("{"), 0o666); err != nil {
			t.Fatal(err)
		}
		if got := signer(c.patch); !strings.Contains(got, "404 ") || !strings.Contains(got, path+": ") || strings.Contains(got, home) {
			t.Errorf("%s is damaged: %s: %s", c.file, c.patch, got)
		}
	}
}

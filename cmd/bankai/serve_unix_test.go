//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bankai"
	"bankai/internal/source"
)

// longQuestion takes some time: n answers to each of 12 prompts.
func longQuestion(n int) string {
	return fmt.Sprintf(`{"prompt":["%sAt night the"],"n":%d,"max_tokens":240,"temperature":1,"seed":1,"stream":true}`, strings.Repeat(`At night the","`, 11), n)
}

// A server that is told to end answers what it has begun, takes nothing new, and ends in
// peace; told a second time, it ends at once.
func TestServeIsTold(t *testing.T) {
	for _, twice := range []bool{false, true} {
		n := map[bool]int{false: 4, true: 10}[twice]
		s := serve(t)
		s.await(200, "ok")
		a := s.open("POST", "/v1/completions", longQuestion(n))
		defer a.Body.Close()
		first := make([]byte, 6)
		if _, err := io.ReadFull(a.Body, first); err != nil || string(first) != "data: " {
			t.Fatalf("the stream begins with %q: %v", first, err)
		}
		tell := func() {
			if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		tell()
		if twice {
			time.Sleep(120 * time.Millisecond) // as fast as somebody who is in a hurry
			tell()
		} else {
			s.await(503, "draining")
			status, head, body := s.ask("POST", "/v1/completions", question)
			if status != 503 || head.Get("Retry-After") == "" || !strings.Contains(body, "going down") {
				t.Errorf("a new request is answered %d %v %s", status, head, body)
			}
		}
		rest, err := io.ReadAll(a.Body)
		ended := s.status()
		whole := err == nil && strings.HasSuffix(string(rest), "data: [DONE]\n\n") && strings.Count(string(rest), `"finish_reason":"`) == 12*n
		if twice {
			if whole || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				t.Errorf("told twice, it ends with %v, and the stream whole is %t", ended, whole)
			}
		} else if !whole || !ended.Success() {
			t.Errorf("it ends with %v, and the stream with %v, %.200q", ended, err, rest[max(0, len(rest)-200):])
		}
	}
}

// Patches of a library are in memory: their files may go. Links out of it are left alone.
func TestServeLibrary(t *testing.T) {
	outside, library := t.TempDir(), t.TempDir()
	p := bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: 3, N: bankai.ToEnd})
	secret, fix := filepath.Join(outside, "secret.bankai"), filepath.Join(library, "fix.bankai")
	for _, path := range []string{secret, fix} {
		if err := p.WriteFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(library, "link.bankai")); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--library", library)
	s.await(200, "ok")
	if err := os.Remove(fix); err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]int{"demo:fix": 200, "demo:link": 404, "demo:secret": 404} {
		if status, _, body := s.ask("POST", "/v1/completions", strings.Replace(question, "{", `{"model":"`+model+`",`, 1)); status != want {
			t.Errorf("%s: %d %s", model, status, body)
		}
	}
	for _, name := range []string{"link", "fix"} {
		s.ask("DELETE", "/api/patches/"+name, "")
	}
	if _, err := os.Stat(secret); err != nil {
		t.Errorf("the file behind a link: %v", err)
	}
}

// What the user's library has, a server has, as soon as it does and as long as it does, but
// only what was made for its model. A name that was given in another way is left alone.
func TestServeKept(t *testing.T) {
	t.Setenv("BANKAI_HOME", t.TempDir())
	dir := t.TempDir()
	write := func(name string, base bankai.Digest, row uint32) string {
		p := bankai.New(base, bankai.Meta{}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: row, N: bankai.ToEnd})
		path := filepath.Join(dir, name)
		if err := p.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(args ...string) {
		t.Helper()
		if status, _, log := runApp(args...); status != statusDone {
			t.Fatalf("%v: %s", args, log)
		}
	}
	demo, err := source.OpenModel(source.DemoModel, nil)
	if err != nil {
		t.Fatal(err)
	}
	base := demo.Digest()
	demo.Close()
	one, two := write("one.bankai", base, 1), write("two.bankai", base, 2)
	run("library", "add", one, "--name", "math")
	run("library", "add", one, "--name", "given")
	run("library", "add", write("other.bankai", bankai.Digest{1}, 1))
	s := serve(t, "--patch", "given="+two)
	s.await(200, "ok")
	digest := func(name string) string {
		status, _, body := s.ask("GET", "/api/patches/"+name, "")
		doc := struct{ Digest string }{}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || status != 200 {
			return fmt.Sprint(status)
		}
		return doc.Digest
	}
	first, second := digest("math"), digest("given")
	if digest("other") != "404" || !strings.HasPrefix(first, "sha256:") || first == second {
		t.Fatalf("math is %s, given %s, other %s", first, second, digest("other"))
	}
	run("library", "add", two, "--name", "math", "--force")
	run("library", "add", two, "--name", "later")
	if digest("math") != second || digest("later") != second || digest("given") != second {
		t.Errorf("after additions math is %s, later %s", digest("math"), digest("later"))
	}
	// Versions are there beside each other, under their tags.
	run("library", "add", one, "--name", "math:v1")
	if digest("math") != second || digest("math:v1") != first || digest("math:latest") != second || digest("math:v2") != "404" {
		t.Errorf("math is %s, math:v1 %s, math:latest %s", digest("math"), digest("math:v1"), digest("math:latest"))
	}
	for model, want := range map[string]int{"demo:math:v1": 200, "demo:later+math:v1": 200, "demo:math:latest": 200, "math:v1": 200, "demo:math:v2": 404, "demo:math:v1:v1": 404} {
		if status, _, body := s.ask("POST", "/v1/completions", strings.Replace(question, "{", `{"model":"`+model+`",`, 1)); status != want {
			t.Errorf("%s: %d %s", model, status, body)
		}
	}
	// A patch that is put hides the library's of its name for as long as it is there.
	data, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, body := s.ask("PUT", "/api/patches/math", string(data)); status != 200 || digest("math") != first {
		t.Errorf("math was put: %d %s, and is %s", status, body, digest("math"))
	}
	if status, _, _ := s.ask("DELETE", "/api/patches/math", ""); status != 204 || digest("math") != second {
		t.Errorf("what was put is gone, and math is %s", digest("math"))
	}
	// What was damaged and is added again is there again.
	blobs, err := filepath.Glob(filepath.Join(os.Getenv("BANKAI_HOME"), "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		if err := errors.Join(os.Chmod(b, 0o644), os.Truncate(b, 9)); err != nil {
			t.Fatal(err)
		}
	}
	run("library", "add", two, "--name", "mended") // mends what math is, too
	if digest("math") != second || digest("math:v1") != "404" {
		t.Errorf("math is %s, math:v1, which is damaged, %s", digest("math"), digest("math:v1"))
	}
	run("library", "add", one, "--name", "math:v1")
	if digest("math:v1") != first {
		t.Errorf("math:v1 was mended, and is %s", digest("math:v1"))
	}
	run("library", "remove", "math")
	run("library", "remove", "mended")
	run("library", "remove", "later")
	run("library", "remove", "given")
	if digest("math") != "404" || digest("later") != "404" || digest("given") != second {
		t.Errorf("after removals math is %s, later %s, given %s", digest("math"), digest("later"), digest("given"))
	}
	run("library", "add", one, "--name", "math")
	s.ask("DELETE", "/api/patches/math", "")
	if digest("math") != "404" {
		t.Error("a patch that was deleted is there")
	}
	run("library", "add", two, "--name", "math", "--force")
	if digest("math") != second {
		t.Error("another patch of the name is not there")
	}
}

// Before the model and the patches are there the server listens already, and says that it
// loads them. Here a patch takes its time.
func TestServeWhileLoading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "late.bankai")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--patch", "late="+path)
	s.await(503, "loading")
	status, head, body := s.ask("POST", "/v1/completions", question)
	if status != 503 || head.Get("Retry-After") == "" || !strings.Contains(body, "being loaded") {
		t.Errorf("a request is answered %d %v %s", status, head, body)
	}
	late, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: 3, N: bankai.ToEnd})
	if _, err := p.WriteTo(late); err != nil {
		t.Fatal(err)
	}
	late.Close()
	s.await(200, "ok")
	if status, _, body := s.ask("POST", "/v1/completions", strings.Replace(question, "{", `{"model":"demo:late",`, 1)); status != 200 || textOf(t, body) == "" {
		t.Errorf("under the patch: %d %s", status, body)
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"aead.dev/minisign"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"

	"bankai"
	"bankai/store/oci"
	"bankai/store/signature"
)

// startRegistry starts an OCI registry, which ends with the script.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	ts.Defer(s.Close)
	ts.Setenv(args[0], strings.TrimPrefix(s.URL, "http://"))
}

// Anybody who may push can attach a signature that names somebody else's key. It takes the
// place of none that is good.
func TestPullLeavesFalseSignaturesOut(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("BANKAI_HOME", t.TempDir())
	run := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		status, out, log := runApp(args...)
		if status != want {
			t.Fatalf("%v: exit status %d: %s", args, status, log)
		}
		return out, log
	}
	read := func(path string) []byte {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	const rows = `{"flips": [{"layer": 0, "proj": "gate_proj", "row": %}]}`
	run(statusDone, "keygen", "-o", "k.key", "--no-password")
	for name, row := range map[string]string{"fix": "1", "other": "2"} {
		if err := os.WriteFile(name+".json", []byte(strings.ReplaceAll(rows, "%", row)), 0o666); err != nil {
			t.Fatal(err)
		}
		run(statusDone, "patch", "compose", name+".json", "-o", name+".bankai", "--model", "demo")
		run(statusDone, "patch", "sign", name+".bankai", "--key", "k.key")
	}
	push := func(tag string, signatures ...[]byte) {
		t.Helper()
		a := oci.Artifact{Patch: read("fix.bankai"), Signatures: signatures}
		if _, err := oci.Push(context.Background(), oci.Ref{Layout: "shared", Tag: tag}, a, oci.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	good, fake := read("fix.bankai.minisig"), read("other.bankai.minisig")

	// While nobody is trusted, the first one by a key stays.
	push("v1", good)
	run(statusDone, "pull", "oci:shared:v1")
	push("v1", fake)
	run(statusDone, "pull", "oci:shared:v1")
	run(statusDone, "library", "trust", "k.pub", "--name", "ann")
	if out, _ := run(statusDone, "patch", "verify", "shared:v1", "--key", "k.pub"); !strings.Contains(out, "signed by") {
		t.Errorf("after a false signature came: %s", out)
	}

	// When its key is trusted, the good one counts, and the false one is told and left out.
	out, log := run(statusDone, "pull", "oci:shared:v1", "--require-signed")
	if !strings.Contains(out, "ann (") || !strings.Contains(log, "that signature was left out") {
		t.Errorf("with a good and a false one: %s%s", out, log)
	}
	run(statusDone, "patch", "verify", "shared:v1", "--key", "k.pub")

	// A false one alone is refused, whether a signature is asked for or not.
	if err := os.RemoveAll("shared"); err != nil {
		t.Fatal(err)
	}
	push("v2", fake)
	if _, log := run(statusFailed, "pull", "oci:shared:v2"); !strings.Contains(log, "nothing was kept") {
		t.Errorf("a false one alone: %s", log)
	}
}

// minisign's own comments do not say which patch they are about: whether the signature is
// of the patch that is sent tells the key alone, if it is known.
func TestPushChecksSignaturesOfOtherPrograms(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("BANKAI_HOME", t.TempDir())
	made, err := signature.Generate()
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.File("")
	if err != nil {
		t.Fatal(err)
	}
	var k minisign.PrivateKey
	if err := k.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var data bytes.Buffer
	bankai.New(bankai.Digest{1}, bankai.Meta{}, bankai.Flip{Tensor: "blk.0.ffn_up.weight", N: bankai.ToEnd}).WriteTo(&data)
	write("fix.bankai", data.Bytes())
	write("k.pub", made.Public().File())
	write("good.minisig", minisign.SignWithComments(k, data.Bytes(), "by hand", ""))
	write("other.minisig", minisign.SignWithComments(k, []byte("another file"), "by hand", ""))
	push := func(sig string) string {
		status, _, log := runApp("push", "fix.bankai", "oci:shared", "--signature", sig)
		return fmt.Sprint(status, " ", log)
	}
	const note, refusal = "not trusted here: not checked", "the signature is not of this patch"
	if log := push("other.minisig"); !strings.HasPrefix(log, "0 ") || strings.Count(log, note) != 1 {
		t.Errorf("by a key that nobody knows: %s", log)
	}
	runApp("library", "trust", "k.pub")
	if log := push("good.minisig"); !strings.HasPrefix(log, "0 ") || strings.Contains(log, note) {
		t.Errorf("by a key that is trusted: %s", log)
	}
	if log := push("other.minisig"); !strings.HasPrefix(log, "1 ") || !strings.Contains(log, refusal) {
		t.Errorf("of another file: %s", log)
	}
}

package try

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/models/demo"
)

// The engine for browsers has nothing of the network in it: half a megabyte, compressed,
// that it never calls.
func TestEngineHasNoNetwork(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "./wasm")
	list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := list.Output()
	if err != nil {
		t.Skipf("SKIPPED: there is no go command that lists packages: %v", err)
	}
	all := strings.Fields(string(out))
	if !slices.Contains(all, "bankai/engine") {
		t.Fatalf("listed are %v", all)
	}
	for _, p := range all {
		if p == "net" || strings.HasPrefix(p, "net/") || strings.HasPrefix(p, "crypto/tls") || strings.HasPrefix(p, "bankai/store") {
			t.Errorf("the engine has %s in it: \"GOOS=js GOARCH=wasm go list -deps ./web/try/wasm\" lists what it imports", p)
		}
	}
}

// The page with the built-in model is below 3 MB, as a host that compresses sends it.
func TestPageIsSmall(t *testing.T) {
	e, err := Built()
	if errors.Is(err, ErrNotBuilt) {
		t.Skip("SKIPPED: the engine for browsers is not built: make wasm")
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &Site{Engine: e, Title: "demo", Model: func(w io.Writer) error { _, err := w.Write(demo.Model()); return err }}
	for _, p := range demo.Patches() {
		patch, err := bankai.Read(bytes.NewReader(p.Data))
		if err != nil {
			t.Fatal(err)
		}
		s.Patches = append(s.Patches, Patch{p.Name, patch})
	}
	_, files, _ := written(t, s)
	sent := 0
	for name, content := range files {
		if filepath.Ext(name) != ".gz" {
			content = string(packed(t, content))
		}
		sent += len(content)
	}
	if sent >= 3e6 {
		t.Errorf("the page is %d bytes, the engine %d of them", sent, len(e.Wasm))
	}
}

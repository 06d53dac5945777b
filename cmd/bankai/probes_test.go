package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"bankai/probe"
)

// The template on the page of expand is one.
func TestExpandPage(t *testing.T) {
	t.Chdir(t.TempDir())
	page := expandCommand(newApp(nil, nil, os.Stdout, os.Stderr)).Long
	from, to := strings.Index(page, "  {\"prompt\""), strings.Index(page, "\n\n[2, 9] is")
	if err := os.WriteFile("page.json", []byte(page[from:to]), 0o666); err != nil {
		t.Fatal(err)
	}
	if status, out, log := runApp("probes", "expand", "page.json", "-o", "out.json"); status != statusDone || !strings.HasPrefix(out, "out.json: 21 probes") {
		t.Errorf("exit status %d: %s%s", status, out, log)
	}
}

// writeProbes writes a probe file for a test.
func writeProbes(path string, set probe.Set) error {
	var b bytes.Buffer
	if err := set.WriteJSON(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o666)
}

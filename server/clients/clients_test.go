// Package clients tests `bankai serve` with the libraries that people ask servers with:
// openai, LangChain, the AI SDK and Ollama's, in Node.js. The files *.test.mjs are the
// tests; each starts the servers that it needs.
package clients

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bankai"
	"bankai/internal/testmodel"
)

// TestClients runs every file of tests. What they need is installed by
//
//	npm ci --prefix server/clients
//
// and without it the test is skipped, but not in CI.
func TestClients(t *testing.T) {
	skip := t.Skip
	if os.Getenv("CI") != "" {
		skip = t.Fatal
	}
	node, err := exec.LookPath("node")
	if err != nil || !newEnough(node) {
		skip("SKIPPED: no client library was tested, because there is no Node.js of version 20 or newer: install it")
	}
	if _, err := os.Stat("node_modules"); err != nil {
		skip("SKIPPED: no client library was tested, because none is installed: run npm ci --prefix server/clients")
	}
	seeInputs(t)
	env := append(os.Environ(), prepare(t)...)
	files, err := filepath.Glob("*.test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no files of tests: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".test.mjs"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			c := exec.CommandContext(ctx, node, "--test-reporter=spec", file)
			c.Env = env
			out, err := c.CombinedOutput()
			switch {
			case err != nil:
				t.Errorf("%v\n%s", err, out)
			case !strings.Contains(string(out), "fail 0") || strings.Contains(string(out), "pass 0"):
				t.Errorf("nothing was tested:\n%s", out)
			}
		})
	}
}

// seeInputs looks at every file of the repository. An earlier result is taken for this
// test's as long as nothing is different that the test itself has looked at, and it does
// not see what goes into the program, nor what Node.js reads.
func seeInputs(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // other tests' files come and go
			return nil
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		}
		os.Stat(path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// newEnough says whether a Node.js has what the libraries need.
func newEnough(node string) bool {
	version, err := exec.Command(node, "-p", "Number(process.versions.node.split('.')[0]) >= 20").Output()
	return err == nil && strings.TrimSpace(string(version)) == "true"
}

// prepare makes the program and the files that the tests need, and returns the variables
// that tell where they are.
func prepare(t *testing.T) (env []string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "bankai")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, "bankai/cmd/bankai").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := testmodel.Adder().Write(filepath.Join(dir, "adder.gguf")); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*bankai.Patch{"a": rows(0, 300), "b": rows(500, 400)} {
		if err := write(filepath.Join(dir, name+".bankai"), p); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"BANKAI=" + program, "BANKAI_FILES=" + dir, "BANKAI_CONFIG=" + filepath.Join(dir, "none.toml")}
}

// rows is a patch that turns n rows of one projection of the demo model, from a first
// one on, so that it says something else.
func rows(first, n uint32) *bankai.Patch {
	var flips []bankai.Flip
	for i := range n {
		flips = append(flips, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: first + i, N: bankai.ToEnd})
	}
	return bankai.New(bankai.Digest{}, bankai.Meta{Name: "rows"}, flips...)
}

func write(path string, p *bankai.Patch) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = p.WriteTo(f)
	return err
}

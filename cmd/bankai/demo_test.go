package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bankai/evaluate"
	"bankai/search"
)

// interrupter is a stderr that ends the work when a text appears on it.
type interrupter struct {
	at     string
	cancel context.CancelFunc
}

func (i *interrupter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(i.at)) {
		i.cancel()
	}
	return len(p), nil
}

// Interrupted while it searches, the demo leaves the patch and says that nothing
// was measured of it. A script interrupts it while it measures.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out bytes.Buffer
	a := newApp([]string{"demo"}, nil, &out, &interrupter{"2. Search", cancel})
	a.json, a.seed = true, 2
	folder := t.TempDir()
	if err := a.demo(ctx, &demoFlags{out: folder, steps: 3}); err != nil {
		t.Fatal(err)
	}
	a.stdout.Flush()
	var doc demoDoc
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Stopped != "interrupted" || doc.HeldOut != nil || doc.Unseen != nil || doc.Perplexity != nil {
		t.Errorf("got %+v", doc)
	}
	for _, name := range doc.Files {
		if info, err := os.Stat(name); err != nil || filepath.Dir(name) != folder || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// At the end it says what to do next, with a question that the patch put right.
func TestDemoEnds(t *testing.T) {
	d := &demoRun{out: "d", files: written{path: "d/my patch.bankai"}, found: &search.Result{Stopped: search.StopCost}, began: time.Now()}
	d.results = []measured{{NamedResult: evaluate.NamedResult{Result: &evaluate.Result{Outputs: []evaluate.Output{
		{Prompt: "1 + 1 =", RightBefore: true}, {Prompt: "2 + 2 =", RightAfter: true},
	}}}}}
	var out strings.Builder
	d.last(&out)
	for _, want := range []string{"\nWritten, after ", "   " + filepath.Join("d", "report.html") + "\n", "\nGo on with:\n   bankai info 'd/my patch.bankai'\n", " --patch 'd/my patch.bankai' --prompt '2 + 2 ='\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:%s", want, out.String())
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bankai/internal/outputs"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/measure"
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

// Interrupted before the search found anything, the demo writes nothing, and leaves
// what an earlier one wrote. A script interrupts it while it measures.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out bytes.Buffer
	a := newApp([]string{"demo"}, nil, &out, &interrupter{"2. Search", cancel})
	a.seed = 2
	d := &demoRun{app: a, say: a.Stderr, out: t.TempDir()}
	if err := errors.Join(d.checkOutputs(), d.load()); err != nil {
		t.Fatal(err)
	}
	defer d.model.Close()
	var stopped *outputs.Interrupted
	if err := d.repair(ctx, 3); !errors.As(err, &stopped) || statusOf(stopped) != statusFailed {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(d.out); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// With a patch that was found, an interrupted demo leaves the three files: beside
// those of an earlier demo, which stay.
func TestDemoInterruptedBesideAnother(t *testing.T) {
	a := newApp([]string{"demo"}, nil, io.Discard, io.Discard)
	d := &demoRun{app: a, out: t.TempDir()}
	if err := d.checkOutputs(); err != nil {
		t.Fatal(err)
	}
	earlier := filepath.Join(d.out, "patch.bankai")
	if err := os.WriteFile(earlier, []byte("better"), 0o666); err != nil {
		t.Fatal(err)
	}
	d.setAside()
	for name, o := range d.outputs {
		if want := filepath.Join(d.out, repair.AsideName(name)); o.Path != want {
			t.Errorf("%s goes to %s, not %s", name, o.Path, want)
		}
	}
}

// At the end it says what to do next, with a question that the patch put right.
func TestDemoEnds(t *testing.T) {
	d := &demoRun{out: "d", files: outputs.Written{Path: "d/my patch.bankai"}, found: &search.Result{Stopped: search.StopCost}, began: time.Now()}
	d.results = []measured{{NamedResult: report.NamedResult{Result: &measure.Result{Outputs: []measure.Output{
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

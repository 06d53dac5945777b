package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
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
// what an earlier one wrote.
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

// For people the demo says what it does on stdout. Interrupted when it has a patch, before
// all is measured, it leaves the three files and says that the patch was not measured. A
// few questions are enough for that: the audit has some of those held out, the search some
// of the probes.
func TestDemoInterruptedWhileItMeasures(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, log bytes.Buffer
	a := newApp([]string{"demo"}, nil, &out, &log)
	a.Quiet, a.seed = true, 1 // which does not keep the commentary back
	d := &demoRun{app: a, out: "e", say: io.MultiWriter(a.Text(), &interrupter{"   the patch: ", cancel})}
	if err := errors.Join(os.Mkdir(d.out, 0o777), d.checkOutputs(), d.load()); err != nil {
		t.Fatal(err)
	}
	defer d.model.Close()
	d.heldOut.Set = d.heldOut.Set[:40]
	if err := d.audit(ctx); err != nil {
		t.Fatal(err)
	}
	d.search.Set = d.search.Set[:40]
	err := d.repair(ctx, 2)
	var stopped *outputs.Interrupted
	if !errors.As(err, &stopped) || statusOf(stopped) != statusInterrupted {
		t.Fatal(err)
	}
	a.exit(nil, err)
	said, path := out.String(), regexp.QuoteMeta(filepath.Join(d.out, "patch.bankai"))
	for _, want := range []string{"^1. Audit of the 240 probes to search with$", "^2. Search: ", `\(seed 1\)$`, "^Interrupted: the best patch so far, not measured, is " + path + ": [1-9]"} {
		if !regexp.MustCompile("(?m)" + want).MatchString(said) {
			t.Errorf("%s is not in:\n%s", want, said)
		}
	}
	if want := "^bankai: interrupted: the best patch so far, not measured, is in " + path + "\n$"; !regexp.MustCompile(want).MatchString(log.String()) {
		t.Errorf("on stderr it says: %s", &log)
	}
	for _, name := range demoFiles {
		if !outputs.IsThere(filepath.Join(d.out, name)) {
			t.Errorf("there is no %s", name)
		}
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

package repair

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// lies says of a machine which of its answers are wrong, and when it is found out: call by
// call of all measurers that it answers for.
type lies struct {
	from, found int // the first wrong call, and the one in which it is found out; 0: never
	calls       int
	made        []*fooled
	during      func(call int) // nil: nothing
}

// fooled is a measurer that goes by a machine that lies.
type fooled struct {
	*lies
	evaluator *score.Evaluator
	own       int // calls of this one
	since     int // its first wrong call; 0: none
	closed    bool
}

// taintedSince is the error of a measurer that has been wrong.
type taintedSince int

func (e taintedSince) Error() string     { return fmt.Sprintf("wrong since call %d", int(e)) }
func (e taintedSince) TaintedSince() int { return int(e) }

func (l *lies) divide(e *score.Evaluator) (score.Measurer, error) {
	f := &fooled{lies: l, evaluator: e}
	l.made = append(l.made, f)
	return f, nil
}

func (f *fooled) Close() { f.closed = true }

// call counts a call: whether it lies, or what it fails with.
func (f *fooled) call() (wrong bool, err error) {
	if f.closed {
		return false, fmt.Errorf("a closed measurer is asked")
	}
	f.calls++
	f.own++
	if f.during != nil {
		f.during(f.calls)
	}
	if f.found > 0 && f.calls >= f.found && f.since > 0 {
		since := f.since
		f.since, f.found = 0, 0
		return false, taintedSince(since)
	}
	wrong = f.from > 0 && f.calls >= f.from && f.found > 0
	if wrong && f.since == 0 {
		f.since = f.own
	}
	return wrong, nil
}

func (f *fooled) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part) ([][][]float64, error) {
	wrong, err := f.call()
	if err != nil {
		return nil, err
	}
	all := make([][][]float64, len(parts))
	for i, p := range parts {
		if all[i], err = f.evaluator.Values(ctx, cur, p.Block, moves, p.Questions); err != nil {
			return nil, err
		}
		for _, row := range all[i] {
			for k := range row {
				if wrong {
					row[k] = row[k]/2 + float64(k%3)
				}
			}
		}
	}
	return all, nil
}

func (f *fooled) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, _ map[score.Subject]int, parts []score.Part, got func(k int, e score.Effects) error) error {
	wrong, err := f.call()
	if err != nil {
		return err
	}
	for k, p := range parts {
		err := f.evaluator.Effects(ctx, cur, p.Block, w, func(e score.Effects) error {
			for i := range e.Data {
				if wrong {
					e.Data[i] = -e.Data[i]
				}
			}
			return got(k, e)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mended runs a small search in a folder and returns what it leaves there, without times.
func mended(ctx context.Context, t *testing.T, m *engine.Model, dir string, method score.Method, resume bool, l *lies) (map[string]string, error) {
	t.Helper()
	set := func(name string, n int) source.Set {
		return source.Set{Source: "demo:" + name, Set: enginetest.DemoSet(t, name)[:n]}
	}
	to := terminal.New(io.Discard, io.Discard)
	plan := score.Plan{
		Method: method, Sizes: []search.Granularity{search.Row}, Layers: []int{5}, Projections: []string{"gate"},
		Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: 2, Slack: 0.1}, Seed: 1,
		Limits: search.Config{Steps: 6},
	}
	if method == score.MethodVote {
		plan.Draws, plan.Votes = 3, 2
	}
	task, err := NewProbes(m, source.DemoModel, Sets{Targets: []source.Set{set("search_few", 8)}, Controls: set("control_few", 4)}, plan.Objective, true, to)
	if err != nil {
		t.Fatal(err)
	}
	run := &outputs.Run{Command: "bankai search", CommandOf: func(string) string { return "" }}
	path := filepath.Join(dir, "p.bankai")
	job := Job{Task: task, Model: m, Path: source.DemoModel, Plan: plan, Files: NewFiles(run, path, ""), Resume: resume, Run: run, To: to}
	if l != nil {
		job.Divide = l.divide
	}
	_, err = job.Do(ctx)
	left := map[string]string{}
	files, globErr := filepath.Glob(path + "*")
	if globErr != nil {
		t.Fatal(globErr)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != path {
			text = regexp.MustCompile(`"seconds":[^,}]+|\t"[0-9a-f]{8}"`).ReplaceAll(text, nil)
		}
		left[filepath.Base(name)] = string(text)
	}
	if l != nil {
		for i, f := range l.made {
			if !f.closed {
				t.Errorf("measurer %d was not closed", i)
			}
		}
	}
	return left, err
}

// A search that went by a machine that lied, from whichever call on, goes back when that is
// found out, and leaves the patch and the journals of one that was never lied to: a search
// with the measurer that it had, which knows what others answered; a vote, which begins
// anew, with others.
func TestSearchGoesBack(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	m := enginetest.Demo(t, engine.Options{})
	for _, method := range []score.Method{score.MethodGuided, score.MethodVote} {
		want, err := mended(t.Context(), t, m, t.TempDir(), method, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		honest := &lies{}
		if _, err := mended(t.Context(), t, m, t.TempDir(), method, false, honest); err != nil {
			t.Fatal(err)
		}
		for _, from := range []int{1, 3, honest.calls - 1} {
			l := &lies{from: from, found: from + 1}
			got, err := mended(t.Context(), t, m, t.TempDir(), method, false, l)
			if err != nil {
				t.Fatalf("%s, wrong from call %d: %v", method, from, err)
			}
			if l.found != 0 {
				t.Fatalf("%s, wrong from call %d: it was not found out", method, from)
			}
			for name, text := range want {
				if got[name] != text {
					t.Errorf("%s, wrong from call %d: %s is another", method, from, name)
				}
			}
			if method == score.MethodGuided && (len(l.made) != 1 || len(got) != len(want)) {
				t.Errorf("wrong from call %d: %d measurers, %d files", from, len(l.made), len(got))
			}
		}
	}
}

// A search that was interrupted goes on with its journal, goes back in it no further than
// it must, and ends as one that nothing happened to.
func TestResumedSearchGoesBack(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	m := enginetest.Demo(t, engine.Options{})
	want, err := mended(t.Context(), t, m, t.TempDir(), score.MethodGuided, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before, err := mended(ctx, t, m, dir, score.MethodGuided, false, &lies{during: func(call int) {
		if call == 5 {
			cancel()
		}
	}})
	if err == nil {
		t.Fatal("it was not interrupted")
	}
	l := &lies{from: 3, found: 4}
	l.during = func(call int) {
		if call == 1 {
			return
		}
		if now, err := os.ReadFile(filepath.Join(dir, "p.bankai.journal")); err != nil || !bytes.HasPrefix(regexp.MustCompile(`"seconds":[^,}]+|\t"[0-9a-f]{8}"`).ReplaceAll(now, nil), []byte(before["p.bankai.journal"])) {
			t.Errorf("call %d: of the journal before less is left: %v", call, err)
		}
	}
	got, err := mended(t.Context(), t, m, dir, score.MethodGuided, true, l)
	if err != nil || l.found != 0 {
		t.Fatalf("%v; found out in call %d", err, l.found)
	}
	for _, name := range []string{"p.bankai", "p.bankai.journal"} {
		if got[name] != want[name] {
			t.Errorf("%s is another", name)
		}
	}
}

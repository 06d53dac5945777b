package search_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bankai"
	"bankai/search"
)

// recorded runs a search with a journal, and is the whole of what a command does
// for `--resume`.
func recorded(t *testing.T, path string, resume bool, ctx context.Context, c search.Config, wrap func(search.Evaluator) search.Evaluator) (*search.Result, int) {
	t.Helper()
	ev, st := newLandscape(), greedy(t, search.Group, 11)
	j, err := search.OpenJournal(path, search.Identity(empty(), ev, st), resume)
	if err != nil {
		t.Fatal(err)
	}
	var e search.Evaluator = ev
	if wrap != nil {
		e = wrap(ev)
	}
	c.Journal = j
	r, err := search.Run(ctx, e, st, empty(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return r, ev.scored
}

// same compares all of two results that does not depend on the clock.
func same(t *testing.T, what string, got, want *search.Result) {
	t.Helper()
	a, b := *got, *want
	if !reflect.DeepEqual(a.Patch.Flips(), b.Patch.Flips()) || a.Patch.ContentDigest() != b.Patch.ContentDigest() {
		t.Errorf("%s: patch %v, want %v", what, a.Patch.Flips(), b.Patch.Flips())
	}
	a.Patch, b.Patch, a.Seconds, b.Seconds = nil, nil, 0, 0
	a.Trajectory, b.Trajectory, a.Checkpoints, b.Checkpoints = timeless(a.Trajectory), timeless(b.Trajectory), nil, nil
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, a, b)
	}
}

// timeless is a trajectory without the clock.
func timeless(points []search.Point) []search.Point {
	points = slices.Clone(points)
	for i := range points {
		points[i].Seconds = 0
	}
	return points
}

// lastSeconds are those of the last record of a journal that has them; 0 if none has.
func lastSeconds(t *testing.T, path string) (seconds float64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"seconds":([0-9.e+-]+)`).FindAllSubmatch(data, -1) {
		if seconds, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
			t.Fatal(err)
		}
	}
	return seconds
}

// However far a run came, resuming it leads to the result of a run that was
// never interrupted, and scores nothing twice.
func TestResumeAfterAnInterruptAtEveryStep(t *testing.T) {
	for _, batch := range []int{1, 3} {
		c := search.Config{Steps: 40, Batch: batch}
		want, once := recorded(t, filepath.Join(t.TempDir(), "j"), false, context.Background(), c, nil)
		for n := range 40 {
			path := filepath.Join(t.TempDir(), "j")
			ctx, cancel := context.WithCancel(context.Background())
			r, before := recorded(t, path, false, ctx, c, func(ev search.Evaluator) search.Evaluator {
				return &ending{ev, n, func() error { cancel(); return nil }}
			})
			recordedSeconds := lastSeconds(t, path)
			if n > 1 && recordedSeconds == 0 {
				t.Errorf("call %d: the journal holds no seconds", n)
			}
			got, after := recorded(t, path, true, context.Background(), c, nil)
			same(t, "resumed", got, want)
			all := once
			if n > 0 && after > 0 {
				all++ // the start, to see that it is the same
			}
			if before+after != all {
				t.Errorf("call %d: %d moves scored before and %d after, %d in all", n, before, after, all)
			}
			if r.Seconds < recordedSeconds || got.Seconds < recordedSeconds {
				t.Errorf("%v seconds are recorded, %v were taken before the interrupt, %v in all", recordedSeconds, r.Seconds, got.Seconds)
			}
		}
	}
}

// A crash can cut the file off anywhere, or leave a hole where the last line was.
func TestResumeAfterACrashAtEveryByte(t *testing.T) {
	c := search.Config{Steps: 12}
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	want, _ := recorded(t, whole, false, context.Background(), c, nil)
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(dir, "torn")
	for n := 0; n <= len(data); n += 7 {
		cut := bytes.Clone(data[:n])
		if line := bytes.LastIndexByte(cut, '\n'); line >= 0 && n%2 == 0 {
			clear(cut[line+1:])
			cut = append(cut, '\n')
		}
		if err := os.WriteFile(torn, cut, 0o666); err != nil {
			t.Fatal(err)
		}
		got, _ := recorded(t, torn, true, context.Background(), c, nil)
		same(t, "resumed", got, want)
	}
	// Resuming wrote what was missing, so now it is all there.
	if _, scored := recorded(t, torn, true, context.Background(), c, nil); scored != 0 {
		t.Errorf("a complete journal left %d moves to score", scored)
	}
}

// The limits are not what a run is known by: one that reached them can go on.
func TestResumeWithOtherLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	recorded(t, path, false, context.Background(), search.Config{Steps: 10, Batch: 3}, nil)
	for _, steps := range []int{30, 5} {
		want, _ := recorded(t, filepath.Join(t.TempDir(), "j"), false, context.Background(), search.Config{Steps: steps}, nil)
		got, _ := recorded(t, path, true, context.Background(), search.Config{Steps: steps}, nil)
		same(t, "resumed", got, want)
	}
}

// What the facts do not tell, the scores do: a program that computes otherwise
// must not go on with a journal.
func TestResumeWithOtherScoresIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	recorded(t, path, false, context.Background(), search.Config{Steps: 10}, nil)
	ev, st := newLandscape(), greedy(t, search.Group, 11)
	j, err := search.OpenJournal(path, search.Identity(empty(), ev, st), true)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ev.bias = 1e-9
	r, err := search.Run(context.Background(), ev, st, empty(), search.Config{Steps: 20, Journal: j})
	if err == nil || !strings.Contains(err.Error(), "its scores are not what they are now") || r.Steps != 10 {
		t.Errorf("%d steps, error %v", r.Steps, err)
	}
}

func TestResumeWithoutAJournalStartsAnew(t *testing.T) {
	ev, st := newLandscape(), greedy(t, search.Row, 1)
	j, err := search.OpenJournal(filepath.Join(t.TempDir(), "j"), search.Identity(empty(), ev, st), true)
	if err != nil || j.Len() != 0 {
		t.Fatalf("%v trials, error %v", j.Len(), err)
	}
	if _, err := search.Run(context.Background(), ev, st, empty(), search.Config{Steps: 5, Journal: j}); err != nil {
		t.Fatal(err)
	}
	if j.Len() != 6 {
		t.Errorf("%d trials, want the start and 5", j.Len())
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestANewRunKeepsTheOldJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	recorded(t, path, false, context.Background(), search.Config{Steps: 9}, nil)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	recorded(t, path, false, context.Background(), search.Config{Steps: 3}, nil)
	if kept, err := os.ReadFile(path + ".1"); err != nil || !bytes.Equal(kept, old) {
		t.Errorf("the old journal became %q, error %v", kept, err)
	}
}

// Two starts by mistake lose nothing: a run without anything to record leaves the
// journal alone (review B5).
func TestARunWithoutRecordsChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	recorded(t, path, false, context.Background(), search.Config{Steps: 9}, nil)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		j, err := search.OpenJournal(path, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, old) {
		t.Errorf("the journal became %q, error %v", now, err)
	}
}

// A look whose answers are more or fewer than the others' is damage, not a panic
// (review B20).
func TestACheckpointOfAnotherLength(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	run := func(resume bool) (*search.Result, error) {
		ev, st := newLandscape(), greedy(t, search.Group, 11)
		j, err := search.OpenJournal(path, search.Identity(empty(), ev, st), resume)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		validate := &search.Validation{Of: "x", Every: 1e-9, Answers: func(context.Context, *bankai.Patch) ([]bool, error) { return []bool{true, false, true}, nil }}
		return search.Run(context.Background(), ev, st, empty(), search.Config{Steps: 30, Journal: j, Validation: validate})
	}
	r, err := run(false)
	if err != nil || len(r.Checkpoints) < 2 {
		t.Fatalf("%d looks, %v", len(r.Checkpoints), err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	for i, line := range slices.Backward(lines) {
		if record, _, _ := strings.Cut(line, "\t"); strings.Contains(record, `"right":"101"`) {
			lines[i] = sealed(strings.Replace(record, `"right":"101"`, `"right":"10"`, 1))
			break
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := run(true); err == nil || !strings.Contains(err.Error(), "holds looks at 3 and at 2 answers of one set") || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

// sealed is a line of a journal with its checksum.
func sealed(record string) string {
	return fmt.Sprintf("%s\t\"%08x\"\n", record, crc32.ChecksumIEEE([]byte(record)))
}

func TestAJournalOfAnotherRunIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	recorded(t, path, false, context.Background(), search.Config{Steps: 3}, nil)
	before, _ := os.ReadFile(path)

	ev, st := newLandscape(), greedy(t, search.Group, 12)
	ev.penalty = 3
	_, err := search.OpenJournal(path, search.Identity(empty(), ev, st), true)
	var mismatch *search.MismatchError
	if !errors.As(err, &mismatch) || len(mismatch.Differs) != 2 || mismatch.Differs[1] != "seed was 11 and is 12" ||
		!strings.HasPrefix(mismatch.Differs[0], "landscape was ") {
		t.Errorf("error %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the journal was changed")
	}
	facts := []search.Fact{{Name: "colour", Value: "red"}}
	if _, err = search.OpenJournal(path, facts, true); err == nil || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), "colour is red and was not set; start patch was ") {
		t.Errorf("error %v", err)
	}
}

// Before all facts are known, a journal is checked by those that are.
func TestAJournalIsCheckedByWhatIsKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	recorded(t, path, false, context.Background(), search.Config{Steps: 3}, nil)
	run := search.Identity(empty(), newLandscape(), greedy(t, search.Group, 11))
	known := run[:len(run)-1]
	other := slices.Clone(run)
	other[0].Value = "another"
	for _, c := range []struct {
		name    string
		facts   []search.Fact
		resume  bool
		unknown []string
		refused bool
	}{
		{"all are equal", run, true, nil, false},
		{"one is missing", known, true, nil, true},
		{"one is not known yet", known, true, []string{run[len(run)-1].Name}, false},
		{"one is another", other, true, []string{run[len(run)-1].Name}, true},
		{"one is another, in a new run", other, false, nil, false},
	} {
		var mismatch *search.MismatchError
		if err := search.CheckJournal(path, c.facts, c.resume, c.unknown...); errors.As(err, &mismatch) != c.refused {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	if err := search.CheckJournal(none, run, true); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("a journal was made")
	}
}

func TestWhatIsNoJournalIsLeftAlone(t *testing.T) {
	facts := []search.Fact{{Name: "seed", Value: "1"}}
	header := `{"bankai_search_journal":8,"run":[{"name":"seed","value":"1"}]}` + "\n"
	for _, c := range []struct{ content, want string }{
		{"my diary", "is not the journal of a search"},
		{"my diary\n", "is not the journal of a search"},
		{"{}\n", "is not the journal of a search"},
		{`{"bankai_search_journal":9}` + "\n", "has journal version 9, this program writes 8"},
		{`{"bankai_search_journal":7,"run":[{"name":"seed","value":"1"}]}` + "\n", "has journal version 7, this program writes 8: start anew without resuming"},
		{header + "oops\n" + sealed("{}"), "line 2 is damaged"},
		{header + sealed(`{"on":"12"}`) + sealed("{}"), "line 2 is damaged"},
		{header + sealed(`{"cost":"many"}`) + sealed("{}"), "line 2 is damaged"},
		{header + sealed(`{"on":"`+bankai.Digest{}.String()+`","trial":{"cost":"NaN"}}`) + sealed("{}"), "line 2 is damaged (its costs and seconds must be"},
	} {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, []byte(c.content), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := search.OpenJournal(path, facts, true); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: error %v, want …%s…", c.content, err, c.want)
		}
		if left, _ := os.ReadFile(path); string(left) != c.content {
			t.Errorf("%q was changed to %q", c.content, left)
		}
	}
}

func TestJournalsThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no such folder", "j")
	if _, err := search.OpenJournal(path, nil, false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	j, err := search.OpenJournal(filepath.Join(t.TempDir(), "j"), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := search.Run(context.Background(), newLandscape(), greedy(t, search.Row, 1), empty(), search.Config{Steps: 5, Journal: j})
	if !errors.Is(err, os.ErrClosed) || r.Stopped != "" {
		t.Errorf("a full disk, say, went unnoticed: %v", err)
	}
}

// Wherever a journal is cut back to, the run that goes on with it ends as the one that was
// never wrong, and scores only what was cut off. So it does after another program opened
// the file.
func TestCutBackToEveryMark(t *testing.T) {
	c := search.Config{Steps: 30}
	want, _ := recorded(t, filepath.Join(t.TempDir(), "right"), false, context.Background(), c, nil)
	for n := 0; n < 30; n += 3 {
		path := filepath.Join(t.TempDir(), "j")
		ev, st := newLandscape(), greedy(t, search.Group, 11)
		j, err := search.OpenJournal(path, search.Identity(empty(), ev, st), false)
		if err != nil {
			t.Fatal(err)
		}
		c.Journal = j
		var mark int64
		calls := 0
		lying := &watching{ev, func(scores []search.Score) {
			if calls++; calls > n {
				for i := range scores {
					scores[i].Fitness = -scores[i].Fitness
				}
			}
		}, func() {
			if calls == n {
				mark = j.Mark()
			}
		}}
		wrong, err := search.Run(context.Background(), lying, st, empty(), c)
		if err != nil {
			t.Fatal(err)
		}
		if n < 10 && reflect.DeepEqual(wrong.Patch.Flips(), want.Patch.Flips()) {
			t.Errorf("wrong scores from call %d on changed nothing", n)
		}
		if err := j.CutBack(mark); err != nil {
			t.Fatal(err)
		}
		if j.Mark() != mark && n > 0 || j.Len() > n {
			t.Errorf("call %d: mark %d, want %d; %d trials", n, j.Mark(), mark, j.Len())
		}
		before := ev.scored
		got, err := search.Run(context.Background(), ev, greedy(t, search.Group, 11), empty(), c)
		if err != nil {
			t.Fatal(err)
		}
		if n > 1 && ev.scored-before >= 31 {
			t.Errorf("call %d: all of %d moves were scored again", n, ev.scored-before)
		}
		same(t, "cut back", got, want)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, scored := recorded(t, path, true, context.Background(), search.Config{Steps: 30}, nil)
		same(t, "read", again, want)
		if scored > 0 {
			t.Errorf("call %d: the file lacks %d moves", n, scored)
		}
	}
}

// watching sees the scores of an evaluator, and when it is asked.
type watching struct {
	*landscape
	scores func([]search.Score)
	asked  func()
}

func (w *watching) Score(ctx context.Context, cur *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	w.asked()
	scores, err := w.landscape.Score(ctx, cur, moves)
	w.scores(scores)
	return scores, err
}

// A journal is cut only where a record ends, and a mark that was cut off is none.
func TestCutBackRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := search.OpenJournal(path, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.CutBack(j.Mark()); err != nil || j.Mark() != 0 {
		t.Errorf("of an empty journal: %v", err)
	}
	for i := range 3 {
		if err := j.Wrote(empty(), float64(i)); err != nil {
			t.Fatal(err)
		}
	}
	end := j.Mark()
	for _, mark := range []int64{-1, end - 1, end + 1} {
		if err := j.CutBack(mark); err == nil || !strings.Contains(err.Error(), "cannot be cut back") {
			t.Errorf("to %d of %d bytes: %v", mark, end, err)
		}
	}
	if err := j.CutBack(0); err != nil {
		t.Fatal(err)
	}
	if _, ok := j.Written(empty()); ok || j.Mark() <= 0 || j.Mark() >= end {
		t.Errorf("of a journal cut back to its begin: mark %d", j.Mark())
	}
}

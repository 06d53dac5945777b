package score_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai/engine"
	"bankai/score"
	"bankai/search"
)

// farther runs searches on a model of its own, through JSON, as another machine would:
// every second one whole, the others as far as steps allow, or not at all.
type farther struct {
	t     *testing.T
	model *engine.Model
	dir   string
	steps int // of those that do not come to their end; 0: they are run here
	done  int
	known int               // journals that it was given
	lies  func(path string) // changes a journal; may be nil
	wrong int               // journals that were found wrong
}

func (f *farther) Ahead(_ context.Context, jobs []score.Job, known []string) (score.Ahead, error) {
	for _, k := range known {
		if k != "" {
			f.known++
		}
	}
	return &ahead{farther: f, jobs: jobs}, nil
}

func (f *farther) Width() int { return 2 }

type ahead struct {
	*farther
	jobs []score.Job
	at   int
}

func (a *ahead) Close() error { return nil }

func (a *ahead) Wrong(int) { a.wrong++ }

func (a *ahead) Next(ctx context.Context) (score.Ready, error) {
	a.at++
	if a.at > len(a.jobs) {
		return score.Ready{}, errors.New("no more")
	}
	r := score.Ready{Index: len(a.jobs) - a.at}
	text, err := json.Marshal(a.jobs[r.Index])
	if err != nil {
		a.t.Fatal(err)
	}
	var job score.Job
	if err := json.Unmarshal(text, &job); err != nil {
		a.t.Fatal(err)
	}
	if again, _ := json.Marshal(job); string(again) != string(text) {
		a.t.Errorf("a search through JSON is\n%s, was\n%s", again, text)
	}
	if r.Here = a.at%2 == 0; r.Here && a.steps == 0 {
		return r, nil
	} else if r.Here {
		job.Limits.Steps = a.steps
	}
	s, err := job.Setup(a.model)
	if err != nil {
		a.t.Fatal(err)
	}
	r.Journal = filepath.Join(a.dir, time.Now().Format("150405.000000000"))
	if job.Limits.Journal, err = search.OpenJournal(r.Journal, s.Facts, false); err != nil {
		a.t.Fatal(err)
	}
	if _, err := s.Run(ctx, job.Limits); err != nil {
		a.t.Fatal(err)
	}
	a.done++
	err = job.Limits.Journal.Close()
	if a.lies != nil {
		a.lies(r.Journal)
	}
	return r, err
}

// A search that went ahead elsewhere finds what it finds here, whole or in part, and tells
// the same of its way.
func TestSearchAhead(t *testing.T) {
	for _, method := range []score.Method{score.MethodGuided, score.MethodGreedy, score.MethodEvolve, score.MethodRandom, score.MethodVote} {
		for _, steps := range []int{0, 4} {
			model := tiny(t)
			p := score.NewPlan(method)
			p.Layers, p.Seed, p.Limits.Steps, p.Limits.MaxCost = []int{1}, 3, 25, 60
			p.Objective.Sets = []score.Share{{Probes: 1, Weight: 1, Floor: -1}, {Probes: len(targets) - 1, Weight: 2.5, Floor: -3}}
			alone, err := setup(model, p)
			if err != nil {
				t.Fatal(err)
			}
			want, err := alone.Run(t.Context(), p.Limits)
			if err != nil {
				t.Fatal(err)
			}
			far := &farther{t: t, model: tiny(t), dir: t.TempDir(), steps: steps}
			s, err := setup(model, p)
			if err != nil {
				t.Fatal(err)
			}
			s.Searcher = far
			got, err := s.Run(t.Context(), p.Limits)
			if err != nil {
				t.Fatal(err)
			}
			sameResult(t, method.String(), got, want)
			if far.done == 0 || far.wrong > 0 {
				t.Errorf("%s: %d went ahead, %d are said to be wrong", method, far.done, far.wrong)
			}
			if left, _ := os.ReadDir(far.dir); len(left) > 0 {
				t.Errorf("%s: %d files are left", method, len(left))
			}
		}
	}
}

// sameResult compares all but times.
func sameResult(t *testing.T, what string, got, want *search.Result) {
	t.Helper()
	timeless := func(r *search.Result) search.Result {
		c := *r
		c.Seconds, c.Patch = 0, nil
		c.Trajectory = slices.Clone(c.Trajectory)
		for i := range c.Trajectory {
			c.Trajectory[i].Seconds = 0
		}
		return c
	}
	if got.Patch.ContentDigest() != want.Patch.ContentDigest() || !reflect.DeepEqual(timeless(got), timeless(want)) {
		t.Errorf("%s: %+v\nwant %+v", what, timeless(got), timeless(want))
	}
}

// The draws of a vote that was interrupted go on elsewhere from their journals, and those
// on the disk hold what came back.
func TestVoteAheadResumed(t *testing.T) {
	model := tiny(t)
	p := score.NewPlan(score.MethodVote)
	p.Layers, p.Seed, p.Limits.Steps = []int{1}, 3, 30
	path := filepath.Join(t.TempDir(), "vote.journal")
	run := func(resume bool, limits search.Config, searcher score.Searcher) *search.Result {
		s, err := setup(model, p)
		if err != nil {
			t.Fatal(err)
		}
		s.Searcher = searcher
		if limits.Journal, err = search.OpenJournal(path, s.Facts, resume); err != nil {
			t.Fatal(err)
		}
		r, err := s.Run(t.Context(), limits)
		if err := errors.Join(err, limits.Journal.Close()); err != nil {
			t.Fatal(err)
		}
		return r
	}
	short := p.Limits
	short.Steps = 9
	run(false, short, nil)
	far := &farther{t: t, model: tiny(t), dir: t.TempDir()}
	got := run(true, p.Limits, far)
	if far.known != 3 {
		t.Errorf("%d of 3 draws went on from what was known", far.known)
	}
	alone, err := setup(model, p)
	if err != nil {
		t.Fatal(err)
	}
	want, err := alone.Run(t.Context(), p.Limits)
	if err != nil {
		t.Fatal(err)
	}
	sameResult(t, "resumed", got, want)
	sameResult(t, "resumed again, with nobody", run(true, p.Limits, nil), want)
}

// A journal from elsewhere that holds wrong numbers is found out, and does not count.
func TestSearchAheadWrong(t *testing.T) {
	p := score.NewPlan(score.MethodGuided)
	p.Layers, p.Seed, p.Limits.Steps = []int{1}, 3, 25
	alone, err := setup(tiny(t), p)
	if err != nil {
		t.Fatal(err)
	}
	want, err := alone.Run(t.Context(), p.Limits)
	if err != nil {
		t.Fatal(err)
	}
	far := &farther{t: t, model: tiny(t), dir: t.TempDir(), lies: func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(string(text), "\n")
		out := head + "\n"
		for line := range strings.Lines(rest) {
			record, _, _ := strings.Cut(line, "\t")
			record = regexp.MustCompile(`"fitness":(-?[0-9]+)\.`).ReplaceAllString(record, `"fitness":${1}.0`)
			out += fmt.Sprintf("%s\t\"%08x\"\n", record, crc32.ChecksumIEEE([]byte(record)))
		}
		if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
	}}
	s, err := setup(tiny(t), p)
	if err != nil {
		t.Fatal(err)
	}
	s.Searcher = far
	got, err := s.Run(t.Context(), p.Limits)
	if err != nil {
		t.Fatal(err)
	}
	sameResult(t, "wrong journal", got, want)
	if far.wrong != 1 {
		t.Errorf("%d journals are said to be wrong, of 1 that is", far.wrong)
	}
}

// nobody leaves all searches to this machine.
type nobody struct{ left []score.Job }

func (n *nobody) Width() int { return 1 }

func (n *nobody) Ahead(_ context.Context, jobs []score.Job, _ []string) (score.Ahead, error) {
	return &nobody{jobs}, nil
}

func (n *nobody) Next(context.Context) (score.Ready, error) {
	n.left = n.left[1:]
	return score.Ready{Index: len(n.left), Here: true}, nil
}

func (n *nobody) Wrong(int) {}

func (n *nobody) Close() error { return nil }

// A search that was to go ahead elsewhere and was run here took the time that it took.
func TestSearchAheadHere(t *testing.T) {
	p := score.NewPlan(score.MethodGuided)
	p.Layers, p.Seed, p.Limits.Steps = []int{1}, 3, 9
	s, err := setup(tiny(t), p)
	if err != nil {
		t.Fatal(err)
	}
	s.Searcher = &nobody{}
	got, err := s.Run(t.Context(), p.Limits)
	if err != nil {
		t.Fatal(err)
	}
	if last := got.Trajectory[len(got.Trajectory)-1]; got.Seconds < last.Seconds || last.Seconds == 0 {
		t.Errorf("it took %v s, and its last point is at %v s", got.Seconds, last.Seconds)
	}
}

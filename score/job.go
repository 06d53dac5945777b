package score

import (
	"context"
	"encoding/json"
	"os"
	"slices"

	"bankai/engine"
	"bankai/search"
)

// Job is a whole search, as another machine can do it that has the model. As JSON it keeps
// every number to the bit.
type Job struct {
	Targets  []Item
	Controls []Item
	Plan     Plan          // but for its Limits
	Limits   search.Config // but for functions, the shape and the journal
}

// Setup prepares the search.
func (j Job) Setup(m *engine.Model) (*Setup, error) {
	return NewSetup(m, j.Targets, j.Controls, j.Plan)
}

// jobJSON is a Job with names for what are numbers in Go.
type jobJSON struct {
	Targets  []Item     `json:"targets"`
	Controls []Item     `json:"controls,omitempty"`
	Plan     planJSON   `json:"plan"`
	Limits   limitsJSON `json:"limits"`
}

type planJSON struct {
	Method      Method    `json:"method"`
	Sizes       []string  `json:"sizes"`
	Layers      []int     `json:"layers,omitempty"`
	Projections []string  `json:"projections,omitempty"`
	Objective   Objective `json:"objective"`
	Screen      int       `json:"screen,omitempty"`
	Text        []string  `json:"text,omitempty"`
	Keep        []Item    `json:"keep,omitempty"`
	Seed        uint64    `json:"seed"`
	Block       int       `json:"block,omitempty"`
	Draws       int       `json:"draws,omitempty"`
	Votes       int       `json:"votes,omitempty"`
}

type limitsJSON struct {
	Steps      int     `json:"steps"`
	MaxFlips   int     `json:"max_flips,omitempty"`
	MaxBytes   int     `json:"max_bytes,omitempty"`
	MaxCost    float64 `json:"max_cost,omitempty"`
	MaxSeconds float64 `json:"max_seconds,omitempty"`
	Prune      bool    `json:"prune,omitempty"`
	Batch      int     `json:"batch,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (j Job) MarshalJSON() ([]byte, error) {
	p, l := j.Plan, j.Limits
	out := jobJSON{
		Targets: j.Targets, Controls: j.Controls,
		Plan: planJSON{
			Method: p.Method, Layers: p.Layers, Projections: p.Projections, Objective: p.Objective, Screen: p.Screen,
			Text: p.Text, Keep: p.Keep, Seed: p.Seed, Block: p.Block, Draws: p.Draws, Votes: p.Votes,
		},
		Limits: limitsJSON{l.Steps, l.MaxFlips, l.MaxBytes, l.MaxCost, l.MaxSeconds, l.Prune, l.Batch},
	}
	for _, s := range p.Sizes {
		out.Plan.Sizes = append(out.Plan.Sizes, s.String())
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (j *Job) UnmarshalJSON(b []byte) error {
	var in jobJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	p, l := in.Plan, in.Limits
	*j = Job{
		Targets: in.Targets, Controls: in.Controls,
		Plan: Plan{
			Method: p.Method, Layers: p.Layers, Projections: p.Projections, Objective: p.Objective, Screen: p.Screen,
			Text: p.Text, Keep: p.Keep, Seed: p.Seed, Block: p.Block, Draws: p.Draws, Votes: p.Votes,
		},
		Limits: search.Config{
			Steps: l.Steps, MaxFlips: l.MaxFlips, MaxBytes: l.MaxBytes, MaxCost: l.MaxCost, MaxSeconds: l.MaxSeconds,
			Prune: l.Prune, Batch: l.Batch,
		},
	}
	for _, name := range p.Sizes {
		g, err := search.ParseGranularity(name)
		if err != nil {
			return err
		}
		j.Plan.Sizes = append(j.Plan.Sizes, g)
	}
	return nil
}

// Searcher lets whole searches run on other machines, ahead of this one: what comes back
// is their journals, with which the same search here costs nothing and ends with the same
// bits. Several goroutines may call it at once.
type Searcher interface {
	// Ahead begins searches elsewhere. known names, for each, a file with a journal of it
	// as far as it went before, or is "".
	Ahead(ctx context.Context, jobs []Job, known []string) (Ahead, error)
	// Width counts the machines, this one included.
	Width() int
}

// Ahead is searches that run elsewhere. One goroutine uses it.
type Ahead interface {
	// Next waits for another of the searches, in any order; after all it is an error. A
	// search that is to be run here is not begun elsewhere any more. Only one such runs on
	// this machine at a time, until the next call of Next or Close.
	Next(ctx context.Context) (Ready, error)
	// Wrong says that the journal of a search that came back holds wrong numbers.
	Wrong(index int)
	// Close ends what still runs elsewhere.
	Close() error
}

// Ready is a search that comes back from elsewhere.
type Ready struct {
	Index   int    // among the jobs
	Journal string // a file that holds what is known of it, for the caller to remove; "" if nothing is
	Here    bool   // the rest of it is to be run here, now
}

// goAhead lets searches run elsewhere and here, side by side, until the journals hold all
// of them. What goes wrong with it is no error: what the journals lack is then computed
// when the searches are run with them.
func (s *Setup) goAhead(ctx context.Context, jobs []Job, journals []*search.Journal) {
	known := make([]string, len(jobs))
	for i, j := range journals {
		if j.Len() > 0 {
			known[i] = j.Path()
		}
	}
	all, err := s.Searcher.Ahead(ctx, jobs, known)
	if err != nil {
		return
	}
	defer all.Close()
	for range jobs {
		r, err := all.Next(ctx)
		if err != nil {
			return
		}
		err = s.comeBack(ctx, all, r, jobs[r.Index], journals[r.Index])
		if err != nil && ctx.Err() != nil {
			return
		}
	}
}

// comeBack takes in what is known of a search, if it holds, and does the rest here if that
// is left.
func (s *Setup) comeBack(ctx context.Context, all Ahead, r Ready, job Job, journal *search.Journal) error {
	if r.Journal != "" {
		defer os.Remove(r.Journal)
		known := search.NewJournal(journal.Facts())
		if err := known.Absorb(r.Journal); err != nil {
			return err
		}
		if !r.Here {
			holds, err := s.holds(ctx, job, known)
			if err != nil {
				return err
			}
			if !holds {
				all.Wrong(r.Index)
				return nil
			}
		}
		if err := journal.Absorb(r.Journal); err != nil {
			return err
		}
	}
	if !r.Here {
		return nil
	}
	_, err := s.runHere(ctx, job, journal, func(_ *Setup, found *search.Result) error {
		journal.Account(found.Seconds)
		return nil
	})
	return err
}

// holds runs a search with its whole journal, which costs nothing, and measures what it
// finds. A machine that computed wrong bits on the way to it hardly has the right fitness
// at the end. Of a search by samples, whose result is measured on some, nothing is
// measured.
func (s *Setup) holds(ctx context.Context, job Job, known *search.Journal) (holds bool, err error) {
	_, err = s.runHere(ctx, job, known, func(own *Setup, r *search.Result) error {
		if job.Plan.Method == MethodSampled || r.Stopped == search.StopInterrupted {
			holds = true
			return nil
		}
		scores, err := own.Evaluator.Score(ctx, r.Patch, []search.Move{{}})
		if err == nil {
			holds = scores[0].Fitness == r.Fitness
		}
		return err
	})
	return holds, err
}

// runHere runs one search with a journal, not divided, since others are at searches of
// their own, and calls with for what it found.
func (s *Setup) runHere(ctx context.Context, job Job, journal *search.Journal, with func(own *Setup, r *search.Result) error) (*search.Result, error) {
	own, err := job.Setup(s.Model)
	if err != nil {
		return nil, err
	}
	defer own.Evaluator.Release()
	job.Limits.Journal = journal
	r, err := own.Run(ctx, job.Limits)
	if err != nil {
		return r, err
	}
	return r, with(own, r)
}

// ahead lets a search run elsewhere if it may, and returns the limits with the journal of
// it. One that watches answers is run here: it may end where nobody elsewhere knows. So is
// one that has a journal of its own, or whose measuring is divided.
func (s *Setup) ahead(ctx context.Context, limits search.Config) search.Config {
	if s.Searcher == nil || limits.Journal != nil || limits.Validation != nil || s.measurer != nil {
		return limits
	}
	limits.Journal = search.NewJournal(s.Facts)
	s.goAhead(ctx, []Job{{s.Targets, s.Controls, s.Plan, limits}}, []*search.Journal{limits.Journal})
	return limits
}

// drawsAhead lets the draws of a vote run elsewhere, likewise. Where there are more machines
// than draws, and measuring is divided, each draw has all of them instead.
func (s *Setup) drawsAhead(ctx context.Context, voters []search.Voter, jobs []Job, limits search.Config) {
	if s.Searcher == nil || limits.Validation != nil || s.measurer != nil && s.Searcher.Width() > len(voters) {
		return
	}
	journals := make([]*search.Journal, len(voters))
	for i, v := range voters {
		jobs[i].Limits, journals[i] = v.Limits(limits, len(voters)), v.Journal
	}
	s.goAhead(ctx, jobs, journals)
}

// drawJob is the search of one draw.
func (s *Setup) drawJob(targets []Item, p Plan, o Objective) Job {
	p.Method, p.Objective = MethodGuided, o
	p.Sizes = slices.Clone(p.Sizes)
	return Job{Targets: targets, Controls: s.Controls, Plan: p}
}

package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"bankai"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/search"
)

// searchDoc describes a search.
type searchDoc struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"` // of its patch
	Request  *searchAsked  `json:"request"`
	Phase    searchPhase   `json:"phase"`
	Running  bool          `json:"running"`
	Resuming bool          `json:"resuming,omitempty"` // it goes on, and nothing of that is written yet
	Why      string        `json:"why,omitempty"`      // it failed
	Note     string        `json:"note,omitempty"`     // what it said last of how it goes
	Warnings []string      `json:"warnings,omitempty"`
	State    searchState   `json:"state"`
	Patch    *searchPatch  `json:"patch"`  // null while there is none
	Result   *searchResult `json:"result"` // what "bankai search --json" printed; null while there is none
	Verdicts []saidDoc     `json:"verdicts,omitempty"`
	Resume   bool          `json:"resume"` // it can go on
}

// searchPhase is what a search is at.
type searchPhase string

const (
	phasePreparing searchPhase = "preparing" // audits its probes, makes a guard
	phaseSearching searchPhase = "searching"
	phasePruning   searchPhase = "pruning" // takes out what is of no use
	phaseMeasuring searchPhase = "measuring"
	phaseDone      searchPhase = "done"
	phaseStopped   searchPhase = "stopped"
	phaseFailed    searchPhase = "failed"
)

// searchState is how far a search is, or what it came to.
type searchState struct {
	Line     int     `json:"line"` // of its journal
	Step     int     `json:"step"` // candidates decided
	Steps    int     `json:"steps"`
	Accepted int     `json:"accepted"`
	Cost     float64 `json:"cost"` // forward-pass equivalents
	Fitness  float64 `json:"fitness"`
	Flips    int     `json:"flips"`
	Right    *int    `json:"right"` // of Total, at the last look; null without a validation set
	Total    int     `json:"total"`
	Seconds  float64 `json:"seconds"`
	Rate     float64 `json:"rate"`         // candidates a second
	Left     float64 `json:"left_seconds"` // 0 while it cannot be told
	Share    float64 `json:"share"`        // of the way to the limit that comes first, 0 to 1
	// Said is the same in the words of the command line.
	Said map[string]string `json:"said"`
}

// searchPatch is the patch that a search wrote.
type searchPatch struct {
	Flips  int           `json:"flips"`
	Bits   uint64        `json:"bits"`
	Bytes  int64         `json:"bytes"`
	Digest bankai.Digest `json:"digest"`
	info   fs.FileInfo   // of its file
}

// saidDoc is a text with what it is about.
type saidDoc struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// searchResult is the document of a search, without where its model lies.
type searchResult struct {
	*repair.Result
	*repair.ProbesResult
}

// readResult reads the document of a search; nil if there is none.
func readResult(path string) *searchResult {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	r := &searchResult{&repair.Result{}, &repair.ProbesResult{}}
	if json.Unmarshal(data, r) != nil {
		return nil
	}
	r.Model.Path = ""
	return r
}

// doc describes the search as it is now.
func (r *searchRun) doc() searchDoc {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look()
	return r.docNow()
}

// brief is doc for a list: the journal, which may be long, is read only where nothing else
// tells how far the search is.
func (r *searchRun) brief() searchDoc {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log.look(); r.process == nil {
		r.readResult()
	}
	if r.result == nil {
		r.look()
	}
	d := r.docNow()
	d.Result = nil
	return d
}

// docNow is doc of what was looked at. r.mu is held.
func (r *searchRun) docNow() searchDoc {
	phase, why := r.phase()
	d := searchDoc{
		ID: r.id, Name: r.name, Request: r.asked, Phase: phase, Why: why, Note: r.log.note, Warnings: r.log.warnings,
		Running: r.process != nil || r.isElsewhere(), Resuming: r.resumed, State: r.state(), Patch: r.found(), Result: r.result, Verdicts: r.verdicts(),
	}
	_, err := os.Stat(r.journal())
	d.Resume = !d.Running && phase != phaseFailed && err == nil
	return d
}

// phase is what the search is at, and why it failed, if it did.
func (r *searchRun) phase() (searchPhase, string) {
	f := r.follower
	running := r.process != nil || r.isElsewhere()
	switch {
	case running && f.Lines == 0:
		return phasePreparing, ""
	case running && r.resumed:
		return phaseSearching, ""
	case running && f.Written:
		return phaseMeasuring, ""
	case running && f.Pruning:
		return phasePruning, ""
	case running:
		return phaseSearching, ""
	case r.result != nil && r.result.Stopped != search.StopInterrupted:
		return phaseDone, ""
	case r.result != nil, r.log.isInterrupted():
		return phaseStopped, ""
	case r.log.failure != "":
		return phaseFailed, r.log.failure
	case r.unread != nil:
		return phaseFailed, fmt.Sprintf("its journal cannot be read: %v", r.unread)
	case f.Lines == 0:
		return phaseFailed, "it ended before it found anything, and did not say why"
	}
	return phaseStopped, "" // it was killed
}

// state is how far the search is; when it is done, what it came to.
func (r *searchRun) state() searchState {
	f, limits := r.follower, r.asked.limits()
	s := searchState{
		Line: f.Lines, Step: f.Step, Steps: limits.Steps, Accepted: f.Accepted, Cost: f.Cost, Fitness: f.Fitness, Flips: f.Flips,
		Right: f.Right, Total: f.Total, Seconds: f.Seconds, Rate: f.Rate, Left: f.Left(limits).Seconds(),
	}
	if d := r.result; d != nil {
		s.Step, s.Accepted, s.Cost, s.Fitness, s.Flips, s.Seconds = d.Steps, d.Accepted, d.Cost.ForwardEquivalents, d.Fitness, d.Flips, d.Cost.Seconds
		s.Right = rightAtEnd(d)
	}
	if s.Total == 0 {
		s.Total = r.asked.Validate.Probes
	}
	if r.process == nil {
		s.Left = 0
	}
	s.Share = s.share(limits)
	s.Said = s.said()
	return s
}

// rightAtEnd is how many watched answers are right under the patch that was found, which may be
// an earlier one; as long as that was not looked at, at the last look.
func rightAtEnd(d *searchResult) (right *int) {
	for _, p := range slices.Backward(d.Trajectory) {
		if p.Right == nil {
			continue
		}
		if p.Fitness == d.Fitness && p.Flips == d.Flips {
			return p.Right
		}
		right = cmp.Or(right, p.Right)
	}
	return right
}

// share is how far the search is to its steps, its cost or its time, whichever is next.
func (s *searchState) share(limits search.Config) float64 {
	share := float64(s.Step) / float64(limits.Steps)
	if limits.MaxCost > 0 {
		share = max(share, s.Cost/limits.MaxCost)
	}
	if limits.MaxSeconds > 0 {
		share = max(share, s.Seconds/limits.MaxSeconds)
	}
	return min(1, share)
}

// said puts a state into the words of the command line.
func (s *searchState) said() map[string]string {
	said := map[string]string{
		"fitness":    fmt.Sprintf("%+.4f", s.Fitness),
		"spent":      spent(s.Cost),
		"cost":       text.Measure(s.Cost, "forward-pass equivalent"),
		"candidates": text.Count(s.Step, "candidate"),
		"seconds":    text.Elapsed(s.Seconds),
		"flips":      text.Count(s.Flips, "flip"),
	}
	if s.Rate > 0 {
		said["rate"] = fmt.Sprintf("%.1f/s", s.Rate)
	}
	if s.Left > 0 {
		said["left"] = time.Duration(s.Left * float64(time.Second)).Round(time.Second).String()
	}
	return said
}

// spent is a cost without its unit.
func spent(cost float64) string { return strings.Fields(text.Measure(cost, "pass"))[0] }

// found is the patch that the search wrote, nil if there is none yet.
func (r *searchRun) found() *searchPatch {
	info, err := os.Stat(r.patch())
	if err != nil {
		return nil
	}
	if old := r.written; old != nil && os.SameFile(old.info, info) && old.info.ModTime().Equal(info.ModTime()) {
		return old
	}
	p, err := bankai.ReadFile(r.patch())
	if err != nil {
		return nil
	}
	bits, _ := p.Bits()
	r.written = &searchPatch{p.Len(), bits, info.Size(), p.ContentDigest(), info}
	return r.written
}

// endings say why a search ended.
var endings = map[search.Stop]string{
	search.StopSteps:       "all candidates that it was to try were tried",
	search.StopFlips:       "the patch has as many flips as it may have",
	search.StopOverfit:     "the watched answers got worse while the fitness rose",
	search.StopCost:        "it has spent what it was to cost",
	search.StopTime:        "its time was up",
	search.StopExhausted:   "it had nothing left to try",
	search.StopInterrupted: "it was stopped",
}

// verdicts say what came of the search, as the command line does.
func (r *searchRun) verdicts() (said []saidDoc) {
	d := r.result
	if d == nil {
		return nil
	}
	add := func(name, text string) {
		if text != "" {
			said = append(said, saidDoc{name, text})
		}
	}
	if d.Validate != nil {
		add("validation", verdictOf(d.Validate))
	}
	if d.Controls != nil {
		add("controls", verdictOf(d.Controls))
	}
	if d.Guard != nil {
		add("guard", repair.GuardText(d.Guard))
	}
	add("went back", d.WentBack)
	add("warning", d.Warning)
	add("ended", endings[d.Stopped])
	return said
}

// verdictOf says what counts show.
func verdictOf(c *repair.Counts) string {
	return report.Verdict(&measure.Result{
		Total: c.Total, Before: c.Before, After: c.After, PValue: c.PValue,
		Fixed: make([]string, c.Fixed), Broke: make([]string, c.Broke),
	})
}

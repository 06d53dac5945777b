package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"bankai"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/measure"
	"bankai/search"
)

// searchDoc describes a search.
type searchDoc struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"` // of its patch
	Request  *searchAsked    `json:"request"`
	Phase    searchPhase     `json:"phase"`
	Running  bool            `json:"running"`
	Resuming bool            `json:"resuming,omitempty"` // it goes on, and nothing of that is written yet
	Why      string          `json:"why,omitempty"`      // it failed, or was stopped
	Progress *searchProgress `json:"progress,omitempty"` // of what it does while it tries no flips
	Warnings []string        `json:"warnings,omitempty"`
	State    searchState     `json:"state"`
	Patch    *searchPatch    `json:"patch"`  // null while there is none
	Result   *searchResult   `json:"result"` // what "bankai search --json" printed; null while there is none
	Verdicts []saidDoc       `json:"verdicts,omitempty"`
	Resume   bool            `json:"resume"` // it can go on
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
	r.log.look()
	if r.settle(); r.result == nil || r.attempt != nil && r.attempt.died(true) != "" {
		r.look()
	}
	d := r.docNow()
	d.Result = nil
	return d
}

// docNow is doc of what was looked at. r.mu is held.
func (r *searchRun) docNow() searchDoc {
	phase, why := r.phase()
	running := r.process != nil || r.isElsewhere()
	d := searchDoc{
		ID: r.id, Name: r.name, Request: r.asked, Phase: phase, Why: why, Warnings: r.log.warnings,
		Running: running, Resuming: running && r.resumed, State: r.state(phase), Patch: r.found(), Result: r.result, Verdicts: r.verdicts(phase),
	}
	if p := r.log.progress; p != nil && p.What != ownProgress && (phase == phasePreparing || phase == phaseMeasuring) {
		d.Progress = p
	}
	_, err := os.Stat(r.journal())
	d.Resume = !d.Running && r.unread == nil && err == nil
	return d
}

// phase is what the search is at, and why it failed, if it did.
func (r *searchRun) phase() (searchPhase, string) {
	f := r.follower
	running := r.process != nil || r.isElsewhere()
	switch {
	case running && (f.Lines == 0 || r.resumed):
		return phasePreparing, ""
	case running && f.Written:
		return phaseMeasuring, ""
	case running && f.Pruning:
		return phasePruning, ""
	case running:
		return phaseSearching, ""
	case r.log.isInterrupted():
		return phaseStopped, r.stopped()
	case r.log.failure != "":
		return phaseFailed, onPage(r.log.failure)
	case r.unread != nil:
		return phaseFailed, fmt.Sprintf("its journal cannot be read: %v", r.unread)
	case r.attempt != nil && r.attempt.died(f.Lines > 0) != "" && !r.hasEnded():
		return phaseFailed, r.attempt.died(f.Lines > 0)
	case r.result == nil:
		return phaseFailed, "it ended before it found anything, and did not say why"
	case r.result.Stopped == search.StopInterrupted:
		return phaseStopped, r.stopped()
	}
	return phaseDone, ""
}

// hasEnded says whether the last attempt came to its end although nobody saw that: it wrote
// its result.
func (r *searchRun) hasEnded() bool {
	_, err := os.Stat(r.file(newFile))
	return r.result != nil && !r.attempt.Over && errors.Is(err, fs.ErrNotExist)
}

// stopped says why a search that was told to end was.
func (r *searchRun) stopped() string {
	why := "the server ended, and the search with it"
	if r.attempt == nil || r.attempt.Asked {
		why = ""
	}
	if r.follower.Lines == 0 && r.result == nil {
		return strings.Trim(why+"; nothing had been tried yet, so there is nothing to go on with", "; ")
	}
	return why
}

// onPage puts the reason of a failure into the words of the page, which has a box for a flag.
func onPage(why string) string {
	return strings.Replace(why, "or search all the same with --force", `or choose "Again with these settings" and there, under "More choices", "in spite of fatal findings in the probes"`, 1)
}

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
func (r *searchRun) verdicts(phase searchPhase) (said []saidDoc) {
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
	if phase != phaseFailed { // it is of an earlier attempt
		add("ended", endings[d.Stopped])
	}
	return said
}

// verdictOf says what counts show.
func verdictOf(c *repair.Counts) string {
	return report.Verdict(&measure.Result{
		Total: c.Total, Before: c.Before, After: c.After, PValue: c.PValue,
		Fixed: make([]string, c.Fixed), Broke: make([]string, c.Broke),
	})
}

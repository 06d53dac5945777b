package search

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/durable"
)

// Journal is the record of a run: a text file of JSON lines, the first one
// saying which run it is, then one line for each trial with its score to the
// bit and the decision on it, for each prediction, for each checkpoint of the watched
// answers and for each time the patch was written. It is only ever appended to,
// by one process at a time, and stays when the run is done.
//
// To resume a run is to run it again with its journal. Strategies are
// deterministic and evaluators are pure, so the run asks the same questions in
// the same order; those that the journal can answer cost nothing. Hence it ends
// as it would have without the interruption, and at once if it was complete.
// Before a resumed run goes beyond its journal, it scores the start again, to be
// sure that the evaluator still gives the same bits.
type Journal struct {
	path        string
	file        *durable.Journal // nil: there is none
	run         []Fact
	trials      map[trialKey]knownScore
	futures     map[futureKey]knownFuture
	checkpoints map[checkpointKey][]bool
	written     map[bankai.Digest]float64 // fitness of the patches that the run wrote to files, by content
	seconds     float64                   // the time that what was read from the file took
	measured    float64                   // the time of its last trial or prediction
	candidates  int                       // trials of moves that flip something

	resume  bool
	unknown []string // names of facts that are not compared
	whole   *Journal // the journal that this one is of a part of, or nil
	parts   []*Journal
}

// trialKey is what a score depends on.
type trialKey struct {
	on, move bankai.Digest
	sample   Sample
}

// knownScore is a score, and when it was known.
type knownScore struct {
	Score
	seconds float64
}

// futureKey is what a prediction depends on.
type futureKey struct {
	on   bankai.Digest
	want string
}

// checkpointKey is what a checkpoint depends on.
type checkpointKey struct {
	on bankai.Digest
	of string
}

type knownFuture struct {
	Predictions
	cost    float64
	seconds float64
}

// MismatchError says that a journal was written by another run.
type MismatchError struct {
	Path    string
	Differs []string // each as "seed was 1 and is 2"
}

// Error names every difference, in one line.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s: is the journal of another run: %s; give the same settings to resume it, or start anew without resuming",
		e.Path, strings.Join(e.Differs, "; "))
}

// OpenJournal opens the journal of the run that the facts describe (see
// [Identity]) and that is about to begin. It has to be closed.
//
// To resume, the file's facts must be equal, or the error is a *MismatchError.
// A last line that was cut off by a crash is dropped. If there is no file, the
// journal begins empty: [Journal.Len] tells.
//
// Not to resume is to begin a new journal. One that is already there is kept
// beside it under the next free number (path.1), since it may hold hours of work,
// but not before the new run has something to record.
func OpenJournal(path string, run []Fact, resume bool) (*Journal, error) {
	return openJournal(path, run, resume, nil)
}

// CheckJournal fails where [OpenJournal] would, as far as that can be told before all
// facts are known: those with the unknown names are not compared. It leaves no file that
// was not there.
func CheckJournal(path string, run []Fact, resume bool, unknown ...string) error {
	j, err := openJournal(path, run, resume, unknown)
	if err != nil {
		return err
	}
	return j.Close()
}

// newJournal is a journal that holds nothing, and has no file yet.
func newJournal(path string, run []Fact, resume bool, unknown []string) *Journal {
	j := &Journal{path: path, run: run, resume: resume, unknown: unknown}
	j.forget()
	return j
}

// format is how a file is read whose records go to take.
func (j *Journal) format(take func(line []byte) error) durable.Format {
	return durable.Format{What: "the journal of a search", Begin: headerBegin, Header: j.checkHeader, Record: take}
}

func openJournal(path string, run []Fact, resume bool, unknown []string) (*Journal, error) {
	j := newJournal(path, run, resume, unknown)
	var err error
	j.file, err = durable.OpenJournal(path, j.format(j.take), header{journalVersion, run}, resume)
	if m := (*MismatchError)(nil); errors.As(err, &m) {
		return nil, m
	} else if err != nil {
		return nil, err
	}
	return j, nil
}

// forget lets go of all that records said.
func (j *Journal) forget() {
	j.trials, j.futures = map[trialKey]knownScore{}, map[futureKey]knownFuture{}
	j.checkpoints, j.written = map[checkpointKey][]bool{}, map[bankai.Digest]float64{}
	j.seconds, j.measured, j.candidates = 0, 0, 0
}

// checkHeader refuses the journal of another run.
func (j *Journal) checkHeader(line []byte) error {
	var h header
	if json.Unmarshal(line, &h) != nil {
		return errors.New("has a damaged header: start anew without resuming")
	}
	if h.Version != journalVersion {
		return fmt.Errorf("has journal version %d, this program writes %d: start anew without resuming", h.Version, journalVersion)
	}
	if d := differences(j.known(h.Run), j.known(j.run)); len(d) > 0 {
		return &MismatchError{Path: j.path, Differs: d}
	}
	return nil
}

// known are the facts that can be compared.
func (j *Journal) known(run []Fact) []Fact {
	return slices.DeleteFunc(slices.Clone(run), func(f Fact) bool { return slices.Contains(j.unknown, f.Name) })
}

// take takes in a line of the file.
func (j *Journal) take(line []byte) error {
	r, err := parseRecord(line)
	if err == nil {
		j.know(r)
		j.clock(r)
	}
	return err
}

// clock notes when a record was made that this run has not made.
func (j *Journal) clock(r record) {
	j.seconds = max(j.seconds, float64(r.Seconds))
	if r.Trial != nil || r.Prediction != nil {
		j.measured = j.seconds
	}
}

// know takes in what a record says.
func (j *Journal) know(r record) {
	if r.Trial != nil {
		t := r.Trial.trial()
		key := trialKey{r.On, t.Move.Digest(), t.Sample}
		if _, known := j.trials[key]; !known && len(t.Flips) > 0 {
			j.candidates++
		}
		j.trials[key] = knownScore{t.Score, float64(r.Seconds)}
	}
	if f := r.Prediction; f != nil {
		j.futures[futureKey{r.On, f.Want}] = knownFuture{f.predictions(), float64(f.Cost), float64(r.Seconds)}
	}
	if r.Checkpoint != nil {
		right := make([]bool, len(r.Checkpoint.Right))
		for i, c := range []byte(r.Checkpoint.Right) {
			right[i] = c == '1'
		}
		j.checkpoints[checkpointKey{r.On, r.Checkpoint.Of}] = right
	}
	if r.Written != nil {
		j.written[r.On] = float64(*r.Written)
	}
}

// name is the path, for errors.
func (j *Journal) name() string {
	if j == nil {
		return "the run"
	}
	return j.path
}

// Len returns the number of trials the journal held when it was opened and has
// taken since. It is zero if there was nothing to resume.
func (j *Journal) Len() int { return len(j.trials) }

// Candidates is how many of the trials were of something to flip, not of the patch as it
// was.
func (j *Journal) Candidates() int { return j.candidates }

// Mark is where the journal is now, for [Journal.CutBack]: what is recorded later comes
// behind it. Those of its parts have marks of their own.
func (j *Journal) Mark() int64 { return j.file.Size() }

// CutBack takes back what was recorded since a mark, because it rests on scores that were
// wrong: the journal is then as if the run had been interrupted there, and the run that
// is begun again with it goes on from there. No run may be using it. A mark behind the end
// was cut off before, and is an error.
func (j *Journal) CutBack(mark int64) error {
	j.forget()
	if err := j.file.CutBack(j.format(j.take), mark); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Part opens the journal of a part of the run, in a file beside this one whose
// name ends in that of the part. It is resumed if this one was, and closed with it. Where
// there is no file, the part has none.
func (j *Journal) Part(name string, run []Fact) (*Journal, error) {
	if j.file == nil {
		return NewJournal(run), nil
	}
	p, err := OpenJournal(j.path+"."+name, run, j.resume)
	if err == nil {
		p.whole = j
		j.parts = append(j.parts, p)
	}
	return p, err
}

// Wrote records that the patch was written to a file.
func (j *Journal) Wrote(p *bankai.Patch, fitness float64) error {
	r := newRecord(p, j.seconds)
	r.Written = (*Number)(&fitness)
	return j.append(r)
}

// Written tells whether the run, as far as the journal knows, wrote a patch of p's
// content to a file, and which fitness that patch had.
func (j *Journal) Written(p *bankai.Patch) (fitness float64, ok bool) {
	fitness, ok = j.written[p.ContentDigest()]
	return fitness, ok
}

// Close writes everything to disk and closes the file, and those of the parts. It
// may be called twice.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	for _, p := range j.parts {
		err = errors.Join(err, p.Close())
	}
	return err
}

// lookup returns the score of a move on a patch, if the journal has it. A nil
// Journal has none.
func (j *Journal) lookup(on *bankai.Patch, m Move) (s knownScore, ok bool) {
	if j != nil {
		s, ok = j.trials[trialKey{on.ContentDigest(), m.Digest(), m.Sample}]
	}
	return s, ok
}

// predictions returns what the journal knows of a wish.
func (j *Journal) predictions(on *bankai.Patch, w Want) (f knownFuture, ok bool) {
	if j != nil {
		f, ok = j.futures[futureKey{on.ContentDigest(), wantKey(w)}]
	}
	return f, ok
}

// checkpoint returns the watched answers under a patch, if the journal has them.
func (j *Journal) checkpoint(on *bankai.Patch, of string) (right []bool, ok bool) {
	if j != nil {
		right, ok = j.checkpoints[checkpointKey{on.ContentDigest(), of}]
	}
	return right, ok
}

// append adds records. On a nil Journal it does nothing.
func (j *Journal) append(records ...record) error {
	if j == nil || len(records) == 0 {
		return nil
	}
	if j.whole != nil { // whose facts must be those of the run that resumes the part
		if err := j.whole.file.Begin(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	lines := make([]any, len(records))
	for i, r := range records {
		lines[i] = r
	}
	if j.file != nil {
		if err := j.file.Append(lines...); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	for _, r := range records {
		j.know(r)
	}
	return nil
}

// askedBy names the settings that a fact follows from, where its name does not.
var askedBy = map[string]string{
	"matrices": "matrices to flip (by layers and proj)",
	"targets":  "targets (from probes)",
	"controls": "controls (from probes)",
	"keep":     "answers to keep (from guard and probes)",
}

func (f Fact) asked() string { return cmp.Or(askedBy[f.Name], f.Name) }

// differences compares what two runs are decided by, in the order of b.
func differences(a, b []Fact) []string {
	was := make(map[string]string, len(a))
	for _, f := range a {
		was[f.Name] = f.Value
	}
	var d []string
	for _, f := range b {
		if v, ok := was[f.Name]; !ok {
			d = append(d, fmt.Sprintf("%s is %s and was not set", f.asked(), f.Value))
		} else if v != f.Value {
			d = append(d, fmt.Sprintf("%s was %s and is %s", f.asked(), v, f.Value))
		}
		delete(was, f.Name)
	}
	for _, f := range a {
		if _, left := was[f.Name]; left {
			d = append(d, fmt.Sprintf("%s was %s and is not set", f.asked(), f.Value))
		}
	}
	return d
}

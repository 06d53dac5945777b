package search

import (
	"errors"

	"bankai/internal/durable"
)

// NewJournal is a journal without a file, of the run that the facts describe: it lasts as
// long as the program, and need not be closed.
func NewJournal(run []Fact) *Journal { return newJournal("the journal", run, false, nil) }

// Facts are those of the journal's run.
func (j *Journal) Facts() []Fact { return j.run }

// Path is the file that a journal is in; "" if it is in none.
func (j *Journal) Path() string {
	if j.file == nil {
		return ""
	}
	return j.path
}

// Absorb takes in what the journal file at path holds of the same run, beside what this
// one holds already: of a run that went on elsewhere. The file is left as it is, but for a
// torn last line. Nothing is taken in of the journal of another run, which is a
// *MismatchError, or of a damaged one.
func (j *Journal) Absorb(path string) error {
	other := newJournal(path, j.run, true, nil)
	var all []record
	file, err := durable.OpenJournal(path, other.format(func(line []byte) error {
		r, err := parseRecord(line)
		if err == nil {
			all = append(all, r)
		}
		return err
	}), header{journalVersion, j.run}, true)
	if m := (*MismatchError)(nil); errors.As(err, &m) {
		return m
	}
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	var news []record
	for _, r := range all {
		if !j.knows(r) {
			news = append(news, r)
		}
	}
	if err := j.append(news...); err != nil {
		return err
	}
	for _, r := range news {
		j.clock(r)
	}
	return nil
}

// Account makes what the journal holds that of an earlier run which took so many seconds:
// one that goes on with it begins there.
func (j *Journal) Account(seconds float64) {
	j.seconds = max(j.seconds, seconds)
	j.measured = j.seconds
}

// knows says whether a record tells nothing new.
func (j *Journal) knows(r record) bool {
	known := false
	switch {
	case r.Trial != nil:
		t := r.Trial.trial()
		_, known = j.trials[trialKey{r.On, t.Move.Digest(), t.Sample}]
	case r.Prediction != nil:
		_, known = j.futures[futureKey{r.On, r.Prediction.Want}]
	case r.Checkpoint != nil:
		_, known = j.checkpoints[checkpointKey{r.On, r.Checkpoint.Of}]
	case r.Written != nil:
		_, known = j.written[r.On]
	}
	return known
}

package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"bankai/internal/durable"
)

// Journal is a file that holds what an experiment has done: a line that says
// what it is of, then one JSON object a line for every piece of work. A line
// that was cut off by a crash is dropped. A nil Journal holds nothing.
type Journal struct {
	path    string
	facts   []Fact
	file    *durable.Journal
	version int // of the file that was read

	held  map[string]json.RawMessage
	start int64 // bytes of the file when it was opened
	mu    sync.Mutex
	added int
}

// Fact names one thing that decides the figures of an experiment.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// journalHead is the first line.
type journalHead struct {
	Journal string `json:"journal"`
	Version int    `json:"version"`
	Facts   []Fact `json:"facts"`
}

type journalLine struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

const (
	journalKind    = "bankai experiment"
	journalBegin   = `{"journal":"bankai experiment"`
	journalVersion = 2 // 1 had no checksums
)

// OpenJournal opens or begins the journal of an experiment. With resume, what
// the file holds counts, and must be of the same facts; otherwise a file that is
// there is kept under the next free number (path.1), and a new one begins, once
// the first piece is done.
func OpenJournal(path string, facts []Fact, resume bool) (*Journal, error) {
	j := &Journal{path: path, facts: facts, held: map[string]json.RawMessage{}}
	var err error
	j.file, err = durable.OpenJournal(path, j.format(), journalHead{journalKind, journalVersion, facts}, resume)
	if err != nil {
		return nil, err
	}
	j.start = j.file.Size()
	return j, nil
}

func (j *Journal) format() durable.Format {
	return durable.Format{
		What: "the journal of an experiment", Begin: journalBegin, Header: j.checkHead, Record: j.take,
		Unsealed: func() bool { return j.version < journalVersion },
	}
}

// Restart takes back the pieces of work that were added since the journal was opened. No
// piece may be in work.
func (j *Journal) Restart() error {
	if j == nil || j.added == 0 {
		return nil
	}
	j.added = 0
	if j.version == 0 { // it is of now
		j.version = journalVersion
	}
	return j.file.CutBack(j.format(), j.start)
}

// take takes in a line about a piece of work.
func (j *Journal) take(line []byte) error {
	var l journalLine
	if err := json.Unmarshal(line, &l); err != nil || l.Key == "" || l.Value == nil {
		return errors.New("it is no piece of an experiment")
	}
	j.held[l.Key] = l.Value
	return nil
}

// checkHead refuses the journal of something else.
func (j *Journal) checkHead(line []byte) error {
	var h journalHead
	if json.Unmarshal(line, &h) != nil {
		return errors.New("has a damaged header: run without --resume to begin anew")
	}
	if h.Version < 1 || h.Version > journalVersion {
		return fmt.Errorf("has version %d, this program writes %d: run without --resume to begin anew", h.Version, journalVersion)
	}
	was := map[string]string{}
	for _, f := range h.Facts {
		was[f.Name] = f.Value
	}
	for _, f := range j.facts {
		if was[f.Name] != f.Value {
			return fmt.Errorf("was begun with another %s (%q, now %q): run without --resume to begin anew", f.Name, was[f.Name], f.Value)
		}
	}
	if len(h.Facts) != len(j.facts) {
		return errors.New("is of another experiment: run without --resume to begin anew")
	}
	j.version = h.Version
	return nil
}

// find reports whether a piece is done, and reads its result into v.
func (j *Journal) find(key string, v any) (bool, error) {
	if j == nil || j.held[key] == nil {
		return false, nil
	}
	if err := json.Unmarshal(j.held[key], v); err != nil {
		return false, fmt.Errorf("%s: the journal holds no result of %s: run without --resume to begin anew", j.path, key)
	}
	return true, nil
}

func (j *Journal) add(key string, v any) error {
	if j == nil {
		return nil
	}
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := j.file.Append(journalLine{key, value}); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.added++
	return nil
}

// Len is the number of pieces of work that it holds.
func (j *Journal) Len() int {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.held) + j.added
}

// Close writes everything to disk and closes the file.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}

package experiment

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Journal is a file that holds what an experiment has done: a line that says
// what it is of, then one JSON object a line for every piece of work. A line
// that was cut off by a crash is dropped. A nil Journal holds nothing.
type Journal struct {
	path  string
	facts []Fact
	file  *os.File // nil until there is something to write, unless it is resumed
	held  map[string]json.RawMessage
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
	journalVersion = 1
)

// OpenJournal opens or begins the journal of an experiment. With resume, what
// the file holds counts, and must be of the same facts; otherwise a file that is
// there is kept as path.old, and a new one begins, once the first piece is done.
func OpenJournal(path string, facts []Fact, resume bool) (*Journal, error) {
	j := &Journal{path: path, facts: facts, held: map[string]json.RawMessage{}}
	if !resume {
		return j, nil
	}
	return j, j.open()
}

// open opens the file and takes in what it holds.
func (j *Journal) open() error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	j.file = f
	if err := j.begin(j.path, j.facts); err != nil {
		j.file = nil
		return errors.Join(err, f.Close())
	}
	return nil
}

// begin reads what the file holds, or writes the head of an empty one.
func (j *Journal) begin(path string, facts []Fact) error {
	data, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	if err := j.read(path, whole, facts); err != nil {
		return err
	}
	if err := j.file.Truncate(int64(len(whole))); err != nil {
		return err
	}
	if _, err := j.file.Seek(int64(len(whole)), io.SeekStart); err != nil {
		return err
	}
	if len(whole) > 0 {
		return nil
	}
	return j.write(journalHead{journalKind, journalVersion, facts})
}

// read takes in the whole lines of a journal.
func (j *Journal) read(path string, data []byte, facts []Fact) error {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if err := checkHead(path, lines.Bytes(), facts); err != nil {
				return err
			}
			continue
		}
		var l journalLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Key == "" || l.Value == nil {
			return fmt.Errorf("%s, line %d: is no piece of an experiment: run without --resume to begin anew", path, n)
		}
		j.held[l.Key] = l.Value
	}
	return lines.Err()
}

// checkHead refuses the journal of something else.
func checkHead(path string, line []byte, facts []Fact) error {
	var h journalHead
	if json.Unmarshal(line, &h) != nil || h.Journal != journalKind {
		return fmt.Errorf("%s: is not the journal of an experiment: give another folder", path)
	}
	if h.Version != journalVersion {
		return fmt.Errorf("%s: has version %d, this program writes %d: run without --resume to begin anew", path, h.Version, journalVersion)
	}
	was := map[string]string{}
	for _, f := range h.Facts {
		was[f.Name] = f.Value
	}
	for _, f := range facts {
		if was[f.Name] != f.Value {
			return fmt.Errorf("%s: was begun with another %s (%q, now %q): run without --resume to begin anew", path, f.Name, was[f.Name], f.Value)
		}
	}
	if len(h.Facts) != len(facts) {
		return fmt.Errorf("%s: is of another experiment: run without --resume to begin anew", path)
	}
	return nil
}

func (j *Journal) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
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
	if j.file == nil {
		if err := os.Rename(j.path, j.path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := j.open(); err != nil {
			return err
		}
	}
	j.added++
	return j.write(journalLine{key, value})
}

// Len is the number of pieces of work that it holds.
func (j *Journal) Len() int {
	if j == nil {
		return 0
	}
	return len(j.held) + j.added
}

// Close closes the file.
func (j *Journal) Close() error {
	if j == nil || j.file == nil {
		return nil
	}
	return j.file.Close()
}

package search

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"bankai"
)

// syncEvery bounds how much of a journal a power failure can take.
const syncEvery = 2 * time.Second

// Journal is the record of a run: a text file of JSON lines, the first one
// saying which run it is, then one line for each trial with its score to the
// bit and the decision on it, for each forecast and for each look at the watched
// answers. It is only ever appended to, and stays when the run is done.
//
// To resume a run is to run it again with its journal. Strategies are
// deterministic and evaluators are pure, so the run asks the same questions in
// the same order; those that the journal can answer cost nothing. Hence it ends
// as it would have without the interruption, and at once if it was complete.
// Before a resumed run goes beyond its journal, it scores the start again, to be
// sure that the evaluator still gives the same bits.
type Journal struct {
	path    string
	file    *os.File
	trials  map[trialKey]knownScore
	futures map[futureKey]knownFuture
	looks   map[lookKey][]bool
	seconds float64 // the time that what was read from the file took
	synced  time.Time

	resume bool
	parts  []*Journal
}

// trialKey is what a score depends on.
type trialKey struct{ on, move bankai.Digest }

// knownScore is a score, and when it was known.
type knownScore struct {
	Score
	seconds float64
}

// futureKey is what a forecast depends on.
type futureKey struct {
	on   bankai.Digest
	want string
}

// lookKey is what a look depends on.
type lookKey struct {
	on bankai.Digest
	of string
}

type knownFuture struct {
	Forecasts
	cost float64
}

func moveDigest(m Move) bankai.Digest {
	return bankai.New(bankai.Digest{}, bankai.Meta{}, m.Flips...).ContentDigest()
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
// Not to resume is to begin a new journal. A file that is already there is kept
// beside it under the name path.old, since it may hold hours of work.
func OpenJournal(path string, run []Fact, resume bool) (*Journal, error) {
	if !resume {
		if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("journal: %w", err)
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{
		path: path, file: file, resume: resume,
		trials: map[trialKey]knownScore{}, futures: map[futureKey]knownFuture{}, looks: map[lookKey][]bool{},
	}
	if err := j.read(run); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

// read loads the file, cuts off a torn end, and writes the header if there is none.
func (j *Journal) read(run []Fact) error {
	data, err := io.ReadAll(j.file)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	content, err := parseJournal(data)
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	if content.size > 0 {
		if d := differences(content.run, run); len(d) > 0 {
			return &MismatchError{Path: j.path, Differs: d}
		}
	}
	if err := j.file.Truncate(int64(content.size)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if _, err := j.file.Seek(int64(content.size), io.SeekStart); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if content.size == 0 {
		return j.write(header{Version: journalVersion, Run: run})
	}
	for _, r := range content.records {
		j.know(r)
		j.seconds = max(j.seconds, float64(r.Seconds))
	}
	return nil
}

// know takes in what a record says.
func (j *Journal) know(r record) {
	if r.Trial != nil {
		t := r.Trial.trial()
		j.trials[trialKey{r.On, moveDigest(t.Move)}] = knownScore{t.Score, float64(r.Seconds)}
	}
	if f := r.Forecast; f != nil {
		j.futures[futureKey{r.On, f.Want}] = knownFuture{f.forecasts(), float64(f.Cost)}
	}
	if r.Look != nil {
		right := make([]bool, len(r.Look.Right))
		for i, c := range []byte(r.Look.Right) {
			right[i] = c == '1'
		}
		j.looks[lookKey{r.On, r.Look.Of}] = right
	}
}

// Len returns the number of trials the journal held when it was opened and has
// taken since. It is zero if there was nothing to resume.
func (j *Journal) Len() int { return len(j.trials) }

// Part opens the journal of a part of the run, in a file beside this one whose
// name ends in that of the part. It is resumed if this one was, and closed with it.
func (j *Journal) Part(name string, run []Fact) (*Journal, error) {
	p, err := OpenJournal(j.path+"."+name, run, j.resume)
	if err == nil {
		j.parts = append(j.parts, p)
	}
	return p, err
}

// Close writes everything to disk and closes the file, and those of the parts.
func (j *Journal) Close() error {
	err := errors.Join(j.file.Sync(), j.file.Close())
	for _, p := range j.parts {
		err = errors.Join(err, p.Close())
	}
	return err
}

// lookup returns the score of a move on a patch, if the journal has it. A nil
// Journal has none.
func (j *Journal) lookup(on *bankai.Patch, m Move) (s knownScore, ok bool) {
	if j != nil {
		s, ok = j.trials[trialKey{on.ContentDigest(), moveDigest(m)}]
	}
	return s, ok
}

// forecast returns what the journal knows of a wish, and its cost.
func (j *Journal) forecast(on *bankai.Patch, w Want) (f Forecasts, cost float64, ok bool) {
	if j == nil {
		return f, 0, false
	}
	known, ok := j.futures[futureKey{on.ContentDigest(), wantKey(w)}]
	return known.Forecasts, known.cost, ok
}

// look returns the watched answers under a patch, if the journal has them.
func (j *Journal) look(on *bankai.Patch, of string) (right []bool, ok bool) {
	if j != nil {
		right, ok = j.looks[lookKey{on.ContentDigest(), of}]
	}
	return right, ok
}

// append adds records. On a nil Journal it does nothing.
func (j *Journal) append(records ...record) error {
	if j == nil || len(records) == 0 {
		return nil
	}
	lines := make([]any, len(records))
	for i, r := range records {
		j.know(r)
		lines[i] = r
	}
	return j.write(lines...)
}

func (j *Journal) write(lines ...any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	if _, err := j.file.Write(b.Bytes()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if time.Since(j.synced) < syncEvery {
		return nil
	}
	j.synced = time.Now()
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// content is what a journal file holds.
type content struct {
	run     []Fact
	records []record
	size    int // bytes up to a torn end, 0 if the header is torn already
}

// parseJournal reads a journal. What follows the last newline was torn off by a
// crash and is left out, as is a last line that makes no sense: a power failure
// can leave a hole of zeros. Nonsense anywhere else is an error.
func parseJournal(data []byte) (content, error) {
	var c content
	for number := 1; ; number++ {
		line, rest, complete := bytes.Cut(data[c.size:], []byte("\n"))
		if !complete {
			if number == 1 && !isTornHeader(line) {
				return c, errors.New("is not a search journal: choose another name for the output")
			}
			return c, nil
		}
		if err := c.add(number, line); err != nil {
			if number > 1 && len(rest) == 0 {
				return c, nil
			}
			return c, err
		}
		c.size += len(line) + 1
	}
}

// add takes one line in.
func (c *content) add(number int, line []byte) error {
	if number == 1 {
		var h header
		if json.Unmarshal(line, &h) != nil || h.Version == 0 {
			return errors.New("is not a search journal: choose another name for the output")
		}
		if h.Version != journalVersion {
			return fmt.Errorf("has journal version %d, this program writes %d: start anew without resuming", h.Version, journalVersion)
		}
		c.run = h.Run
		return nil
	}
	r, err := parseRecord(line)
	if err != nil {
		return fmt.Errorf("line %d is damaged (%v): start anew without resuming", number, err)
	}
	c.records = append(c.records, r)
	return nil
}

// isTornHeader reports whether b can be the beginning of a header's line.
func isTornHeader(b []byte) bool {
	begin := []byte(`{"bankai_search_journal":`)
	n := min(len(b), len(begin))
	return bytes.Equal(b[:n], begin[:n])
}

// differences compares what two runs are decided by, in the order of b.
func differences(a, b []Fact) []string {
	was := make(map[string]string, len(a))
	for _, f := range a {
		was[f.Name] = f.Value
	}
	var d []string
	for _, f := range b {
		if v, ok := was[f.Name]; !ok {
			d = append(d, fmt.Sprintf("%s is %s and was not set", f.Name, f.Value))
		} else if v != f.Value {
			d = append(d, fmt.Sprintf("%s was %s and is %s", f.Name, v, f.Value))
		}
		delete(was, f.Name)
	}
	for _, f := range a {
		if _, left := was[f.Name]; left {
			d = append(d, fmt.Sprintf("%s was %s and is not set", f.Name, f.Value))
		}
	}
	return d
}

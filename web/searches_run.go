package web

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bankai/internal/durable"
	"bankai/search"
)

// What the folder of a search holds, besides sets, the patch and its journal.
const (
	askedFile   = "request.json"
	attemptFile = "attempt.json"
	resultFile  = "result.json"     // what "bankai search --json" printed
	newFile     = "result.new.json" // what it prints, until that is whole
	logFile     = "log"             // and what it says beside
)

// UntilVariable is set for a process that is to end when its stdin does, as by a signal: so
// it ends with whoever started it, in whatever way, and on every system.
const UntilVariable = "BANKAI_UNTIL_STDIN_ENDS"

// endTime is how long a search has to write what it found when it is told to end.
const endTime = 10 * time.Second

// searchRun is a search, while it runs and afterwards.
type searchRun struct {
	id, dir string
	name    string // of its patch

	mu       sync.Mutex
	asked    *searchAsked
	process  *process // nil if it does not run, or another server started it
	follower *search.Follower
	unread   error // why the journal cannot be followed
	log      searchLog
	result   *searchResult // nil before there is one
	written  *searchPatch  // nil before it was read
	attempt  *attempt      // the last one; nil if the folder does not tell
	stopping bool          // somebody asked for the end
	resumed  bool          // and nothing of it is in the journal yet
}

// process is the program at work.
type process struct {
	cmd  *exec.Cmd
	in   io.Closer     // its end ends the work
	done chan struct{} // closed when it has ended
}

// makeSearch makes the folder of a search, which nobody else may read.
func makeSearch(dir string, asked *searchAsked, files map[string]string) (*searchRun, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := (&searchRun{dir: dir}).ask(asked); err != nil {
		return nil, err
	}
	for name, content := range files {
		if err := writePrivate(filepath.Join(dir, name), []byte(content)); err != nil {
			return nil, err
		}
	}
	return openSearch(dir)
}

// ask keeps what the search is asked.
func (r *searchRun) ask(asked *searchAsked) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.writeJSON(askedFile, asked); err != nil {
		return err
	}
	r.asked = asked
	return nil
}

// openSearch opens the folder of a search.
func openSearch(dir string) (*searchRun, error) {
	data, err := os.ReadFile(filepath.Join(dir, askedFile))
	if err != nil {
		return nil, err
	}
	r := &searchRun{id: filepath.Base(dir), dir: dir, asked: &searchAsked{}}
	if err := json.Unmarshal(data, r.asked); err != nil {
		return nil, err
	}
	r.name = r.asked.Name
	r.follower = search.NewFollower(r.journal(), r.asked.Base)
	r.log.path = r.file(logFile)
	return r, nil
}

// request is what the search was asked.
func (r *searchRun) request() *searchAsked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func (r *searchRun) file(name string) string { return filepath.Join(r.dir, name) }
func (r *searchRun) patch() string           { return r.file(r.name + ".bankai") }
func (r *searchRun) journal() string         { return r.patch() + ".journal" }

// isThere says whether nobody removed the folder.
func (r *searchRun) isThere() bool {
	_, err := os.Stat(r.file(askedFile))
	return err == nil
}

// begin starts the program, which goes on with the journal or begins one. Until that has begun,
// and as long as it has no other result, what an earlier one printed stays.
func (r *searchRun) begin(o Options, resume bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	program := o.Program
	if program == "" {
		own, err := os.Executable()
		if err != nil {
			return err
		}
		program = own
	}
	program, err := exec.LookPath(program)
	if err != nil {
		return err
	}
	cmd := exec.Command(program, r.asked.words(o, resume)...)
	cmd.Dir = r.dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), isKey), UntilVariable+"=1")
	before := r.attempt
	if err := r.note(attempt{}); err != nil {
		return err
	}
	began := false
	defer func() {
		if !began && before != nil {
			r.note(*before)
		}
	}()
	out, err := r.create(newFile)
	if err != nil {
		return err
	}
	defer out.Close()
	log, err := r.create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = out, log
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	began = true
	r.result, r.resumed, r.stopping, r.log = nil, resume, false, searchLog{path: r.log.path}
	r.process = &process{cmd, in, make(chan struct{})}
	go r.wait(r.process, o)
	return nil
}

func (r *searchRun) create(name string) (*os.File, error) {
	return os.OpenFile(r.file(name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

// isKey says whether a setting of the environment is one that a search has no use for.
func isKey(setting string) bool {
	name, _, _ := strings.Cut(setting, "=")
	return name == "BANKAI_API_KEY" || name == "HF_TOKEN" || name == "BANKAI_KEY_PASSWORD"
}

// wait waits for the end of the program.
func (r *searchRun) wait(p *process, o Options) {
	err := p.cmd.Wait()
	r.mu.Lock()
	if err := r.note(attemptOf(err, r.stopping)); err != nil {
		o.Log.Error("how a search ended could not be written", "search", r.id, "error", err)
	}
	r.process = nil
	r.look()
	phase, why := r.phase()
	status := r.attempt.Status
	r.mu.Unlock()
	close(p.done)
	o.Log.Info("a search ended", "search", r.id, "phase", phase, "status", status, "why", why)
}

// stopAsAsked is end for somebody who asked for it.
func (r *searchRun) stopAsAsked() {
	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
	r.end()
}

// end ends the program, if it runs, and waits until it has ended.
func (r *searchRun) end() {
	r.mu.Lock()
	p := r.process
	r.mu.Unlock()
	if p == nil {
		return
	}
	p.in.Close()
	select {
	case <-p.done:
	case <-time.After(endTime):
		p.cmd.Process.Kill() // the journal keeps the work
		<-p.done
	}
}

// isRunning says whether the program is at work, whoever started it.
func (r *searchRun) isRunning() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process != nil || r.isElsewhere()
}

// isElsewhere says whether it runs, and this server did not start it: one that was killed
// leaves a search for a moment, and several may have the same folder. r.mu is held.
func (r *searchRun) isElsewhere() bool {
	return r.process == nil && durable.InUse(r.journal())
}

// look takes in what the search wrote since the last look. r.mu is held.
func (r *searchRun) look() {
	more, err := r.follower.Poll()
	r.unread = err
	r.resumed = r.resumed && !more
	r.log.look()
	r.settle()
}

// settle takes in what came of a search that is not running. r.mu is held.
func (r *searchRun) settle() {
	if r.process == nil && !r.isElsewhere() {
		r.readAttempt()
		r.readResult()
	}
}

// readResult reads what the search printed, if that was not read. r.mu is held.
func (r *searchRun) readResult() {
	if r.result != nil {
		return
	}
	if readResult(r.file(newFile)) != nil {
		os.Rename(r.file(newFile), r.file(resultFile)) // what is there now was of an earlier attempt
	}
	r.result = readResult(r.file(resultFile))
}

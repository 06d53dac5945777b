// Package external asks a program of the user's whether answers are right.
//
// The program is started once, by the shell. It reads a line of JSON for each answer,
//
//	{"name": "q1", "prompt": "…", "wanted": "…", "answer": "…"}
//
// and writes, in the same order, a line of JSON for each,
//
//	{"right": true, "reason": "…", "name": "q1"}
//
// of which reason and name may be left out; other keys are ignored. All answers are
// written at once and then the input ends, so a program may read them all before it
// begins; but it must write each verdict as soon as it has it, and not keep it in a
// buffer.
package external

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"bankai/internal/text"
	"bankai/judge"
)

// Question is an answer to be judged.
type Question struct {
	Name   string `json:"name"`
	Prompt string `json:"prompt"`
	Wanted string `json:"wanted"`
	Answer string `json:"answer"`
}

// Judge is a program that judges.
type Judge struct {
	Command string        // for the shell
	Timeout time.Duration // the longest between two verdicts, before the first, and before it ends
}

// mostLine bounds a line that a program writes, in bytes.
const mostLine = 1 << 20

// Ask asks for a verdict on each question, in order, and tells told after each how many
// there are. If the program fails, the verdicts before the failure are returned with the
// error, which has what the program last wrote to its standard error. When Ask returns,
// the program has ended, and so have the programs that it started (on Windows those that
// it still knows of).
func (j Judge) Ask(ctx context.Context, questions []Question, told func(done int)) ([]judge.Verdict, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	r := &run{judge: j, questions: questions, told: told, stderr: &tail{}}
	if err := r.start(); err != nil {
		return nil, fmt.Errorf("the judge %q does not start: %w", j.Command, err)
	}
	ends, err := r.read(ctx)
	return r.verdicts, r.end(ctx, ends, err)
}

// run is one run of a judge.
type run struct {
	judge     Judge
	questions []Question
	told      func(done int)
	command   *exec.Cmd
	stderr    *tail
	lines     <-chan line
	stop      chan struct{} // closed when no more lines are wanted
	asked     <-chan error  // gets nil when all questions are written, or why they are not
	verdicts  []judge.Verdict
	unnamed   bool // a verdict does not say what it is about
}

// line is what the program wrote, or the end of it.
type line struct {
	text []byte
	err  error // io.EOF at the end
}

// start starts the program, a goroutine that writes the questions and one that reads
// lines. Both end when the program does.
func (r *run) start() error {
	r.command = shell(r.judge.Command)
	r.command.Stderr = r.stderr
	// What holds the standard error open after the end is not waited for.
	r.command.WaitDelay = time.Second
	stdin, err := r.command.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := r.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := r.command.Start(); err != nil {
		return err
	}
	asked := make(chan error, 1)
	r.asked = asked
	go func() {
		defer stdin.Close()
		asked <- write(stdin, r.questions)
	}()
	lines := make(chan line)
	r.lines, r.stop = lines, make(chan struct{})
	go func() {
		s := bufio.NewScanner(stdout)
		s.Buffer(nil, mostLine)
		for s.Scan() {
			select {
			case lines <- line{text: bytes.Clone(s.Bytes())}:
			case <-r.stop:
				return
			}
		}
		err := s.Err()
		if err == nil {
			err = io.EOF
		}
		select {
		case lines <- line{err: err}:
		case <-r.stop:
		}
	}()
	return nil
}

// write writes a line for each question.
func write(to io.Writer, questions []Question) error {
	w := bufio.NewWriter(to)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, q := range questions {
		if err := enc.Encode(q); err != nil {
			return err
		}
	}
	return w.Flush()
}

// read takes verdicts until the program closes its output, so that it is about to end by
// itself, or makes a mistake.
func (r *run) read(ctx context.Context) (ends bool, err error) {
	timer := time.NewTimer(r.judge.Timeout)
	defer timer.Stop()
	for n := 1; ; n++ {
		select {
		case l := <-r.lines:
			if l.err == io.EOF {
				return true, r.tooFew()
			}
			had := len(r.verdicts)
			if err := r.take(n, l); err != nil {
				return false, err
			}
			if len(r.verdicts) > had { // nothing else shows that it gets on
				timer.Reset(r.judge.Timeout)
			}
		case <-timer.C:
			return false, r.silent()
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// silent is the error of a program that gave no verdict for too long. If all verdicts are
// there, there is none: it need only be ended.
func (r *run) silent() error {
	if len(r.verdicts) == len(r.questions) {
		return nil
	}
	return fmt.Errorf("wrote no verdict for %v, after %d of %d (next: %s): let it write each at once (flush), or give it more time with --judge-timeout",
		r.judge.Timeout, len(r.verdicts), len(r.questions), r.questions[len(r.verdicts)].Name)
}

func (r *run) tooFew() error {
	if len(r.verdicts) == len(r.questions) {
		return nil
	}
	return fmt.Errorf("ended after %d of %d verdicts (next: %s)", len(r.verdicts), len(r.questions), r.questions[len(r.verdicts)].Name)
}

// take reads a line. Empty ones do not count.
func (r *run) take(n int, l line) error {
	if errors.Is(l.err, bufio.ErrTooLong) {
		return fmt.Errorf("wrote a line %d of more than %s: write a line for each verdict", n, text.Size(mostLine))
	}
	if l.err != nil {
		return l.err
	}
	if len(bytes.TrimSpace(l.text)) == 0 {
		return nil
	}
	v, err := parse(l.text)
	if err != nil {
		return fmt.Errorf(`wrote a line %d that is no verdict (%w): %q: write {"right": true} or {"right": false}, and nothing else, to its standard output`, n, err, text.Clip(string(l.text), 80))
	}
	at := len(r.verdicts)
	r.unnamed = r.unnamed || v.Name == nil
	if at == len(r.questions) {
		return fmt.Errorf("wrote more verdicts than the %d that were asked for", at)
	}
	if want := r.questions[at].Name; v.Name != nil && *v.Name != want {
		return fmt.Errorf("wrote a line %d about %s, where %s was next: write one verdict for each answer, in the same order", n, text.Clip(*v.Name, 80), want)
	}
	if v.Reason == "" {
		v.Reason = map[bool]string{true: "the judge says right", false: "the judge says wrong"}[*v.Right]
	}
	r.verdicts = append(r.verdicts, judge.Verdict{Right: *v.Right, Reason: v.Reason})
	if r.told != nil {
		r.told(len(r.verdicts))
	}
	return nil
}

// end waits for a program that ends by itself, and ends another; with it what it
// started. Without a failure before, its exit status is one.
func (r *run) end(ctx context.Context, ends bool, failure error) error {
	close(r.stop)
	if !ends {
		kill(r.command)
	}
	var status error
	waited := make(chan struct{})
	go func() {
		status = r.command.Wait()
		close(waited)
	}()
	timer := time.NewTimer(r.judge.Timeout)
	defer timer.Stop()
	select {
	case <-waited:
	case <-timer.C:
		ends = false
	case <-ctx.Done():
		ends = false
	}
	kill(r.command) // or what it left running
	<-waited
	unasked := <-r.asked // the end of the program closed its input
	var exit *exec.ExitError
	exited := errors.As(status, &exit) && ends
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failure != nil && exited:
		return r.failed(fmt.Errorf("%w, with %v", failure, exit))
	case failure != nil:
		return r.failed(failure)
	case unasked != nil && r.unnamed:
		return r.failed(errors.New("gave all verdicts before it had been given all answers, which it cannot have read: let it read a line for each, or give each verdict the name of its answer"))
	case exited:
		return r.failed(fmt.Errorf("gave all verdicts, and then failed with %v: they may be wrong", exit))
	}
	return nil
}

// failed is an error with what the program said on its standard error.
func (r *run) failed(why error) error {
	said := r.stderr.last()
	if said == "" {
		said = "nothing"
	}
	return fmt.Errorf("the judge %q %w; on its standard error: %s", r.judge.Command, why, said)
}

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one that was started, be it at work or not. What it says on stderr is in
// its log.
type process struct {
	name string
	log  string // path
	from int64  // where in it this process begins
	out  bytes.Buffer
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of cmd.Wait
	told bool          // to end: told again it would end at once
}

// command is a process that is to be started.
type command struct {
	name string // of the log
	dir  string // where it runs and its log is
	env  []string
	args []string // the program first
}

// start starts a process that ends with this one.
func (c command) start() (*process, error) {
	p := &process{name: c.name, log: filepath.Join(c.dir, c.name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if p.from, err = log.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(c.args[0], c.args[1:]...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr, p.cmd.Stdout = c.dir, append(os.Environ(), c.env...), log, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// alive reports whether it has not ended. A process that is nil has.
func (p *process) alive() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends a signal, if it has not ended. SIGTERM is sent once.
func (p *process) signal(s syscall.Signal) {
	if p.alive() && !(s == syscall.SIGTERM && p.told) {
		p.told = p.told || s == syscall.SIGTERM
		_ = p.cmd.Process.Signal(s)
	}
}

// kill ends it at once, and waits for that.
func (p *process) kill() {
	if p == nil {
		return
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}

// patience is how long a process may take to end when it is told to.
const patience = 15 * time.Second

// errHangs is of a process that does not end when it is told to.
var errHangs = errors.New("it goes on after SIGTERM: its goroutines are in its log")

// end asks it to end, and kills it if it does not.
func (p *process) end(patience time.Duration) error {
	if p == nil {
		return nil
	}
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if p.cmd.ProcessState.ExitCode() < 0 && p.said() == "" {
			return nil // it had not begun to listen to signals
		}
		return p.failure()
	case <-time.After(patience):
	}
	p.dump()
	p.kill()
	return fmt.Errorf("%s: %w", p.name, errHangs)
}

// dump lets it write its goroutines into its log, which ends it.
func (p *process) dump() {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
	}
}

// wait waits until it has ended.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failure is why it ended otherwise than with 0, with its last words.
func (p *process) failure() error {
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", p.name, p.err, p.last())
}

// last is the last line that it said.
func (p *process) last() string {
	lines := strings.Split(strings.TrimSpace(p.said()), "\n")
	return lines[len(lines)-1]
}

// said is what it said.
func (p *process) said() string {
	text, _ := os.ReadFile(p.log)
	return string(text[min(int(p.from), len(text)):])
}

// memory is what it holds in the machine's memory, in bytes; 0 if it has ended.
func (p *process) memory() (resident, peak int64) {
	if !p.alive() {
		return 0, 0
	}
	return statusBytes(p.cmd.Process.Pid, "VmRSS:"), statusBytes(p.cmd.Process.Pid, "VmHWM:")
}

func statusBytes(pid int, key string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == key {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// processor is how long it has computed; only while it is alive.
func (p *process) processor() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), ") ") // behind the name, which may hold anything
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // of 100 a second, on every Linux
}

// leftOver are the processes that still run and have the text in their environment.
func leftOver(mark string) (left []string) {
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		if filepath.Base(folder) == strconv.Itoa(os.Getpid()) {
			continue
		}
		environ, _ := os.ReadFile(filepath.Join(folder, "environ"))
		if bytes.Contains(environ, []byte(mark)) {
			line, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
			left = append(left, filepath.Base(folder)+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return left
}

//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// seat is somebody at a terminal in which the program runs.
type seat struct {
	t        *testing.T
	keyboard *os.File // the terminal's other end
	program  *exec.Cmd
	ended    chan error

	mu     sync.Mutex
	screen strings.Builder
	seen   int // bytes of it that were looked at
}

// sit runs bankai in a pseudo-terminal of 100 columns.
func sit(t *testing.T, args ...string) *seat {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100}); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer tty.Close()
	s := &seat{t: t, keyboard: keyboard, program: exec.Command("bankai", args...), ended: make(chan error, 1)}
	s.program.Stdin, s.program.Stdout, s.program.Stderr = tty, tty, tty
	s.program.Env = append(os.Environ(), "TERM=xterm")
	s.program.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.program.Process.Kill() })
	go s.watch()
	go func() { s.ended <- s.program.Wait() }()
	return s
}

// watch keeps what the screen shows.
func (s *seat) watch() {
	buffer := make([]byte, 4096)
	for {
		n, err := s.keyboard.Read(buffer)
		s.mu.Lock()
		s.screen.Write(buffer[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// sees waits until the screen shows a text behind what was seen before.
func (s *seat) sees(text string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%q", text), func(fresh string) int {
		if at := strings.Index(fresh, text); at >= 0 {
			return at + len(text)
		}
		return -1
	})
}

// seesMore waits until the screen shows anything behind what was seen before.
func (s *seat) seesMore() {
	s.t.Helper()
	s.until("more", func(fresh string) int {
		if fresh == "" {
			return -1
		}
		return len(fresh)
	})
}

// until waits until find sees what it looks for in the fresh part of the screen, and
// returns where that ends; −1 is not yet.
func (s *seat) until(what string, find func(fresh string) (end int)) {
	s.t.Helper()
	fresh := ""
	for range 3000 { // emulated and busy machines take long
		s.mu.Lock()
		fresh = s.screen.String()[s.seen:]
		end := find(fresh)
		s.seen += max(0, end)
		s.mu.Unlock()
		if end >= 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("the screen does not show %s, but %q", what, fresh)
}

func (s *seat) types(keys string) {
	s.t.Helper()
	if _, err := s.keyboard.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// leaves waits for the end of the program, which must be a good one.
func (s *seat) leaves() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("it ends by %v, the screen shows %q", err, s.screen.String()[s.seen:])
		}
	case <-time.After(time.Minute):
		s.t.Fatalf("it does not end, the screen shows %q", s.screen.String()[s.seen:])
	}
}

const (
	ctrlC  = "\x03"
	ctrlD  = "\x04"
	up     = "\x1b[A"
	left   = "\x1b[D"
	enter  = "\r"
	rubOut = "\x7f"
)

// Lines can be edited, called back and pasted, and commands completed.
func TestChatOnATerminal(t *testing.T) {
	s := sit(t, "chat", "--temperature", "0", "--color", "never")
	s.sees("/help lists commands")
	s.sees("no chat template")
	s.sees("> ")
	s.types("d/dx [2x^7] =" + left + left + left + rubOut + "5" + enter)
	s.sees(" 10x^4\r\n")
	s.sees("> ")
	for _, keys := range []string{up + up + " more", "and more"} { // what is typed is dropped
		s.types(keys)
		s.sees("more")
		s.types(ctrlC)
		s.sees("> ")
	}
	s.types(ctrlC)
	s.sees("Ctrl-C again, Ctrl-D or /quit leaves")
	s.sees("> ")
	s.types("no" + ctrlC) // so the next one is the first again
	s.sees("> ")
	s.types(strings.Repeat("long ", 1000) + enter)
	s.sees("nothing was sent")
	s.sees("> ")
	s.types("/sa\t " + filepath.Join(t.TempDir(), "talk.jsonl") + enter)
	s.sees("2 messages")
	s.sees("> ")
	s.types("/und\t" + enter)
	s.sees("forgotten: d/dx [2x^5] =\r\n")
	s.sees("> ")
	s.types("\x1b[200~d/dx [2x^3]\rd/dx [2x^5] =\x1b[201~" + enter)
	s.sees(" 10x^4\r\n")
	s.sees("> ")
	s.types("/undo" + enter)
	s.sees("forgotten: d/dx [2x^3]; d/dx [2x^5] =\r\n")
	s.sees("> ")
	s.types("/nonsense" + enter)
	s.sees("there is no command /nonsense")
	s.sees("> ")
	s.types(ctrlC)
	s.sees("Ctrl-C again")
	s.sees("> ")
	s.types(ctrlC)
	s.leaves()
}

// Ctrl-C ends an answer, and what was said of it stays; the program goes on.
func TestChatInterrupted(t *testing.T) {
	model := filepath.Join(t.TempDir(), "m.gguf")
	if err := writeModel(model, []string{"set:qwen3.context_length=1000000"}); err != nil {
		t.Fatal(err)
	}
	s := sit(t, "chat", "--model", model, "--temperature", "0", "--stop", "never", "--color", "never")
	s.sees("> ")
	for range 2 {
		s.types("hello" + enter)
		s.sees("hello\r\n\x1b[?2004l")
		s.seesMore() // of an answer that goes on and on
		s.types(ctrlC)
		s.sees("\r\n\x1b[?2004h") // for the next line
	}
	s.types("/undo" + enter)
	s.sees("forgotten: hello")
	s.types("/undo" + enter)
	s.sees("forgotten: hello")
	s.types("/undo" + enter)
	s.sees("nothing was said yet")
	s.types(ctrlD)
	s.leaves()
}

// A signal to end finds the terminal as it was before.
func TestChatGivesTheTerminalBack(t *testing.T) {
	s := sit(t, "chat", "--color", "never")
	s.sees("> ")
	fd := int(s.keyboard.Fd())
	within, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil || within.Lflag&unix.ICANON != 0 {
		t.Fatalf("a line is not being edited: %v", err)
	}
	if err := s.program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.sees("interrupted")
	if err := <-s.ended; err == nil {
		t.Error("it ends as if all were done")
	}
	if after, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil || after.Lflag&unix.ICANON == 0 || after.Lflag&unix.ECHO == 0 {
		t.Errorf("lines are read without echo: %v", err)
	}
}

//go:build !nocluster && !js

package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bankai/internal/cluster"
	"bankai/internal/experiment"
	"bankai/internal/terminal"

	"github.com/nats-io/nats.go"
)

// heard collects what a command says, for whoever waits for it.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // gets a word when there is more
}

func newHeard() *heard { return &heard{more: make(chan struct{}, 1)} }

func (s *heard) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *heard) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until something is said.
func (s *heard) await(t *testing.T, what string) []string {
	t.Helper()
	wanted := regexp.MustCompile(what)
	late := time.After(time.Minute)
	for {
		if found := wanted.FindStringSubmatch(s.String()); found != nil {
			return found
		}
		select {
		case <-s.more:
		case <-late:
			t.Fatalf("nobody said %q, but:\n%s", what, s)
		}
	}
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A search with a worker finds the patch that it finds alone, to the byte, and both sides
// say who takes part. The worker is there first, and ends with the work.
func TestSearchWithAWorker(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(workerTokenVariable, "")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	if err := os.WriteFile("token", []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	worker, done := newHeard(), make(chan int)
	go func() {
		done <- doMain([]string{"worker", "--connect", "nats://127.0.0.1:" + port, "--token-file", "token", "--name", "second", "--once"}, strings.NewReader(""), io.Discard, worker)
	}()
	worker.await(t, "trying again")
	search := []string{"search", "--probes", "demo:search", "--controls", "demo:control_few", "--proj", "gate", "--layers", "5", "--steps", "3"}
	var out bytes.Buffer
	log := newHeard()
	status := doMain(append(search, "-o", "p.bankai", "--json", "--workers", "embedded:"+port, "--token-file", "token"), strings.NewReader(""), &out, log)
	if status != statusDone {
		t.Fatalf("exit status %d: %s", status, log)
	}
	log.await(t, `second helps \(.*\): 2 machines work`)
	if said := log.String(); strings.Contains(said, "0123456789abcdef") || !strings.Contains(said, "\nnats://127.0.0.1:"+port+" is of this machine alone") {
		t.Errorf("it said: %s", said)
	}
	if status := <-done; status != statusDone {
		t.Errorf("the worker ended with exit status %d: %s", status, worker)
	}
	worker.await(t, `(?m)^\d{4}-\d\d-\d\dT\S+Z bankai search on .* \(\w{6}\): takes part`)
	log.await(t, `2 machines took part: second did \d+ % of the tokens, this one \d+ %`)
	var doc struct{ Workers []workerDoc }
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || len(doc.Workers) != 2 || doc.Workers[1].Name != "second" || doc.Workers[0].Tokens+doc.Workers[1].Tokens == 0 {
		t.Errorf("workers: %+v, %v", doc.Workers, err)
	}
	// Recorded is the command without the flags of the machines; the name is the same.
	if err := os.Mkdir("alone", 0o777); err != nil {
		t.Fatal(err)
	}
	t.Chdir("alone")
	if status, _, log := runApp(append(search, "-o", "p.bankai")...); status != statusDone {
		t.Fatalf("alone: exit status %d: %s", status, log)
	}
	with, err := os.ReadFile(filepath.Join("..", "p.bankai"))
	if err != nil {
		t.Fatal(err)
	}
	alone, err := os.ReadFile("p.bankai")
	if err != nil || !bytes.Equal(with, alone) {
		t.Errorf("with a worker it is another patch: %v", err)
	}
}

// A broker tells how to become a worker, and with its token its workers are listed; a wrong
// one is told as such, without it.
func TestWorkersAreListed(t *testing.T) {
	t.Setenv(workerTokenVariable, "")
	broker, err := cluster.StartBroker(cluster.BrokerOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	log := newHeard()
	c := &crew{app: newApp(nil, nil, io.Discard, log), broker: broker}
	c.app.Quiet = true // which is no reason to keep it back
	c.invite(&workersFlags{at: embedded})
	if strings.Contains(log.String(), "of this machine alone") {
		t.Errorf("a note in spite of --quiet: %s", log)
	}
	found := log.await(t, `BANKAI_WORKER_TOKEN=(\S+) bankai worker --connect (\S+)`)
	t.Setenv(workerTokenVariable, "wrong-token-of-nobody")
	if status, _, said := runApp("workers", "--connect", found[2]); status != statusFailed || strings.Contains(said, "wrong-token") {
		t.Errorf("a wrong token: exit status %d: %s", status, said)
	}
	t.Setenv(workerTokenVariable, found[1])
	if status, said, failed := runApp("workers", "--connect", found[2]); status != statusDone || !strings.Contains(said, "There are no workers") {
		t.Errorf("exit status %d: %s%s", status, said, failed)
	}
	if status, said, failed := runApp("workers", "--connect", found[2], "--json"); status != statusDone || said != "{\"workers\":[]}\n" {
		t.Errorf("exit status %d: %s%s", status, said, failed)
	}
}

// suspects are machines of which one gave a wrong answer.
type suspects struct {
	machines
	left int // how often that comes out
}

var errWrong = errors.New("w computes wrong bits")

func (s *suspects) Again(err error) bool {
	s.left--
	return errors.Is(err, errWrong) && s.left >= 0
}

// What rests on a wrong answer is done again, nothing else is.
func TestAgain(t *testing.T) {
	elsewhere := errors.New("else")
	for _, c := range []struct {
		machines machines
		err      error // of the first tries
		tries    int
		want     error
	}{
		{nil, errWrong, 1, errWrong},
		{&suspects{left: 9}, elsewhere, 1, elsewhere},
		{&suspects{left: 9}, nil, 1, nil},
		{&suspects{left: 2}, errWrong, 3, errWrong},
	} {
		a := &app{Console: &terminal.Console{Stderr: io.Discard}}
		a.machines = c.machines
		tries := 0
		if err := a.again(func() error { tries++; return c.err }); err != c.want || tries != c.tries {
			t.Errorf("%+v: %v after %d tries", c, err, tries)
		}
	}
}

// The hint how others get to a broker of this machine alone names where it listens.
func TestInviteThroughSSH(t *testing.T) {
	for _, c := range []struct{ listen, want string }{
		{"127.0.0.1:0", `ssh -R (\d+):127\.0\.0\.1:(\d+) MACHINE`},
		{"[::1]:0", `ssh -R (\d+):\[::1\]:(\d+) MACHINE`},
	} {
		broker, err := cluster.StartBroker(cluster.BrokerOptions{Listen: c.listen})
		if err != nil {
			t.Logf("%s: %v", c.listen, err) // a machine may have no IPv6
			continue
		}
		log := newHeard()
		(&crew{app: newApp(nil, nil, io.Discard, log), broker: broker}).invite(&workersFlags{at: embedded})
		if found := log.await(t, c.want); found[1] != found[2] {
			t.Errorf("%s: it said: %s", c.listen, log)
		}
		broker.Close()
	}
}

// An error of a broker says which flag sets it right.
func TestReached(t *testing.T) {
	other := errors.New("another")
	for _, c := range []struct {
		err  error
		says []string
	}{
		{&cluster.ServerError{URL: "nats://lab", Shown: "token", Err: nats.ErrAuthorization}, []string{"nats://lab does not take this token", workerTokenVariable, "--token-file"}},
		{&cluster.ServerError{URL: "nats://lab", Err: nats.ErrAuthorization}, []string{"nats://lab", "none was given", workerTokenVariable, "--token-file"}},
		{&cluster.ServerError{URL: "nats://lab", Shown: "nkey", Err: nats.ErrAuthorization}, []string{"nats://lab", "check the token, the user, or the key"}},
		{&cluster.ServerError{URL: "tls://lab", Err: x509.UnknownAuthorityError{}}, []string{"tls://lab", "--ca"}},
		{other, []string{"another"}},
	} {
		for _, part := range c.says {
			if err := reached(c.err); !strings.Contains(err.Error(), part) {
				t.Errorf("%v: does not say %q", err, part)
			}
		}
	}
	if reached(nil) != nil || !errors.Is(reached(other), other) {
		t.Error("what is no error of a broker is changed")
	}
}

func TestSharesText(t *testing.T) {
	for _, c := range []struct {
		all  []cluster.Member
		want string
	}{
		{[]cluster.Member{{Tokens: 5}}, ""},
		{[]cluster.Member{{}, {Name: "m2"}}, "2 machines took part"},
		{
			[]cluster.Member{{Tokens: 25}, {Name: "m3", Tokens: 35}, {Name: "m2", Tokens: 40}},
			"3 machines took part: m2 did 40 % of the tokens, m3 35 %, this one 25 %",
		},
	} {
		if got := sharesText(c.all); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	many := make([]cluster.Member, 12)
	many[1].Tokens = 1
	if got := sharesText(many); !strings.Contains(got, ", 3 more, this one 0 %") {
		t.Error(got)
	}
}

// A file with a token that others can read is warned of.
func TestTokenFileOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no mode")
	}
	file := filepath.Join(t.TempDir(), "token")
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o644: true, 0o640: true} {
		if err := os.WriteFile(file, []byte("0123456789abcdef"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		var said string
		f := accessFlags{tokenFile: file}
		if _, err := f.access("nats://lab", func(format string, args ...any) { said += fmt.Sprintf(format, args...) }); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(said, "others on this machine can read this token: chmod 600") != warned {
			t.Errorf("%v: %q", mode, said)
		}
	}
}

// A model in one file is offered to workers; a folder and the built-in one, which they
// have, are not, nor are parts of one.
func TestOfferedModels(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("folder", 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one.gguf", "folder/model.safetensors", "some-00001-of-00002.gguf", "some-00002-of-00002.gguf"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"one.gguf": "one.gguf", "folder": "", "some-00001-of-00002.gguf": "", "demo": ""} {
		if got := offered(name); got != want {
			t.Errorf("%s: %q is offered, want %q", name, got, want)
		}
	}
}

// An experiment whose searches run on a worker and here, side by side, draws of votes among
// them, has the figures of one machine: all but how long it took.
func TestAblateWithAWorker(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(workerTokenVariable, "0123456789abcdef")
	for _, strategy := range []string{"guided", "vote"} {
		run := func(more ...string) (x experiment.Ablate) {
			args := append([]string{
				"experiment", "ablate", "--json", "--strategy", strategy, "--vary", "probes", "--counts", "4", "--base-count", "6",
				"--layers", "5", "--proj", "gate", "--max-cost", "2", "--held", "4", "--seeds", "2",
			}, more...)
			status, out, log := runApp(args...)
			if status != statusDone {
				t.Fatalf("exit status %d: %s", status, log)
			}
			if len(more) > 0 && !strings.Contains(log, "2 machines work") {
				t.Errorf("%s: nobody helped: %s", strategy, log)
			}
			if err := json.Unmarshal([]byte(out), &x); err != nil {
				t.Fatal(err)
			}
			for _, s := range x.Settings {
				for i := range s.Runs {
					s.Runs[i].Took = 0
				}
			}
			return x
		}
		want := run()
		port := freePort(t)
		worker, done := newHeard(), make(chan int)
		go func() {
			done <- doMain([]string{"worker", "--connect", "nats://127.0.0.1:" + port, "--once"}, strings.NewReader(""), io.Discard, worker)
		}()
		worker.await(t, "trying again")
		got := run("--workers", "embedded:"+port)
		if status := <-done; status != statusDone {
			t.Errorf("the worker ended with exit status %d: %s", status, worker)
		}
		for i, s := range want.Settings {
			if !reflect.DeepEqual(got.Settings[i].Runs, s.Runs) {
				t.Errorf("%s, %s: %+v, alone %+v", strategy, s.Name, got.Settings[i].Runs, s.Runs)
			}
		}
	}
}

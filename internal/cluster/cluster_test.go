package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bankai/engine"
	"bankai/internal/enginetest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a timing for tests: what takes seconds in earnest takes a fraction of one.
var quick = timing{Beat: 20 * time.Millisecond, Lost: 2 * time.Second, Announce: 20 * time.Millisecond, Gone: 2 * time.Second, Reply: 5 * time.Second, Lease: 2 * time.Second, Journal: 20 * time.Millisecond}

// startBroker is a broker that ends with the test.
func startBroker(t testing.TB, o BrokerOptions) *Broker {
	t.Helper()
	b, err := StartBroker(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// remote is how another process reaches a broker.
func remote(b *Broker) Access { return Access{URL: b.URL(), Token: b.Token()} }

// dial connects with the timing of tests.
func dial(t testing.TB, a Access) *Conn {
	t.Helper()
	return dialTiming(t, a, quick)
}

func dialTiming(t testing.TB, a Access, timing timing) *Conn {
	t.Helper()
	a.timing = &timing
	c, err := Dial(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	late := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(late) {
			t.Fatalf("%s: not in a minute", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// lines is a log that tests look at.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) log(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}

func (l *lines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// tinyFile is the tiny model as a file.
func tinyFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(path, enginetest.GoldenModel, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// golden is the model of tinyFile.
func golden(t testing.TB, o engine.Options) *engine.Model {
	t.Helper()
	return enginetest.Load(t, enginetest.GoldenModel, o)
}

// opener opens the model of a file for a worker, in the precision that is wanted.
func opener(path string) func(context.Context, Need) (*engine.Model, error) {
	return func(_ context.Context, need Need) (*engine.Model, error) {
		return engine.Open(path, engine.Options{Threads: 1, Precision: need.Precision})
	}
}

// fetched opens only the file that a session offers.
func fetched(_ context.Context, need Need) (*engine.Model, error) {
	if need.File == "" {
		return nil, nil
	}
	return engine.Open(need.File, engine.Options{Threads: 1, Precision: need.Precision})
}

// runWorker runs a worker until the test ends or stop is called, which returns Run's
// error.
func runWorker(t testing.TB, w Worker) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	return stop
}

// openSession is a session that ends with the test.
func openSession(t testing.TB, c *Conn, m *engine.Model, o Options) *Session {
	t.Helper()
	s, err := Open(t.Context(), c, m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// wantError fails unless an error has all parts in its text, and none of the secrets.
func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not have %q", err, p)
		}
	}
}

// goleakFind is the error of goroutines that still run.
func goleakFind() error { return goleak.Find() }

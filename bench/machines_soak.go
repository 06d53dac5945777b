//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"bankai/internal/text"
)

// soaking is workers and coordinators that come and go beside some that stay.
type soaking struct {
	rig    *rig
	dir    string
	broker *broker
	random *rand.Rand
	stays  []*process // a worker, the broker, and a coordinator whose search goes on
	comes  []*process // workers
	runs   *process   // a coordinator whose work is soon done
	starts int        // of all of them
	done   int        // coordinators that came to their end
	curves []curve    // of those that stay, and of the store
}

// curve is a size over time.
type curve struct {
	name  string
	hours []float64
	bytes []float64
}

// every is how often sizes are looked at.
const every = time.Minute

// soak lets workers and coordinators come and go, and prints what those hold that stay.
// Memory is flat if the line through its last two thirds does not rise by a tenth of it in
// an hour.
func (r *rig) soak(ctx context.Context, lasts time.Duration, seed uint64, out io.Writer) error {
	s := &soaking{rig: r, dir: filepath.Join(r.dir, "soak"), random: rand.New(rand.NewPCG(seed, 0))}
	if err := os.Mkdir(s.dir, 0o777); err != nil {
		return err
	}
	defer s.clear()
	if err := s.begin(ctx, lasts); err != nil {
		return err
	}
	began := time.Now()
	look := began.Add(min(every, lasts/4))
	for time.Since(began) < lasts && ctx.Err() == nil {
		if err := s.change(); err != nil {
			return err
		}
		if time.Now().After(look) {
			look = look.Add(min(every, lasts/4))
			if err := s.look(ctx, time.Since(began), out); err != nil {
				return err
			}
		}
		time.Sleep(time.Duration(500+s.random.IntN(2000)) * time.Millisecond)
	}
	fmt.Fprintf(out, "%s: %d processes were started, %d coordinators came to their end\n", text.Elapsed(time.Since(began).Seconds()), s.starts, s.done)
	for i := range s.curves {
		fmt.Fprintln(out, s.curves[i].verdict())
	}
	return ctx.Err()
}

// begin starts those that stay.
func (s *soaking) begin(ctx context.Context, lasts time.Duration) (err error) {
	if s.broker, err = s.rig.newBroker(ctx, s.dir, filepath.Join(s.dir, "jetstream")); err != nil {
		return err
	}
	stays, err := s.worker("staying-worker")
	if err != nil {
		return err
	}
	// A search by draws goes on as long as it may; one by predictions comes to its end.
	searches, err := s.coordinator("staying-search", "search", "--probes", "demo:search_few", "--controls", "demo:control_few", "--strategy", "greedy",
		"--steps", "10000000", "--minutes", strconv.FormatFloat(2*lasts.Minutes()+10, 'f', 0, 64), "-o", "staying.bankai")
	if err != nil {
		return err
	}
	s.stays = []*process{s.broker.process, stays, searches}
	for _, p := range s.stays {
		s.curves = append(s.curves, curve{name: p.name})
	}
	s.curves = append(s.curves, curve{name: "JetStream's store"})
	return nil
}

func (s *soaking) worker(name string) (*process, error) {
	s.starts++
	return command{name, s.dir, environment(s.dir), []string{
		s.rig.bankai, "worker", "--connect", "nats://" + s.broker.address, "--token-file", "token", "--threads", "1", "--name", name,
	}}.start()
}

func (s *soaking) coordinator(name string, args ...string) (*process, error) {
	s.starts++
	args = append(append([]string{s.rig.bankai}, args...), "--threads", "1", "--json", "--workers", "nats://"+s.broker.address, "--token-file", "token")
	return command{name, s.dir, environment(s.dir), args}.start()
}

// change lets somebody come or go.
func (s *soaking) change() (err error) {
	for _, p := range s.stays {
		if !p.alive() {
			return fmt.Errorf("it was to stay, and has ended: %w: %s", p.err, p.last())
		}
	}
	if !s.runs.alive() {
		if s.runs != nil {
			if err := s.runs.failure(); err != nil && s.runs.cmd.ProcessState.Exited() {
				return err
			} else if err == nil {
				s.done++
			}
		}
		name := fmt.Sprint("coordinator-", s.starts)
		args := []string{"search", "--probes", "demo:search_few", "--controls", "demo:control_few", "--guard", "none", "--steps", "20", "-o", name + ".bankai"}
		if s.random.IntN(2) == 0 {
			args = []string{"eval", "--probes", "demo:heldout", "--limit", "400", "--guard", "none"}
		}
		s.runs, err = s.coordinator(name, args...)
		return err
	}
	switch i := s.random.IntN(8); {
	case i == 0:
		s.runs.kill()
	case i < 4 && len(s.comes) < 3:
		w, err := s.worker(fmt.Sprint("worker-", s.starts))
		s.comes = append(s.comes, w)
		return err
	case i < 6 && len(s.comes) > 0:
		w := s.comes[0]
		s.comes = s.comes[1:]
		if i == 4 {
			w.kill()
			return nil
		}
		return w.end(patience)
	}
	return nil
}

// look notes what those hold that stay, and prints it.
func (s *soaking) look(ctx context.Context, since time.Duration, out io.Writer) error {
	line := fmt.Sprintf("%6.1f min", since.Minutes())
	for i, p := range s.stays {
		resident, _ := p.memory()
		s.curves[i].add(since, resident)
		line += fmt.Sprintf("  %s %s", p.name, text.Size(resident))
		if i > 0 {
			line += fmt.Sprintf(", %d goroutines", p.goroutines(ctx))
		}
	}
	stores, err := s.broker.stores(ctx)
	if err != nil {
		return err
	}
	t, err := s.broker.traffic(ctx)
	if err != nil {
		return err
	}
	s.curves[len(s.curves)-1].add(since, stores.Storage)
	_, err = fmt.Fprintf(out, "%s  store %s, %d messages, %d streams, %d consumers; %d connections, %d subscriptions\n",
		line, text.Size(stores.Storage), stores.Messages, stores.Streams, stores.Consumers, t.Connections, t.Subscriptions)
	return err
}

func (s *soaking) clear() {
	for _, p := range append(append(s.comes, s.runs), s.stays...) {
		p.kill()
	}
}

var goroutines = regexp.MustCompile(`goroutines: (\d+)\n`)

// goroutines asks a process how many it has; -1 if it does not say.
func (p *process) goroutines(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	before := len(p.said())
	p.signal(syscall.SIGUSR1)
	n := -1
	_ = p.until(ctx, func() bool {
		if m := goroutines.FindStringSubmatch(p.said()[before:]); m != nil {
			n, _ = strconv.Atoi(m[1])
		}
		return n >= 0
	})
	return n
}

func (c *curve) add(at time.Duration, bytes int64) {
	c.hours, c.bytes = append(c.hours, at.Hours()), append(c.bytes, float64(bytes))
}

// slope is how much the line of least squares through the last two thirds rises in an
// hour, and their mean.
func (c *curve) slope() (slope, mean float64) {
	from := len(c.hours) / 3
	x, y := c.hours[from:], c.bytes[from:]
	if len(x) == 0 {
		return 0, 0
	}
	var mx float64
	for i := range x {
		mx += x[i] / float64(len(x))
		mean += y[i] / float64(len(y))
	}
	var xx, xy float64
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		xy += (x[i] - mx) * (y[i] - mean)
	}
	if xx > 0 {
		slope = xy / xx
	}
	return slope, mean
}

// verdict says whether a curve is flat.
func (c *curve) verdict() string {
	slope, mean := c.slope()
	word := "flat"
	if slope > mean/10 {
		word = "it grows"
	}
	return fmt.Sprintf("%s: %s on average, %+.1f MB an hour: %s", c.name, text.Size(int64(mean)), slope/1e6, word)
}

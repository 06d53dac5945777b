//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// scene is a schedule that is played: its processes and what is between them.
type scene struct {
	rig   *rig
	plan  plan
	dir   string
	began time.Time

	broker  *broker // nil: embedded
	address string  // of the broker
	way     *line   // of the coordinator; nil: it is the broker
	workers []*worker
	small   *disk

	coordinator *process
	ended       bool  // by an incident: it is to come again
	due         []due // what is to be done, in order

	tally tally
	notes *os.File
}

// due is something that is to be done, at a time or when the stage has ended.
type due struct {
	at time.Time
	do func() error
}

// worker is a place for a worker, and the one that is there now.
type worker struct {
	name    string
	way     *line
	wrong   bool
	home    string
	process *process
	told    bool // to end
}

// schedule plays the schedule of a seed, and says in what it ends otherwise than one
// process. Its folder stays if it does.
func (r *rig) schedule(ctx context.Context, seed uint64, limit time.Duration) (tally, error) {
	s := &scene{rig: r, plan: newPlan(seed, [stages]time.Duration{r.alone[searching].took, r.alone[evaluating].took}), dir: filepath.Join(r.dir, fmt.Sprint("seed-", seed))}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s.began = time.Now()
	err := s.play(ctx)
	s.tally.took = time.Since(s.began)
	if err != nil {
		return s.tally, fmt.Errorf("%w; see %s", err, s.dir)
	}
	return s.tally, os.RemoveAll(s.dir)
}

func (s *scene) play(ctx context.Context) (err error) {
	if err := os.Mkdir(s.dir, 0o777); err != nil {
		return err
	}
	if s.notes, err = os.Create(filepath.Join(s.dir, "schedule.txt")); err != nil {
		return err
	}
	defer s.notes.Close()
	fmt.Fprintln(s.notes, s.plan)
	defer func() { err = errors.Join(err, s.clear()) }()
	if err := s.build(ctx); err != nil {
		return err
	}
	for g := range stages {
		if err := s.stage(ctx, g); err != nil {
			s.note("failed: %v", err)
			return fmt.Errorf("%s: %w", g, err)
		}
	}
	return s.part()
}

// build starts the broker and the workers.
func (s *scene) build(ctx context.Context) (err error) {
	store := filepath.Join(s.dir, "jetstream")
	if s.small, err = newDisk(filepath.Join(s.dir, "small")); err != nil {
		return err
	}
	if s.plan.small == theBroker {
		store = filepath.Join(s.small.dir, "jetstream")
	}
	if s.plan.embedded {
		if _, err := newToken(s.dir); err != nil {
			return err
		}
		if s.address, err = freePort(); err != nil {
			return err
		}
	} else {
		if s.broker, err = s.rig.newBroker(ctx, s.dir, store); err != nil {
			return err
		}
		s.address = s.broker.address
		if s.way, err = newLine(s.address); err != nil {
			return err
		}
	}
	for range s.plan.workers {
		if err := s.join(); err != nil {
			return err
		}
	}
	return nil
}

// join makes a place for a worker, and starts one there.
func (s *scene) join() error {
	way, err := newLine(s.address)
	if err != nil {
		return err
	}
	n := len(s.workers)
	w := &worker{name: fmt.Sprint("worker-", n), way: way, wrong: n == s.plan.wrong, home: filepath.Join(s.dir, "home", fmt.Sprint(n))}
	if n == s.plan.small {
		w.home = s.small.dir
	}
	if w.wrong {
		s.tally.wrong++
	}
	s.workers = append(s.workers, w)
	return s.work(w)
}

// work starts a worker in its place.
func (s *scene) work(w *worker) (err error) {
	env := append(environment(s.dir), "BANKAI_HOME="+w.home, "XDG_CACHE_HOME="+w.home)
	if w.wrong {
		env = append(env, faultVariable+"=wrong")
	}
	w.told = false
	w.process, err = command{w.name, s.dir, env, []string{
		s.rig.bankai, "worker", "--connect", "nats://" + w.way.address(), "--token-file", "token", "--threads", "1", "--name", w.name,
	}}.start()
	return err
}

// faultVariable makes a worker of a program with the tag cluster_faults fail.
const faultVariable = "BANKAI_CLUSTER_FAULT"

// stage runs a command to its end, through what happens to it.
func (s *scene) stage(ctx context.Context, g stage) error {
	began := time.Now()
	for _, i := range s.plan.stages[g] {
		s.after(i.at, func() error { return s.happen(ctx, g, i) })
	}
	if err := s.coordinate(g, false); err != nil {
		return err
	}
	for {
		var next <-chan time.Time
		if len(s.due) > 0 {
			next = time.After(time.Until(s.due[0].at))
		}
		var ended <-chan struct{}
		if !s.ended {
			ended = s.coordinator.done
		}
		var err error
		select {
		case <-ctx.Done():
			return s.hangs(ctx)
		case <-next:
			d := s.due[0]
			s.due = s.due[1:]
			err = d.do()
		case <-ended:
			if s.excused() {
				s.note("the coordinator has ended: %v", s.coordinator.failure())
				s.tally.excused++
				err = s.resume(ctx, g)
				break
			}
			if err = s.coordinator.failure(); err == nil {
				s.note("%s has ended after %.2f s", g, time.Since(began).Seconds())
				if err = s.heal(); err == nil {
					return s.compare(g)
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// after has something done later.
func (s *scene) after(d time.Duration, do func() error) {
	s.due = append(s.due, due{time.Now().Add(d), do})
	slices.SortStableFunc(s.due, func(a, b due) int { return a.at.Compare(b.at) })
}

// excused reports whether the coordinator says that it cannot get to the broker, and has
// not been there: that is for whoever starts it to know.
func (s *scene) excused() bool {
	return s.coordinator.err != nil && s.way != nil && s.tally.excused < 5 &&
		strings.Contains(s.coordinator.last(), s.way.address()) && !strings.Contains(s.coordinator.said(), " helps (")
}

// resume starts the coordinator again. The broker is there then, and the way to it fair.
func (s *scene) resume(ctx context.Context, g stage) error {
	s.tally.resumed++
	s.ended = false
	if s.broker != nil {
		s.way.set(fair, 0)
		if err := s.restart(ctx); err != nil {
			return err
		}
	}
	return s.coordinate(g, true)
}

// restart lets the broker be there, if it is not.
func (s *scene) restart(ctx context.Context) error {
	s.broker.process.signal(syscall.SIGCONT)
	if s.broker.process.alive() {
		return nil
	}
	return s.broker.start(ctx)
}

// heal does at once what would be done later.
func (s *scene) heal() error {
	for len(s.due) > 0 {
		d := s.due[0]
		s.due = s.due[1:]
		if err := d.do(); err != nil {
			return err
		}
	}
	return nil
}

// coordinate starts the coordinator of a stage.
func (s *scene) coordinate(g stage, again bool) (err error) {
	args := append([]string{s.rig.bankai}, g.args()...)
	if again && g == searching {
		args = append(args, "--resume")
	}
	at := "nats://"
	if s.broker == nil {
		_, port, _ := strings.Cut(s.address, ":")
		at = "embedded:" + port
	} else {
		at += s.way.address()
	}
	args = append(args, "--workers", at, "--token-file", "token")
	s.coordinator, err = command{g.String(), s.dir, environment(s.dir), args}.start()
	return err
}

// compare compares what a stage left with what one process leaves.
func (s *scene) compare(g stage) error {
	got, err := g.outcome(s.dir, s.coordinator.out.Bytes())
	if err != nil {
		return err
	}
	s.tally.units += got.units
	said, err := os.ReadFile(s.coordinator.log) // of those before, too
	if err != nil {
		return err
	}
	s.tally.named += strings.Count(string(said), wrongBits)
	return got.differs(s.rig.alone[g])
}

// wrongBits is what a coordinator says of a worker that it drops for them.
const wrongBits = "wrong bits"

// hangs is the error of a schedule that does not end; everybody's goroutines come into
// their logs.
func (s *scene) hangs(ctx context.Context) error {
	s.coordinator.dump()
	for _, w := range s.workers {
		w.process.dump()
	}
	return fmt.Errorf("it hangs, or has been interrupted: %w", ctx.Err())
}

// part lets the workers and the broker go, and looks that nobody stays.
func (s *scene) part() error {
	var err error
	for _, w := range s.workers {
		if w.process.alive() {
			err = errors.Join(err, w.process.end(patience))
		} else if !w.told {
			err = errors.Join(err, fmt.Errorf("%s has ended by itself: %w", w.name, w.process.failure()))
		}
	}
	if s.broker != nil {
		err = errors.Join(err, s.broker.process.end(patience))
	}
	if left := leftOver(folderVariable + "=" + s.dir + "\x00"); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("processes that are left: %q", left))
	}
	return err
}

// clear ends everything at once.
func (s *scene) clear() error {
	s.coordinator.kill()
	for _, w := range s.workers {
		w.process.kill()
		w.way.close()
	}
	if s.broker != nil {
		s.broker.process.kill()
	}
	if s.way != nil {
		s.way.close()
	}
	return s.small.remove()
}

func (s *scene) note(format string, args ...any) {
	fmt.Fprintf(s.notes, "%7.3f %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bankai/internal/text"
)

// happen lets an incident happen, and what heals it later. Of what has ended by itself
// when the stage has, nothing comes after: it heals at once.
func (s *scene) happen(ctx context.Context, g stage, i incident) error {
	if !s.coordinator.alive() && !s.ended { // the stage is over
		return nil
	}
	s.note("%s", i)
	s.tally.times[i.act]++
	switch {
	case i.act == join:
		return s.join()
	case i.act == fill:
		s.after(i.lasts, s.small.empty)
		return s.small.fill()
	case i.who == theBroker:
		return s.toBroker(ctx, i)
	case i.who == theCoordinator:
		return s.toCoordinator(ctx, g, i)
	}
	return s.toWorker(i, s.workers[i.who])
}

func (s *scene) toBroker(ctx context.Context, i incident) error {
	if i.act == freeze {
		s.freeze(i, s.broker.process)
		return nil
	}
	s.broker.process.kill()
	s.after(i.lasts, func() error { return s.restart(ctx) })
	return nil
}

// freeze stops a process for a while.
func (s *scene) freeze(i incident, p *process) {
	p.signal(syscall.SIGSTOP)
	s.after(i.lasts, func() error {
		p.signal(syscall.SIGCONT)
		return nil
	})
}

// rain lets the weather on a line be bad for a while.
func (s *scene) rain(i incident, l *line) {
	l.set(i.weather, i.delay)
	s.after(i.lasts, func() error {
		l.set(fair, 0)
		return nil
	})
}

func (s *scene) toCoordinator(ctx context.Context, g stage, i incident) error {
	switch i.act {
	case freeze:
		s.freeze(i, s.coordinator)
	case rain:
		s.rain(i, s.way)
	case kill, leave:
		if s.ended {
			return nil
		}
		if i.act == kill {
			s.coordinator.kill()
		} else if err := s.coordinator.end(patience); errors.Is(err, errHangs) {
			return err
		}
		if s.coordinator.err == nil {
			return nil // it had just come to its end
		}
		s.ended = true
		s.after(i.lasts, func() error { return s.resume(ctx, g) })
	}
	return nil
}

func (s *scene) toWorker(i incident, w *worker) error {
	switch i.act {
	case freeze:
		s.freeze(i, w.process)
	case rain:
		s.rain(i, w.way)
	case kill, leave:
		if w.told {
			return nil
		}
		w.told = true
		if i.act == kill {
			w.process.kill()
		}
		w.process.signal(syscall.SIGCONT)
		w.process.signal(syscall.SIGTERM)
		s.after(i.lasts, func() error {
			if err := w.process.end(patience); err != nil && i.act == leave {
				return err
			}
			return s.work(w)
		})
	}
	return nil
}

// disk is a small file system of its own, which can be full; where none may be mounted, a
// folder that never is.
type disk struct {
	dir     string
	mounted bool
}

// diskSize is what a JetStream and a worker's files of a small search need, and some more.
const diskSize = 64 << 20

func newDisk(dir string) (*disk, error) {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, err
	}
	err := syscall.Mount("bankai-bench", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize))
	if err != nil && !errors.Is(err, syscall.EPERM) {
		return nil, fmt.Errorf("a small disk: %w", err)
	}
	return &disk{dir, err == nil}, nil
}

// fill leaves no byte free.
func (d *disk) fill() error {
	if !d.mounted {
		return nil
	}
	f, err := os.Create(filepath.Join(d.dir, "full"))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = io.CopyN(f, zeros{}, 2*diskSize); errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

// empty leaves as much free as before.
func (d *disk) empty() error { return os.RemoveAll(filepath.Join(d.dir, "full")) }

func (d *disk) remove() error {
	if d == nil || !d.mounted {
		return nil
	}
	return syscall.Unmount(d.dir, 0)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// tally is what happened in schedules.
type tally struct {
	times   [acts]int
	resumed int // coordinators that were started again
	excused int // of those, for lack of a broker
	units   int // of work that workers did, of the commands that came to their end
	wrong   int // workers that computed wrong bits
	named   int // of those that coordinators said so of
	took    time.Duration
}

func (t *tally) add(u tally) {
	for a, n := range u.times {
		t.times[a] += n
	}
	t.resumed += u.resumed
	t.excused += u.excused
	t.units += u.units
	t.wrong += u.wrong
	t.named += u.named
	t.took += u.took
}

// line is a schedule in a line.
func (t tally) line(seed uint64, err error) string {
	var what []string
	for a, n := range t.times {
		if n > 0 {
			what = append(what, fmt.Sprintf("%s %d", act(a), n))
		}
	}
	verdict := "the same"
	if err != nil {
		verdict = "FAILED: " + err.Error()
	}
	return fmt.Sprintf("%4d %5.1f s, %d resumed, %d units by workers; %s: %s", seed, t.took.Seconds(), t.resumed, t.units, strings.Join(what, ", "), verdict)
}

// table is what happened in all of them.
func (t tally) table() string {
	rows := text.Table{Right: []bool{false, true}}
	for a, n := range t.times {
		rows.Add(act(a).String(), n)
	}
	rows.Add("coordinators resumed", t.resumed)
	rows.Add("of those that found no broker", t.excused)
	rows.Add("units by workers", t.units)
	rows.Add("workers with wrong bits", t.wrong)
	rows.Add("times that one was named", t.named)
	return rows.String()
}

//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// act is what can happen to a process or a line.
type act int

const (
	kill   act = iota // SIGKILL, and after a while it is started again
	leave             // SIGTERM, the same
	freeze            // SIGSTOP, and after a while SIGCONT
	rain              // its line gets slow, breaks or has a hole, for a while
	fill              // the disk under it is full for a while
	join              // a new one comes
	acts
)

func (a act) String() string {
	return [...]string{"kill", "leave", "freeze", "line", "full disk", "join"}[a]
}

// Whom something happens to: 0 and up are workers.
const (
	theBroker      = -1
	theCoordinator = -2
)

// incident is something that happens in a stage.
type incident struct {
	at      time.Duration // since its begin
	act     act
	who     int
	lasts   time.Duration
	weather weather       // of rain
	delay   time.Duration // of slow
}

func (i incident) String() string {
	who := fmt.Sprintf("worker %d", i.who)
	switch i.who {
	case theBroker:
		who = "broker"
	case theCoordinator:
		who = "coordinator"
	}
	what := i.act.String()
	if i.act == rain {
		what = i.weather.String()
	}
	if i.delay > 0 {
		what += fmt.Sprintf(" by %d ms", i.delay.Milliseconds())
	}
	return fmt.Sprintf("%.2fs %s %s for %.2fs", i.at.Seconds(), what, who, i.lasts.Seconds())
}

// plan is a schedule: everything in it follows from its seed.
type plan struct {
	embedded bool // the broker is in the coordinator
	workers  int
	wrong    int // the worker that computes wrong bits; -1: none
	small    int // whose folder is on a disk that gets full: a worker, or theBroker
	stages   [stages][]incident
}

// newPlan draws a schedule. takes is what a stage takes alone: things happen in that time
// and half of it more.
func newPlan(seed uint64, takes [stages]time.Duration) plan {
	random := rand.New(rand.NewPCG(seed, 0x6368616f73)) // any number of its own
	p := plan{embedded: random.IntN(4) == 0, workers: 2 + random.IntN(3), wrong: -1}
	if random.IntN(4) == 0 {
		p.wrong = random.IntN(p.workers)
	}
	p.small = random.IntN(p.workers+1) - 1
	if p.embedded && p.small == theBroker {
		p.small = 0
	}
	for s := range p.stages {
		most := int64(takes[s] * 3 / 2)
		for range 2 + random.IntN(5) {
			i := incident{at: time.Duration(random.Int64N(most))}
			i.who = random.IntN(p.workers+2) - 2
			if p.embedded && i.who == theBroker {
				i.who = theCoordinator
			}
			i.act = p.draw(random, i.who)
			i.lasts = time.Duration(random.Int64N(int64(1500 * time.Millisecond)))
			if i.act != kill && random.IntN(6) == 0 {
				i.lasts += 5 * time.Second // as long as until it counts as gone, and more
			}
			if i.act == rain {
				if i.weather = weather(1 + random.IntN(3)); i.weather == slow {
					i.delay = time.Duration(1+random.IntN(60)) * time.Millisecond
				}
			}
			p.stages[s] = append(p.stages[s], i)
		}
		slices.SortStableFunc(p.stages[s], func(a, b incident) int { return int(a.at - b.at) })
	}
	return p
}

// draw is something that can happen to who.
func (p plan) draw(random *rand.Rand, who int) act {
	choice := []act{kill, kill, leave, freeze, rain, rain, join}
	switch {
	case who == theBroker:
		choice = []act{kill, kill, freeze}
	case who == theCoordinator && p.embedded:
		choice = []act{kill, freeze}
	case who == theCoordinator:
		choice = []act{kill, kill, leave, freeze, rain}
	}
	if who == p.small {
		choice = append(choice, fill, fill)
	}
	return choice[random.IntN(len(choice))]
}

func (p plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "embedded %t, %d workers, wrong %d, small disk %d\n", p.embedded, p.workers, p.wrong, p.small)
	for s, all := range p.stages {
		for _, i := range all {
			fmt.Fprintf(&b, "%s %s\n", stage(s), i)
		}
	}
	return b.String()
}

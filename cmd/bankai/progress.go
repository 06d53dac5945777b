package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bankai/engine"
	"bankai/internal/source"
	"bankai/measure"
	"bankai/probe"
)

const (
	// linesEvery is the time between two lines of progress where there are no bars.
	linesEvery = 10 * time.Second
	// barAfter is the time after which work gets a bar: what is done sooner needs none.
	barAfter = 300 * time.Millisecond
)

// meter shows on stderr how far long work is and how long the rest will take: as a
// bar on a terminal, otherwise as a line every few seconds. It is gone when the work
// is done. The total counts what the work's time is in proportion to: bytes, tokens.
type meter struct {
	on    *console
	what  string
	total int64
	began time.Time
	last  time.Time // of a line

	bar  *bar // nil off a terminal, and before barAfter
	mu   sync.Mutex
	pace pace
	note string
}

// meter starts showing work of total pieces. It has to be stopped.
func (c *console) meter(what string, total int64) *meter { return c.meterFrom(what, 0, total) }

// meterFrom is meter of work of which a part was done before, in no time now.
func (c *console) meterFrom(what string, done, total int64) *meter {
	now := time.Now()
	return &meter{on: c, what: what, total: total, began: now, last: now, pace: pace{total: total, marks: []mark{{now, done}}}}
}

// text is the remark, and the time left once it can be told.
func (m *meter) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := m.note
	if left, known := m.pace.left(time.Now()); known {
		if text != "" {
			text += ", "
		}
		text += left.Round(time.Second).String() + " left"
	}
	return text
}

// set tells how many pieces are done, with a remark on how it goes.
func (m *meter) set(done int64, remark string) {
	now := time.Now()
	m.mu.Lock()
	m.note = remark
	m.pace.add(now, done)
	m.mu.Unlock()
	switch {
	case m.on.quiet:
	case m.on.bars:
		if m.bar == nil && now.Sub(m.began) >= barAfter {
			m.bar = newBar(m.on.stderr, m.what, m.total, m.text)
		}
		if m.bar != nil {
			m.bar.set(done)
		}
	case now.Sub(m.last) >= linesEvery:
		m.last = now
		line := fmt.Sprintf("%s %d %%", m.what, 100*done/max(1, m.total))
		if text := m.text(); text != "" {
			line += ", " + text
		}
		m.on.note("%s", line)
	}
}

// stop takes the bar away.
func (m *meter) stop() {
	if m.bar != nil {
		m.bar.stop()
		m.bar = nil
	}
}

// pace predicts how long work takes by how long it took so far. The rate is that of
// the younger half of the time, since work may start slowly, and machines change.
type pace struct {
	total int64
	marks []mark // in order; the first is the start
}

// mark is how much was done at a time.
type mark struct {
	at   time.Time
	done int64
}

// paceMarks is about how many marks are kept: they stand at least that part of the
// time apart.
const paceMarks = 100

func (p *pace) add(now time.Time, done int64) {
	n := len(p.marks)
	if n > 1 && now.Sub(p.marks[n-2].at) < now.Sub(p.marks[0].at)/paceMarks {
		p.marks[n-1] = mark{now, done}
		return
	}
	p.marks = append(p.marks, mark{now, done})
}

// One part in leastShare of the work has to be done before anything is said
// about the rest of it.
const leastShare = 50

// left is how long the rest takes, as seen at a time; false if that cannot be told.
func (p *pace) left(now time.Time) (time.Duration, bool) {
	last, start := p.marks[len(p.marks)-1], p.marks[0]
	if (last.done-start.done)*leastShare < p.total-start.done || last.done >= p.total {
		return 0, false
	}
	half := last.at.Add(-last.at.Sub(start.at) / 2)
	for _, m := range p.marks {
		if m.at.After(half) {
			break
		}
		start = m
	}
	spent, did := last.at.Sub(start.at), last.done-start.done
	if did <= 0 || spent <= 0 {
		return 0, false
	}
	rest := time.Duration(float64(spent) / float64(did) * float64(p.total-last.done))
	return max(0, rest-now.Sub(last.at)), true
}

// probeMeter shows work on the probes of a set, of which every one counts by the
// tokens that the model has to go through for it.
func (c *console) probeMeter(what string, e probe.Encoder, set probe.Set) (*meter, func(done int)) {
	upTo := make([]int64, len(set)+1) // work of the first i probes
	for i, p := range set {
		upTo[i+1] = upTo[i] + probeWork(e, p)
	}
	m := c.meter(what, upTo[len(set)])
	return m, func(done int) { m.set(upTo[done], fmt.Sprintf("%d of %d probes", done, len(set))) }
}

// probeWork is about what answering and scoring a probe takes, in tokens of a prompt:
// the prompt is read twice, and what is generated token by token takes longer.
func probeWork(e probe.Encoder, p probe.Probe) int64 {
	n := func(text string) int64 { return int64(len(e.Encode(text))) }
	return 2*n(p.Prompt) + 3*n(p.Correct) + n(p.Wrong)
}

// gradual is a model that shows how far the scoring of questions is. It scores a
// pass's worth of them at a time, which changes no result.
type gradual struct {
	*engine.Model
	on   *console
	what string
}

var _ measure.Model = gradual{}

// passTokens is about how many tokens a pass takes.
const passTokens = 512

// Score is engine.Model.Score.
func (g gradual) Score(ctx context.Context, qs []engine.Question) ([][]engine.Answer, error) {
	total, done := 0, 0
	for _, q := range qs {
		total += q.Tokens()
	}
	progress := g.on.meter(g.what, int64(total))
	defer progress.stop()
	var all [][]engine.Answer
	for len(qs) > 0 {
		n, tokens := 0, 0
		for n < len(qs) && (n == 0 || tokens+qs[n].Tokens() <= passTokens) {
			tokens += qs[n].Tokens()
			n++
		}
		answers, err := g.Model.Score(ctx, qs[:n])
		if err != nil {
			return nil, err
		}
		all, qs = append(all, answers...), qs[n:]
		done += tokens
		progress.set(int64(done), "")
	}
	return all, nil
}

// named are sets under the names that they were given by.
func named(sets ...source.Set) []measure.Named {
	list := make([]measure.Named, len(sets))
	for i, s := range sets {
		list[i] = measure.Named{Name: s.Source, Set: s.Set}
	}
	return list
}

// fit refuses probes that are too long for a model, by name, before any work is done
// on the others.
func fit(m *engine.Model, sets ...measure.Named) error {
	for _, s := range sets {
		if err := measure.CheckLength(s.Set, m.Tokenizer(), m.Context()); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

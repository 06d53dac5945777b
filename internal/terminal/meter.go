package terminal

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"bankai/internal/progress"
	"bankai/internal/text"
)

const (
	// linesEvery is the usual time between two lines of progress where there are no bars.
	linesEvery = 10 * time.Second
	// barAfter is the time after which work gets a bar: what is done sooner needs none.
	barAfter = 300 * time.Millisecond
)

// meter shows on stderr how far long work is and how long the rest will take: as a
// bar on a terminal, otherwise as a line every few seconds. It is gone when the work
// is done. The total counts what the work's time is in proportion to: bytes, tokens.
type meter struct {
	on    *Console
	what  string
	total int64
	began time.Time
	last  time.Time // of a line

	bar  *bar // nil off a terminal, and before barAfter
	mu   sync.Mutex
	pace *progress.Pace
	note string
}

// Meter starts showing work of total pieces. It has to be stopped.
func (c *Console) Meter(what string, total int64) progress.Meter { return c.MeterFrom(what, 0, total) }

// MeterFrom is Meter of work of which a part was done before, in no time now.
func (c *Console) MeterFrom(what string, done, total int64) progress.Meter {
	now := time.Now()
	return &meter{on: c, what: text.Line(what), total: total, began: now, last: now, pace: progress.NewPace(now, done, total)}
}

// text is the remark, and the time left once it can be told.
func (m *meter) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	remark := text.Line(m.note)
	if m.on.Beside != nil {
		remark = joined(remark, m.on.Beside())
	}
	if left, known := m.pace.Left(time.Now()); known {
		remark = joined(remark, left.Round(time.Second).String()+" left")
	}
	return remark
}

// joined are two remarks, each of which may be empty, as one.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// Set tells how many pieces are done, with a remark on how it goes.
func (m *meter) Set(done int64, remark string) {
	now := time.Now()
	m.mu.Lock()
	m.note = remark
	m.pace.Add(now, done)
	m.mu.Unlock()
	switch {
	case m.on.Quiet:
	case m.on.Bars:
		if m.bar == nil && now.Sub(m.began) >= barAfter {
			m.bar = newBar(m.on.Stderr, m.what, m.total, m.text)
			m.on.show(m.bar)
		}
		if m.bar != nil {
			m.bar.set(done)
		}
	case now.Sub(m.last) >= cmp.Or(m.on.LinesEvery, linesEvery):
		m.last = now
		line := fmt.Sprintf("%s %d %%", m.what, 100*done/max(1, m.total))
		if text := m.text(); text != "" {
			line += ", " + text
		}
		m.on.Note("%s", line)
	}
}

// Stop takes the bar away.
func (m *meter) Stop() {
	if m.bar != nil {
		m.on.show(nil)
		m.bar.stop()
		m.bar = nil
	}
}

package main

import (
	"fmt"
	"sync"
	"time"
)

// linesEvery is the time between two lines of progress where there are no bars.
const linesEvery = 10 * time.Second

// meter shows on stderr how far long work is: as a bar on a terminal, otherwise
// as a line every few seconds. It is gone when the work is done.
type meter struct {
	app   *app
	what  string
	total int
	last  time.Time

	bar  *bar // nil off a terminal
	mu   sync.Mutex
	note string
}

// meter starts showing work of total pieces. It has to be stopped.
func (a *app) meter(what string, total int) *meter {
	m := &meter{app: a, what: what, total: total, last: time.Now()}
	if a.bars {
		m.bar = newBar(a.stderr, what, total, m.text)
	}
	return m
}

func (m *meter) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.note
}

// set tells how many pieces are done, with a remark on how it goes.
func (m *meter) set(done int, remark string) {
	m.mu.Lock()
	m.note = remark
	m.mu.Unlock()
	if m.bar != nil {
		m.bar.set(done)
		return
	}
	if time.Since(m.last) >= linesEvery {
		m.last = time.Now()
		line := fmt.Sprintf("%s %d of %d", m.what, done, m.total)
		if remark != "" {
			line += ", " + remark
		}
		m.app.note("%s", line)
	}
}

// stop takes the bar away.
func (m *meter) stop() {
	if m.bar != nil {
		m.bar.stop()
	}
}

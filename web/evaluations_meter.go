package web

import (
	"sync"
	"time"

	"bankai/internal/progress"
	"bankai/internal/text"
)

// progressDoc is how far an evaluation is.
type progressDoc struct {
	Done  int64  `json:"done"` // of Total, in what takes time: tokens
	Total int64  `json:"total"`
	Said  string `json:"said"` // in words: "base, 320 of 1,400 probes"
	Left  string `json:"left"` // how long the rest takes, "" if that cannot be told yet
}

// meters tell of work on the probes of a set, which is done once for the model as it is and
// once under patches, as of one piece.
type meters struct {
	told  func(progressDoc)
	began time.Time
	times int64 // that the work is done
	gone  int64 // of them

	mu   sync.Mutex
	pace *progress.Pace
}

func newMeters(patched bool, told func(progressDoc)) *meters {
	m := &meters{told: told, began: time.Now(), times: 1}
	if patched {
		m.times = 2
	}
	return m
}

// Warn and Note are for what the page has no place for.
func (m *meters) Warn(string, ...any) {}
func (m *meters) Note(string, ...any) {}

// Meter begins one of the times.
func (m *meters) Meter(what string, total int64) progress.Meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pace == nil {
		m.pace = progress.NewPace(m.began, 0, total*m.times)
	}
	return &meter{m, what, total}
}

// meter is one of the times.
type meter struct {
	of    *meters
	what  string
	total int64
}

// Set tells how much of it is done.
func (m *meter) Set(at int64, remark string) {
	now := time.Now()
	m.of.mu.Lock()
	doc := progressDoc{Done: m.of.gone*m.total + at, Total: m.total * m.of.times, Said: m.what + ", " + remark}
	m.of.pace.Add(now, doc.Done)
	if left, known := m.of.pace.Left(now); known {
		doc.Left = text.Elapsed(left.Seconds())
	}
	m.of.mu.Unlock()
	m.of.told(doc)
}

// Stop ends it.
func (m *meter) Stop() {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	m.of.gone++
}

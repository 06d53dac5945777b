package external

import (
	"bytes"
	"strings"
	"sync"

	"bankai/internal/text"
)

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const (
	mostKept  = 4096 // bytes
	lastLines = 5
)

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if n := len(t.kept) - mostKept; n > 0 {
		t.kept = bytes.Clone(t.kept[n:])
	}
	return len(p), nil
}

// last is the last lines, on one line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "\ufffd")), "\n")
	return text.Line(strings.Join(lines[max(0, len(lines)-lastLines):], "\n"))
}

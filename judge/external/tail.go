package external

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
)

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const (
	mostKept  = 4096 // bytes
	lastLines = 5
	mostShown = 300 // characters
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

// last is the last lines, on one line, of which the end is there if it is long. What could
// steer a terminal is escaped, as \x1b.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(string(t.kept), "\ufffd")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	said := []rune(strings.Join(lines[max(0, len(lines)-lastLines):], "; "))
	if n := len(said) - mostShown; n > 0 {
		said = append([]rune("…"), said[n+1:]...)
	}
	var out strings.Builder
	for _, r := range said {
		if strconv.IsPrint(r) {
			out.WriteRune(r)
		} else {
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return out.String()
}

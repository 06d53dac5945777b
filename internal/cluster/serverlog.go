package cluster

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
)

// serverLog gives a NATS server's warnings and errors on, and remembers the last error.
type serverLog struct {
	warn func(format string, args ...any)

	mu    sync.Mutex
	last  string
	fatal bool
}

// reason is the last error.
func (l *serverLog) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.last, "it gives no reason")
}

// failed says whether the server cannot go on.
func (l *serverLog) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// say passes a line on.
func (l *serverLog) say(format string, args []any) {
	if l.warn != nil {
		l.warn("NATS server: %s", strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (l *serverLog) keep(format string, args []any) {
	l.mu.Lock()
	l.last = strings.TrimSpace(fmt.Sprintf(format, args...))
	l.mu.Unlock()
}

// Warnf, Errorf and Fatalf are worth being said; the others are not.
func (l *serverLog) Warnf(format string, args ...any) { l.say(format, args) }

func (l *serverLog) Errorf(format string, args ...any) {
	l.keep(format, args)
	l.say(format, args)
}

// Fatalf does not end the process: the server's caller sees that it is not ready.
func (l *serverLog) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	l.mu.Lock()
	l.fatal = true
	l.mu.Unlock()
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

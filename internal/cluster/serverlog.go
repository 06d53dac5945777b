package cluster

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serverLog gives a NATS server's warnings and errors on, and remembers what went wrong.
type serverLog struct {
	warn func(format string, args ...any) // nil: nobody is told

	mu    sync.Mutex
	said  map[string]time.Time // lines, and when they were said
	last  string               // error
	fatal bool
	full  time.Time // when the disk was full
}

// sayAgain is how long the same line is not said again: a server that cannot write says
// so for every message.
const sayAgain = time.Minute

// reason is the last error, without the address that the server was to listen on: whoever
// asks knows it.
func (l *serverLog) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rest, ok := strings.CutPrefix(l.last, "Error listening on port: "); ok {
		if _, quoted, ok := strings.Cut(rest, ", "); ok {
			if why, err := strconv.Unquote(quoted); err == nil {
				return why
			}
		}
	}
	return cmp.Or(l.last, "it gives no reason")
}

// failed says whether the server cannot go on.
func (l *serverLog) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// diskFull says whether the disk was full of late. The server tells that to nobody else:
// it does not answer who wants something stored.
func (l *serverLog) diskFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.full.IsZero() && time.Since(l.full) < sayAgain
}

// say passes a line on, unless it was passed on just now.
func (l *serverLog) say(format string, args []any) {
	line, now := strings.TrimSpace(fmt.Sprintf(format, args...)), time.Now()
	l.mu.Lock()
	if strings.Contains(line, "no space left on device") || strings.Contains(line, "not enough space on the disk") {
		l.full = now
	}
	if l.said == nil || len(l.said) > 100 {
		l.said = map[string]time.Time{}
	}
	before, again := l.said[line]
	again = again && now.Sub(before) < sayAgain
	if !again {
		l.said[line] = now
	}
	l.mu.Unlock()
	if l.warn != nil && !again {
		l.warn("NATS server: %s", line)
	}
}

// Warnf and Errorf are worth being said; the others are not.
func (l *serverLog) Warnf(format string, args ...any) { l.say(format, args) }

func (l *serverLog) Errorf(format string, args ...any) {
	l.mu.Lock()
	l.last = strings.TrimSpace(fmt.Sprintf(format, args...))
	l.mu.Unlock()
	l.say(format, args)
}

// Fatalf does not end the process: the server's caller sees that it is not ready, and says
// why.
func (l *serverLog) Fatalf(format string, args ...any) {
	l.mu.Lock()
	l.last, l.fatal = strings.TrimSpace(fmt.Sprintf(format, args...)), true
	l.mu.Unlock()
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

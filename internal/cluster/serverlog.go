package cluster

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serverLog gives a NATS server's warnings and errors on, and remembers what went wrong.
type serverLog struct {
	warn   func(format string, args ...any) // nil: nobody is told
	secret string                           // what lets in, for people

	mu      sync.Mutex
	strange map[string]bool      // addresses of those who were refused
	said    map[string]time.Time // lines, and when they were said
	last    string               // error
	fatal   bool
	full    time.Time // when the disk was full
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
	if of := ofClient.FindStringSubmatch(line); of != nil {
		host := strings.Trim(of[1], "[]")
		if strings.HasPrefix(of[2], "authentication error") {
			l.refused(host)
			return
		}
		line = host + ": " + of[2]
	}
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

// ofClient is what the server says of a client: its address, and what is the matter. The
// port and the number of the connection between them are new each time.
var ofClient = regexp.MustCompile(`^(\S+):\d+ - [a-z_]+:\d+(?: - "[^"]*")* - (.*)$`)

// mostStrange bounds of how many addresses it is told that somebody there was refused.
const mostStrange = 1000

// refused says, once for each address, that somebody there has not what lets in.
func (l *serverLog) refused(host string) {
	l.mu.Lock()
	again := l.strange[host] || len(l.strange) >= mostStrange
	if !again {
		if l.strange == nil {
			l.strange = map[string]bool{}
		}
		l.strange[host] = true
	}
	l.mu.Unlock()
	if l.warn != nil && !again {
		l.warn("somebody at %s has a wrong %s: refused", host, l.secret)
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

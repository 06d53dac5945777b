package server

import (
	"net/http"
	"time"
)

// times are those within which a client has to do its part.
type times struct {
	body  time.Duration // to send all of it
	write time.Duration // to take a part of the answer
}

// usualTimes are those of every server but those of tests.
var usualTimes = times{body: time.Minute, write: 30 * time.Second}

// timedWriter drops a client that takes nothing of its answer for a while, whoever writes
// it. Each part has its own time: an answer may take as long as it likes.
type timedWriter struct {
	http.ResponseWriter
	time time.Duration
}

// takeAtOnce is how many bytes of an answer a client has to take in the time.
const takeAtOnce = 64 << 10

// timed gives a request and its answer their times. Not all connections have deadlines.
func (t times) timed(w http.ResponseWriter) *timedWriter {
	// For a body that no handler reads: the client is answered when it is there, or does not
	// come, and must still be listening then.
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(t.write / 2))
	return &timedWriter{w, t.write}
}

func (w *timedWriter) begin() {
	http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.time))
}

// WriteHeader begins the answer.
func (w *timedWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

// Write sends a part after the other.
func (w *timedWriter) Write(p []byte) (n int, err error) {
	for {
		w.begin()
		m, err := w.ResponseWriter.Write(p[:min(len(p), takeAtOnce)])
		n += m
		if p = p[m:]; err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// FlushError sends what was written.
func (w *timedWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bankai/engine"
	"bankai/internal/enginetest"
)

// An answer of events goes on for longer than a client may take to send what nobody reads.
func TestEventsGoOn(t *testing.T) {
	s := New(Options{Loopback: true, Routes: []Route{{Pattern: "GET /api/long", Answer: func(x *Exchange) error {
		out := x.Events()
		if err := out.Send("1", "begun"); err != nil {
			return err
		}
		select {
		case <-time.After(2 * soon):
		case <-x.Request().Context().Done():
			return x.Request().Context().Err()
		}
		return out.Send("2", "ended")
	}}}})
	s.times = times{body: soon, write: soon}
	r := listenAs(t, s, func(*httptest.Server) {})
	r.model = enginetest.Demo(t, engine.Options{Threads: 1})
	r.serve("demo")
	if got := r.do("GET", "/api/long", ""); got.status != http.StatusOK || !strings.HasSuffix(got.body, "id: 2\ndata: \"ended\"\n\n") {
		t.Errorf("%d %q", got.status, got.body)
	}
}

package server

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// bodies bounds the memory of all bodies that are read, and not yet understood: many
// clients may send large ones at once.
type bodies struct {
	room int64
	used atomic.Int64
}

// Bytes of bodies: the first ones of each are free, so that requests of usual size do not
// wait for large ones; beyond that there is room for all together.
const (
	freeBody  = 64 << 10
	allBodies = 128 << 20
)

// held is the part of a body that counts. The zero value is that of a request without one.
type held struct {
	*bodies
	r     io.Reader
	read  int64
	bytes int64
}

// Read reads on, as long as there is room.
func (h *held) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.read += int64(n)
	more := max(h.read-freeBody, 0) - h.bytes
	h.bytes += more
	if more > 0 && h.used.Add(more) > h.room {
		return n, &failure{
			status: http.StatusTooManyRequests, kind: kindOverloaded, code: "too_many_large_bodies",
			message: "many large requests come at once, and there is no room for this one: try again later", retryAfter: 2 * time.Second,
		}
	}
	return n, err
}

// release gives the room back.
func (h *held) release() {
	if h.bodies != nil {
		h.used.Add(-h.bytes)
	}
	*h = held{}
}

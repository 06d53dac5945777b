// Package progress is how long work tells whoever watches it how far it is, and how
// long the rest will take: a terminal, or a page of a server.
package progress

// Watcher is told how work goes. Its methods are called by one goroutine at a time.
type Watcher interface {
	// Warn tells of something that does not stop the work.
	Warn(format string, args ...any)
	// Note tells of something that is as it should be.
	Note(format string, args ...any)
	// Meter starts showing work of total pieces, which count what the work's time is in
	// proportion to: bytes, tokens. It has to be stopped.
	Meter(what string, total int64) Meter
}

// Resumer is a Watcher that can be told of work that goes on.
type Resumer interface {
	// MeterFrom is Meter of work of which a part was done before, in no time now.
	MeterFrom(what string, done, total int64) Meter
}

// Meter shows how far a piece of work is.
type Meter interface {
	// Set tells how many pieces are done, with a remark on how it goes.
	Set(done int64, remark string)
	// Stop ends the showing, also of work that did not get done.
	Stop()
}

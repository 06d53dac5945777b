package cluster

import (
	"context"

	"bankai"
	"bankai/engine"
)

// Need says which model a session computes with.
type Need struct {
	Model     bankai.Digest // of the tensors
	Settings  bankai.Digest // fingerprint of its arithmetic
	Precision engine.Precision
	// File is the model's file, whose content is checked; "" if none is offered, or if
	// it has not been fetched yet.
	File string
}

// Worker takes part in the sessions that it finds on a server.
type Worker struct {
	Conn  *Conn
	Name  string // for people; "": the machine's
	Cache string // folder for contents that were read, see [Conn.Objects]
	// Sessions is after how many sessions Run returns; 0: never.
	Sessions int

	// Open returns the model that a session needs, or nil if it has none; then the
	// model's file is fetched, if the session offers it, and Open is asked again. The
	// worker closes the model when it needs it no longer. An error is a reason not to
	// take part.
	Open func(ctx context.Context, need Need) (*engine.Model, error)

	Log func(format string, args ...any) // short lines about what it does; may be nil
}

// Run takes part in sessions until ctx ends, which is no error, or until it has taken
// part in [Worker.Sessions].
func (w *Worker) Run(ctx context.Context) error { panic("skeleton") }

// handlers are the kinds of work that a worker does in every session it joins. begin
// starts one and returns how to end it: end returns when nothing of it runs any more.
// What is unfinished then goes back to the coordinator.
var handlers = []struct {
	name  string
	begin func(j *joined) (end func(), err error)
}{}

// joined is a session that a worker takes part in, as the handlers see it. Its methods
// may be called from several goroutines.
type joined struct {
	ctx     context.Context // ends when the worker leaves or the session ends
	record  sessionRecord
	id      string // of the worker
	conn    *Conn
	model   *engine.Model
	objects *Objects
}

// turn waits until no other work of this worker computes, and says what is done now;
// release ends it, with how much was done.
func (j *joined) turn(ctx context.Context, doing string) (release func(units, tokens int), err error) {
	panic("skeleton")
}

// logf tells people what happened.
func (j *joined) logf(format string, args ...any) { panic("skeleton") }

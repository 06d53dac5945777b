package cluster

import (
	"context"
	"time"

	"bankai"
	"bankai/engine"
)

// Options say what a [Session] is for, and who is told of it. Its functions are called
// one at a time; each may be nil.
type Options struct {
	Name string // for people: what is done, by whom
	// ModelFile is the only file of the model, for workers that lack it; "" offers none.
	ModelFile string
	// Cache is the folder for contents that were read, see [Conn.Objects].
	Cache string
	// Check is after how many units of a worker one is computed by another, too; 0: 20,
	// below 0: never.
	Check int

	Joined  func(w Member)             // a worker was taken in
	Left    func(w Member, why string) // left, died, or was dropped
	Refused func(name, why string)     // asked and was refused
	Log     func(format string, args ...any)
}

// Member is a worker of a session.
type Member struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"` // for people; need not be unique
	Cores  int       `json:"cores"`
	Kernel string    `json:"kernel"`
	Since  time.Time `json:"since"` // when it was taken in
	Doing  string    `json:"doing,omitempty"`
	Units  int64     `json:"units"`  // done in the session
	Tokens int64     `json:"tokens"` // computed in the session
	Speed  float64   `json:"speed"`  // tokens a second of late
}

// Session is the coordinator's side of work that is divided: who takes part, and
// what they need. Its methods may be called from several goroutines.
type Session struct {
	ctx     context.Context // ends with Close
	conn    *Conn
	model   *engine.Model
	objects *Objects
	options Options
	record  sessionRecord
}

// Open announces a session on a model, whose workers compute with it. It runs [Trial]
// once. Close ends it.
func Open(ctx context.Context, c *Conn, m *engine.Model, o Options) (*Session, error) {
	panic("skeleton")
}

// ID is the session's name in subjects and keys.
func (s *Session) ID() string { return s.record.ID }

// Workers are the members, in the order in which they were taken in.
func (s *Session) Workers() []Member { panic("skeleton") }

// Wait returns when at least n workers take part, or with ctx's error.
func (s *Session) Wait(ctx context.Context, n int) error { panic("skeleton") }

// Close tells the workers that the session has ended. It does not close the
// connection.
func (s *Session) Close() error { panic("skeleton") }

// peers are the members as those see them who give them work, in the order in which
// they were taken in; changed is closed as soon as somebody has come or gone since.
func (s *Session) peers() (peers []*member, changed <-chan struct{}) { panic("skeleton") }

// drop takes a worker out for good: whoever comes from its process is refused.
func (s *Session) drop(id, why string) { panic("skeleton") }

// member is a worker of a session, as the coordinator keeps it. A worker that went and
// comes back is another member, with the same id.
type member struct {
	id    string
	hello hello
	since time.Time
	gone  chan struct{} // closed when it is no member any more
}

// Trial is the digest of what a fixed computation gives on a model: answers scored,
// tokens generated, a gradient. Machines with different ones do not compute the same
// bits.
func Trial(ctx context.Context, m *engine.Model) (bankai.Digest, error) { panic("skeleton") }

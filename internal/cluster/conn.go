package cluster

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Access says where a NATS server is, and what opens it. At most one kind of
// credentials is given, beside TLS.
type Access struct {
	URL string // nats:// or tls://, with user:password@ or token@ if the server wants them

	Token     string // secret text
	TokenFile string // a file that holds it
	NKeySeed  string // a file that holds the seed of an nkey
	Creds     string // a .creds file: a JWT and its nkey's seed
	CA        string // a file of PEM certificates to trust, beside TLS by tls://
	Cert, Key string // PEM files of the client's own certificate

	// Log is told in one line when the connection is lost and when it is back; may be
	// nil.
	Log func(format string, args ...any)

	local *local // a broker in this process
}

// Conn is a connection to a NATS server, which is made anew for ever when it breaks.
type Conn struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	url    string // without secrets
	log    func(format string, args ...any)
	timing timing
}

// Dial connects to a NATS server and checks that it has JetStream. Errors name the
// server and no secrets.
func Dial(ctx context.Context, a Access) (*Conn, error) { panic("skeleton") }

// URL is where the server is, without secrets.
func (c *Conn) URL() string { return c.url }

// Close ends the connection after what was sent has gone out.
func (c *Conn) Close() error { panic("skeleton") }

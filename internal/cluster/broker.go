package cluster

import (
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// BrokerOptions say how a [Broker] listens, keeps things and whom it lets in.
type BrokerOptions struct {
	Listen    string   // HOST:PORT; no host: 127.0.0.1; port 0 or none: one that is free
	Dir       string   // for what it keeps; "": a temporary folder, removed by Close
	Token     string   // "": a random one
	NKeys     []string // public nkeys of users: they are let in instead of a token
	Cert, Key string   // PEM files: TLS
	MaxStore  int64    // bytes that may be kept; 0: three quarters of what the disk has free

	// Warn is told what the server finds worth a warning, in one line; may be nil.
	Warn func(format string, args ...any)
}

// Broker is a NATS server with JetStream in this process.
type Broker struct {
	server *server.Server
	local  *local
	token  string
}

// local is how the process of a broker connects to it, without a network.
type local struct {
	server *server.Server
	key    nkeys.KeyPair // nil: the token
}

// StartBroker starts a NATS server, which is to be closed.
func StartBroker(o BrokerOptions) (*Broker, error) { panic("skeleton") }

// URL is where other processes find the server, without secrets: of a server that
// listens everywhere, by the machine's name.
func (b *Broker) URL() string { panic("skeleton") }

// Loopback reports whether only this machine can reach the server.
func (b *Broker) Loopback() bool { panic("skeleton") }

// Token is the secret that lets in; "" if nkeys do.
func (b *Broker) Token() string { return b.token }

// Access is for this process.
func (b *Broker) Access() Access { panic("skeleton") }

// Close ends the server. What it kept in a temporary folder is gone.
func (b *Broker) Close() error { panic("skeleton") }

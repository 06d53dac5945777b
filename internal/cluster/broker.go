package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bankai/internal/durable"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// BrokerOptions say how a [Broker] listens, where it keeps things, and whom it lets in.
type BrokerOptions struct {
	Listen string // HOST:PORT; no host: 127.0.0.1; no port, or 0: one that is free

	// Dir is the folder of what it keeps, and of its token; "": a temporary one, which
	// Close removes. Only one broker at a time may use it.
	Dir      string
	MaxStore int64 // bytes that may be kept; 0: three quarters of what the disk has free

	Token     string   // the secret that lets in; "": that of Dir, or else a random one
	NKeys     []string // public nkeys of the users who are let in; then there is no token
	Cert, Key string   // PEM files: TLS

	// Warn is told what the server finds worth a warning, in one line; may be nil.
	Warn func(format string, args ...any)
}

// Broker is a NATS server with JetStream in this process.
type Broker struct {
	server    *server.Server
	local     *local
	tls       bool
	dir       string
	temporary bool         // dir is removed at the end
	lock      *flock.Flock // of dir
	token     string
}

// local is how the process of a broker connects to it: by TCP, or through a pipe, which is
// a quarter slower, but needs no certificate for this machine.
type local struct {
	server *server.Server
	log    *serverLog
	key    nkeys.KeyPair // nil: the token opens
	url    string        // of TCP; "": the pipe
}

// brokerStart bounds how long a broker may take to start; it takes milliseconds, unless
// it has to read a big store.
const (
	brokerStart = time.Minute
	startPiece  = 20 * time.Millisecond // between looks whether it has failed
)

// StartBroker starts a NATS server, which is to be closed.
func StartBroker(o BrokerOptions) (*Broker, error) {
	options, err := o.listen()
	if err != nil {
		return nil, err
	}
	b := &Broker{local: &local{}, tls: options.TLSConfig != nil}
	if err := b.start(o, options); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// start makes the folder and starts the server.
func (b *Broker) start(o BrokerOptions, options *server.Options) (err error) {
	if err := b.openFolder(o.Dir); err != nil {
		return err
	}
	if err := b.admit(o, options); err != nil {
		return err
	}
	options.StoreDir, options.JetStreamMaxStore = b.dir, o.MaxStore
	if b.server, err = server.NewServer(options); err != nil {
		return fmt.Errorf("the NATS server: %w", err)
	}
	log := &serverLog{warn: o.Warn, secret: "token"}
	if b.token == "" {
		log.secret = "key"
	}
	b.local.server, b.local.log = b.server, log
	b.server.SetLogger(log, false, false)
	b.server.Start()
	for late := time.Now().Add(brokerStart); !b.server.ReadyForConnections(startPiece); {
		if log.failed() || time.Now().After(late) {
			return fmt.Errorf("the NATS server does not start on %s: %s", net.JoinHostPort(options.Host, strconv.Itoa(options.Port)), log.reason())
		}
	}
	if a := b.address(); !b.tls {
		host := a.IP.String()
		if a.IP.IsUnspecified() {
			host = "127.0.0.1"
		}
		b.local.url = (&url.URL{Scheme: "nats", Host: net.JoinHostPort(host, strconv.Itoa(a.Port))}).String()
	}
	if !b.server.JetStreamEnabled() {
		return fmt.Errorf("the NATS server cannot keep anything in %s: %s", b.dir, log.reason())
	}
	return nil
}

// listen makes the server's options of where it listens, and of TLS.
func (o BrokerOptions) listen() (*server.Options, error) {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil { // no port, or nothing at all
		host, port = strings.Trim(o.Listen, "[]"), "0"
	}
	n, err := strconv.ParseUint(cmp.Or(port, "0"), 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the broker cannot listen on %q: want HOST:PORT, with a port from 0 to 65535", o.Listen)
	}
	options := &server.Options{
		Host: cmp.Or(host, "127.0.0.1"), Port: int(n),
		NoSigs: true, DisableJetStreamBanner: true, NoSystemAccount: false,
		JetStream: true, JetStreamMaxMemory: 64 << 20, // nothing is kept in memory alone
		PingInterval: 20 * time.Second, // a machine that was cut off is noticed in a minute
	}
	if n == 0 {
		options.Port = server.RANDOM_PORT
	}
	if o.Cert == "" && o.Key == "" {
		return options, nil
	}
	pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return nil, fmt.Errorf("the broker's certificate %s with the key %s: %w", o.Cert, o.Key, err)
	}
	options.TLS, options.TLSTimeout = true, 5
	options.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return options, nil
}

// openFolder makes the folder of what is kept. The server keeps secrets of no user
// there, but inputs and results, so nobody else may read it.
func (b *Broker) openFolder(dir string) (err error) {
	b.dir = dir
	if dir == "" {
		b.dir, err = os.MkdirTemp("", "bankai-broker-")
		b.temporary = err == nil
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("the broker's folder: %w", err)
	}
	if !locked {
		return fmt.Errorf("another broker uses the folder %s: give this one another", dir)
	}
	b.lock = lock
	return nil
}

// admit decides who is let in: those with the token, or those with the nkeys, and this
// process by one of its own.
func (b *Broker) admit(o BrokerOptions, options *server.Options) (err error) {
	if len(o.NKeys) == 0 {
		b.token, err = b.findToken(o.Token)
		options.Authorization = b.token
		return err
	}
	if o.Token != "" {
		return errors.New("the broker lets in by a token or by nkeys: give one of them")
	}
	if b.local.key, err = nkeys.CreateUser(); err != nil {
		return err
	}
	own, err := b.local.key.PublicKey()
	if err != nil {
		return err
	}
	for _, key := range append([]string{own}, o.NKeys...) {
		if !nkeys.IsValidPublicUserKey(key) {
			return fmt.Errorf("%.60q is no public nkey of a user, which begins with U: the key that begins with S is secret and stays with its user", public(key))
		}
		options.Nkeys = append(options.Nkeys, &server.NkeyUser{Nkey: key})
	}
	return nil
}

// public is a key that may be printed.
func public(key string) string {
	if strings.HasPrefix(key, "S") {
		return "S…"
	}
	return key
}

// findToken is the token that was given, that of an earlier broker in the folder, or a
// random one. It is in the folder then, so that a worker still knows the next broker.
func (b *Broker) findToken(given string) (string, error) {
	if given == "" {
		text, err := os.ReadFile(b.TokenFile())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		given = strings.TrimSpace(string(text))
	}
	token := cmp.Or(given, rand.Text())
	out := durable.Output{Path: b.TokenFile(), Private: true, Force: true}
	if err := out.Check(); err != nil {
		return "", err
	}
	return token, out.Write(context.Background(), func(f durable.File) error {
		_, err := fmt.Fprintln(f, token)
		return err
	})
}

// URL is where other processes find the server, without secrets: the first of [Broker.URLs].
func (b *Broker) URL() string { return b.URLs()[0] }

// URLs are all that a server has that listens on all addresses: one for each of this
// machine that others may reach. If there is none, and with TLS, whose certificates are of
// names, it is told by the machine's name.
func (b *Broker) URLs() []string {
	a := b.address()
	hosts := []string{a.IP.String()}
	if a.IP.IsUnspecified() {
		if hosts = reachable(); len(hosts) == 0 || b.tls {
			hosts = []string{hostName()}
		}
	}
	scheme := "nats"
	if b.tls {
		scheme = "tls"
	}
	urls := make([]string, len(hosts))
	for i, host := range hosts {
		urls[i] = (&url.URL{Scheme: scheme, Host: net.JoinHostPort(host, strconv.Itoa(a.Port))}).String()
	}
	return urls
}

// reachable are the addresses of this machine that others may get to: those of IPv4, and
// where there are none those of IPv6.
func reachable() []string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var four, six []string
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		switch {
		case !ok || !n.IP.IsGlobalUnicast():
		case n.IP.To4() != nil:
			four = append(four, n.IP.String())
		default:
			six = append(six, n.IP.String())
		}
	}
	if len(four) > 0 {
		return four
	}
	return six
}

// address is where the server listens.
func (b *Broker) address() *net.TCPAddr { return b.server.Addr().(*net.TCPAddr) }

// hostName is the name of this machine.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

// Port is where the server listens.
func (b *Broker) Port() int { return b.address().Port }

// Loopback reports whether only this machine can reach the server.
func (b *Broker) Loopback() bool { return b.address().IP.IsLoopback() }

// Token is the secret that lets in; "" if nkeys do.
func (b *Broker) Token() string { return b.token }

// TokenFile is a file of this machine that holds the token, which only its owner may
// read.
func (b *Broker) TokenFile() string { return filepath.Join(b.dir, "token") }

// Access is for this process.
func (b *Broker) Access() Access { return Access{URL: b.URL(), Token: b.token, local: b.local} }

// Close ends the server. What it kept in a temporary folder is gone then.
func (b *Broker) Close() error {
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	if b.lock != nil {
		if err := b.lock.Close(); err != nil {
			return err
		}
	}
	if b.temporary {
		return os.RemoveAll(b.dir)
	}
	return nil
}

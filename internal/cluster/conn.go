package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
)

// Access says where a NATS server is, and what opens it: at most one kind of
// credentials.
type Access struct {
	// URL is nats://HOST:PORT, or tls:// for a server with TLS, with user:password@ or
	// token@ before HOST if the server wants that. Several servers of a NATS cluster are
	// separated by commas.
	URL string

	Token     string // secret text
	TokenFile string // a file that holds it
	NKeySeed  string // a file that holds the seed of an nkey
	Creds     string // a .creds file: a JWT and the seed of its nkey
	CA        string // a PEM file of the certificates to trust; "": the system's
	Cert, Key string // PEM files of the client's own certificate, if the server wants one

	// Wait lets Dial wait for a server that cannot be reached yet.
	Wait bool
	// Log is told in one line when the connection is lost, and when it is back; may be
	// nil.
	Log func(format string, args ...any)

	local  *local  // a broker in this process; nil: the network
	timing *timing // nil: usualTiming
}

// Conn is a connection to a NATS server, which is made anew for ever when it breaks.
type Conn struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	local  *local // a broker in this process; nil: the network
	url    string // without secrets
	shown  string // see [ServerError]
	log    func(format string, args ...any)
	timing timing

	closing  atomic.Bool
	reported atomic.Bool   // somebody returns why it has ended: the log need not tell
	closed   chan struct{} // closed when there will be no connection any more

	mu     sync.Mutex
	asking map[*context.CancelCauseFunc]struct{} // of requests that a violation ends
}

const (
	dialTimeout   = 5 * time.Second
	reconnectWait = 500 * time.Millisecond
	// apiTimeout is for requests to JetStream.
	apiTimeout = 10 * time.Second
)

// Dial connects to a NATS server and checks that it has JetStream. Errors name the
// server and no secrets.
func Dial(ctx context.Context, a Access) (*Conn, error) {
	for {
		c, err := dialOnce(ctx, a)
		if err == nil || !a.Wait || !isSilence(ctx, err) {
			return c, err
		}
	}
}

// isSilence reports whether a server has given no answer in time, while somebody waits for
// it: it may have gone when it was asked.
func isSilence(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout))
}

func dialOnce(ctx context.Context, a Access) (*Conn, error) {
	c := &Conn{local: a.local, url: withoutSecrets(a.URL), shown: a.shown(), log: a.Log, timing: usualTiming, closed: make(chan struct{}), asking: map[*context.CancelCauseFunc]struct{}{}}
	if a.timing != nil {
		c.timing = *a.timing
	}
	if c.log == nil {
		c.log = func(string, ...any) {}
	}
	options, err := a.options()
	if err != nil {
		return nil, err
	}
	if err := c.connect(ctx, a, append(options, c.handlers()...)); err != nil {
		return nil, err
	}
	if c.js, err = jetstream.New(c.nc, jetstream.WithDefaultTimeout(apiTimeout)); err == nil {
		err = c.checkJetStream(ctx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// connect makes the first connection.
func (c *Conn) connect(ctx context.Context, a Access, options []nats.Option) error {
	said := false
	for {
		nc, err := connectUntil(ctx, a.dialed(), options)
		if err == nil {
			c.nc = nc
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		unreachable := errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || isLate(err) || isNetwork(err)
		err = c.trouble(err)
		if !a.Wait || !unreachable {
			return err
		}
		if !said {
			c.log("%v; trying again", err)
			said = true
		}
		if err := sleep(ctx, reconnectWait); err != nil {
			return err
		}
	}
}

// dialed is the URL to connect to: a pipe has none of its own, and no TLS.
func (a Access) dialed() string {
	if a.local != nil {
		return cmp.Or(a.local.url, "nats://pipe")
	}
	return a.URL
}

// connectUntil is nats.Connect, which knows no context.
func connectUntil(ctx context.Context, url string, options []nats.Option) (*nats.Conn, error) {
	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(url, options...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		return r.nc, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				r.nc.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// isLate reports whether the server gave up waiting for the client's credentials: one of the
// two, or the line, is slow. nats.go has no error of its own for it.
func isLate(err error) bool { return strings.EqualFold(plain(err), "authentication timeout") }

// isNetwork says whether an error is one of the way to the server.
func isNetwork(err error) bool {
	var e net.Error
	return errors.As(err, &e) || errors.Is(err, io.EOF) // of a tunnel with nothing behind it
}

// ServerError says why there is no connection to a NATS server, and what to do.
type ServerError struct {
	URL   string // without secrets
	Shown string // what was shown to be let in: "token", "nkey", "creds" or "user"; "": nothing
	Err   error
}

// Error implements error.
func (e *ServerError) Error() string {
	return fmt.Sprintf("the NATS server at %s: %s", e.URL, refusalOf(e.Err))
}

// Unwrap is what the connection ended with.
func (e *ServerError) Unwrap() error { return e.Err }

// Refused reports whether the server did not take what was shown to it.
func (e *ServerError) Refused() bool { return isRefusal(e.Err) }

// trouble is a ServerError.
func (c *Conn) trouble(err error) error { return &ServerError{c.url, c.shown, err} }

// shown is what the server is shown to let us in, as in [ServerError].
func (a Access) shown() string {
	u, err := url.Parse(a.URL)
	switch {
	case a.Token != "" || a.TokenFile != "":
		return "token"
	case a.NKeySeed != "":
		return "nkey"
	case a.Creds != "":
		return "creds"
	case err == nil && u.User != nil:
		return "user"
	}
	return ""
}

// isRefusal reports whether an error says that credentials are not taken.
func isRefusal(err error) bool {
	for _, refused := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, refused) {
			return true
		}
	}
	return false
}

// refusalOf says why there is no connection, and what to do.
func refusalOf(err error) string {
	switch {
	case isRefusal(err):
		return "it does not let us in: check the token, the user, or the key (" + plain(err) + ")"
	case isLate(err):
		return "it did not wait for our credentials: it, this machine or the line is overloaded (" + plain(err) + ")"
	case errors.Is(err, nats.ErrSecureConnRequired):
		return "it wants TLS: write tls:// instead of nats://"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "it has no TLS: write nats:// instead of tls://, if the line is safe"
	case errors.Is(err, nats.ErrNoServers):
		return "there is none: is it running, and is the address right?"
	case errors.Is(err, nats.ErrNkeysNotSupported):
		return "it takes no nkeys: give the credentials that it has"
	case errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		return "its certificate is not accepted: " + plain(err)
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(*tls.CertificateVerificationError)): // the latter by a system's own check
		return "its certificate comes from an authority that is not known here: give that one's certificate (--ca)"
	}
	return plain(err)
}

// plain is an error of the client without its "nats: ".
func plain(err error) string { return strings.TrimPrefix(err.Error(), "nats: ") }

// withoutSecrets is a URL for people. Of one that makes no sense nothing is told.
func withoutSecrets(list string) string {
	var urls []string
	for u := range strings.SplitSeq(list, ",") {
		u = strings.TrimSpace(u)
		if !strings.Contains(u, "://") {
			u = "nats://" + u
		}
		parsed, err := url.Parse(u)
		if err != nil {
			return "(an address that makes no sense)"
		}
		urls = append(urls, (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host}).String())
	}
	return strings.Join(urls, ",")
}

// options are for the connection, with the credentials.
func (a Access) options() ([]nats.Option, error) {
	for u := range strings.SplitSeq(a.URL, ",") {
		if !strings.Contains(u, "://") {
			u = "nats://" + strings.TrimSpace(u)
		}
		parsed, err := url.Parse(strings.TrimSpace(u))
		if err != nil || parsed.Host == "" || !slices.Contains([]string{"nats", "tls"}, parsed.Scheme) {
			return nil, fmt.Errorf("the address %s is not one of a NATS server: want nats://HOST:PORT or tls://HOST:PORT", withoutSecrets(u))
		}
	}
	options := []nats.Option{
		nats.Name("bankai"), nats.Timeout(dialTimeout), nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait/2, reconnectWait/2),
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
	}
	if a.local != nil {
		return append(options, a.local.options(a.Token)...), nil
	}
	credentials, err := a.credentials()
	if err != nil {
		return nil, err
	}
	options = append(options, credentials...)
	if a.CA != "" {
		if err := checkCA(a.CA); err != nil {
			return nil, err
		}
		options = append(options, nats.RootCAs(a.CA))
	}
	if a.Cert != "" || a.Key != "" {
		options = append(options, nats.ClientCert(a.Cert, a.Key))
	}
	return options, nil
}

// options are for a connection within the process.
func (l *local) options(token string) []nats.Option {
	var options []nats.Option
	if l.url == "" {
		options = append(options, nats.InProcessServer(l.server))
	}
	if l.key == nil {
		return append(options, nats.Token(token))
	}
	public, _ := l.key.PublicKey() // the key is whole, as it was made by us
	return append(options, nats.Nkey(public, l.key.Sign))
}

// credentials are what opens the server, beside what the URL has.
func (a Access) credentials() (options []nats.Option, err error) {
	given := 0
	for _, s := range []string{a.Token, a.TokenFile, a.NKeySeed, a.Creds} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		return nil, errors.New("more than one of a token, a token file, an nkey and a .creds file is given: the server takes one")
	}
	token := a.Token
	switch {
	case a.TokenFile != "":
		text, err := os.ReadFile(a.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("the token: %w", err)
		}
		if token = strings.TrimSpace(string(text)); token == "" {
			return nil, fmt.Errorf("the token: %s is empty", a.TokenFile)
		}
	case a.NKeySeed != "":
		if _, err := os.Stat(a.NKeySeed); err != nil {
			return nil, fmt.Errorf("the nkey: %w", err)
		}
		option, err := nats.NkeyOptionFromSeed(a.NKeySeed)
		return []nats.Option{option}, unreadable("nkey", a.NKeySeed, err)
	case a.Creds != "":
		if err := checkCreds(a.Creds); err != nil {
			return nil, err
		}
		return []nats.Option{nats.UserCredentials(a.Creds)}, nil
	}
	if token != "" {
		options = append(options, nats.Token(token))
	}
	return options, nil
}

// checkCreds says what is wrong with a .creds file. A server only says that it lets nobody
// in, also where the user's time has passed.
func checkCreds(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the .creds file: %w", err)
	}
	token, err := nkeys.ParseDecoratedJWT(text)
	if err != nil {
		return fmt.Errorf("%s holds no user of NATS: want a .creds file, with its JWT and its seed", file)
	}
	user, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return fmt.Errorf("%s holds no user of NATS: want a .creds file, with its JWT and its seed", file)
	}
	if until := time.Unix(user.Expires, 0); user.Expires > 0 && until.Before(time.Now()) {
		return fmt.Errorf("%s: the user's time ended at %s: ask for a new .creds file", file, until.UTC().Format(time.RFC3339))
	}
	if _, err := nkeys.ParseDecoratedUserNKey(text); err != nil {
		return fmt.Errorf("%s holds no seed of a user beside its JWT: want a .creds file, with both", file)
	}
	return nil
}

// checkCA says what is wrong with a file of authorities.
func checkCA(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the certificates to trust: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificates: want those of authorities, as PEM", file)
	}
	return nil
}

// unreadable says which file of credentials is wrong, without what it holds.
func unreadable(what, file string, err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%s holds no %s: %s", file, what, plain(err))
}

// handlers tell people how the connection is, once each time that changes.
func (c *Conn) handlers() []nats.Option {
	return []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			switch {
			case c.closing.Load() || isRefusal(err): // of which the end is told
			case err == nil || strings.Contains(err.Error(), "EOF"):
				c.log("the connection to %s is lost; trying again", c.url)
			default:
				c.log("the connection to %s is lost (%s); trying again", c.url, plain(err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { c.log("the connection to %s is back", c.url) }),
		nats.ClosedHandler(func(nc *nats.Conn) {
			if err := nc.LastError(); !c.closing.Load() && !c.reported.Load() && err != nil {
				c.log("%v", c.trouble(err))
			}
			close(c.closed)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				c.deny(err)
				return
			}
			if isRefusal(err) { // another try follows, or the end
				return
			}
			if sub != nil {
				err = fmt.Errorf("%w (%s)", err, sub.Subject)
			}
			c.log("the NATS server at %s: %s", c.url, plain(err))
		}),
	}
}

// Err is why there will be no connection any more; nil if there is one, or will be.
func (c *Conn) Err() error {
	select {
	case <-c.closed:
	default:
		return nil
	}
	if err := c.nc.LastError(); err != nil && !c.closing.Load() {
		return c.trouble(err)
	}
	return fmt.Errorf("the connection to %s is closed", c.url)
}

// URL is where the server is, without secrets.
func (c *Conn) URL() string { return c.url }

// Close ends the connection, after what was sent has gone out if there is one.
func (c *Conn) Close() error {
	if c.closing.Swap(true) {
		return nil
	}
	if c.nc.IsConnected() {
		c.nc.FlushTimeout(time.Second) // what does not go out in time is lost, as in a break
	}
	c.nc.Close()
	<-c.closed
	return nil
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

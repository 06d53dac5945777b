package cluster

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// issuer is a key that signs JWTs.
type issuer struct {
	nkeys.KeyPair
	public string
}

func newIssuer(t testing.TB, create func() (nkeys.KeyPair, error)) issuer {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return issuer{pair, public}
}

// signed is a claim as a JWT.
func (i issuer) signed(t testing.TB, claims jwt.Claims) string {
	t.Helper()
	text, err := claims.Encode(i)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestCreds lets in the user of a .creds file, at a server whose operator and accounts are
// JWTs, and tells an account with JetStream from one without.
func TestCreds(t *testing.T) {
	operator, system := newIssuer(t, nkeys.CreateOperator), newIssuer(t, nkeys.CreateAccount)
	resolver := &server.MemAccResolver{}
	account := func(i issuer, jetStream bool) {
		claims := jwt.NewAccountClaims(i.public)
		if jetStream {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		if err := resolver.Store(i.public, operator.signed(t, claims)); err != nil {
			t.Fatal(err)
		}
	}
	account(system, false)
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		TrustedOperators: []*jwt.OperatorClaims{jwt.NewOperatorClaims(operator.public)}, SystemAccount: system.public, AccountResolver: resolver,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	creds := func(jetStream bool, until int64) string {
		owner, user := newIssuer(t, nkeys.CreateAccount), newIssuer(t, nkeys.CreateUser)
		account(owner, jetStream)
		claims := jwt.NewUserClaims(user.public)
		claims.Expires = until
		seed, err := user.Seed()
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.FormatUserConfig(owner.signed(t, claims), seed)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "user.creds")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	o, err := dial(t, Access{URL: s.ClientURL(), Creds: creds(true, 0)}).Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.PutBytes(t.Context(), "text", []byte("text")); err != nil {
		t.Error(err)
	}
	_, err = Dial(t.Context(), Access{URL: s.ClientURL(), Creds: creds(false, 0)})
	wantError(t, err, "JetStream is not enabled for this user")
	_, err = Dial(t.Context(), Access{URL: s.ClientURL(), Creds: creds(true, 1)})
	wantError(t, err, "the user's time ended at 1970-01-01T00:00:01Z")
	_, err = Dial(t.Context(), Access{URL: s.ClientURL()})
	wantError(t, err, "does not let us in")
}

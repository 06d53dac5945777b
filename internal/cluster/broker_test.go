package cluster

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

func TestBrokerListensOnLoopback(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	if !b.Loopback() || !strings.HasPrefix(b.URL(), "nats://127.0.0.1:") {
		t.Errorf("listens on %s", b.URL())
	}
	info, err := os.Stat(b.TokenFile())
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the token's file: %v, %v", info, err)
	}
	text, err := os.ReadFile(b.TokenFile())
	if err != nil || strings.TrimSpace(string(text)) != b.Token() || len(b.Token()) < 20 {
		t.Errorf("the token's file holds %q, %v; the token is %q", text, err, b.Token())
	}
	if other := startBroker(t, BrokerOptions{}); other.Token() == b.Token() {
		t.Error("two brokers have the same token")
	}
}

func TestBrokerLeavesNothing(t *testing.T) {
	b, err := StartBroker(BrokerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), b.Access())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Objects(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.dir); !os.IsNotExist(err) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
	if err := goleakFind(); err != nil {
		t.Error(err)
	}
}

func TestBrokerRefusesToStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	seed := newKey(t).seed
	for _, c := range []struct {
		name  string
		o     BrokerOptions
		parts []string
	}{
		{"port taken", BrokerOptions{Listen: taken.Addr().String()}, []string{taken.Addr().String(), "in use"}},
		{"no port", BrokerOptions{Listen: "127.0.0.1:nats"}, []string{"HOST:PORT"}},
		{"folder is a file", BrokerOptions{Dir: file}, []string{file}},
		{"no certificate", BrokerOptions{Cert: file, Key: file}, []string{"certificate", file}},
		{"both", BrokerOptions{Token: "secret", NKeys: []string{newKey(t).public}}, []string{"token", "nkeys"}},
		{"seed for a public key", BrokerOptions{NKeys: []string{seed}}, []string{"begins with U"}},
	} {
		b, err := StartBroker(c.o)
		if err == nil {
			b.Close()
		}
		wantError(t, err, c.parts...)
		if strings.Contains(err.Error(), seed) {
			t.Errorf("%s: the error tells the seed", c.name)
		}
	}
}

func TestBrokerAgainOnTheSameFolder(t *testing.T) {
	dir := t.TempDir()
	first, err := StartBroker(BrokerOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	a := remote(first)
	a.Log = log.log
	c := dial(t, a)
	objects, err := c.Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, err := objects.PutBytes(t.Context(), "text", []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	listen := strings.TrimPrefix(first.URL(), "nats://")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loss is said", func() bool { return log.count("is lost; trying again") == 1 })
	second := startBroker(t, BrokerOptions{Dir: dir, Listen: listen})
	_, err = StartBroker(BrokerOptions{Dir: dir})
	wantError(t, err, "another broker uses the folder "+dir)
	if second.Token() != first.Token() {
		t.Error("the broker has another token on the same folder")
	}
	eventually(t, "the return is said", func() bool { return log.count("is back") == 1 })
	if got, err := objects.Bytes(t.Context(), d, 100); err != nil || string(got) != "kept" {
		t.Errorf("%q, %v", got, err)
	}
	if log.count("") != 2 {
		t.Errorf("more was said:\n%s", log)
	}
}

func TestWrongCredentials(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(b.URL(), "nats://")
	for _, c := range []struct {
		name  string
		a     Access
		parts []string
	}{
		{"none", Access{URL: b.URL()}, []string{b.URL(), "does not let us in"}},
		{"wrong token", Access{URL: b.URL(), Token: "s3cret"}, []string{b.URL(), "does not let us in"}},
		{"in the URL", Access{URL: "nats://s3cret@" + host}, []string{b.URL(), "does not let us in"}},
		{"user", Access{URL: "nats://me:s3cret@" + host}, []string{b.URL(), "does not let us in"}},
		{"empty file", Access{URL: b.URL(), TokenFile: empty}, []string{empty, "is empty"}},
		{"no file", Access{URL: b.URL(), TokenFile: empty + "2"}, []string{empty + "2"}},
		{"no seed", Access{URL: b.URL(), NKeySeed: empty}, []string{empty, "no nkey"}},
		{"no creds", Access{URL: b.URL(), Creds: empty + "2"}, []string{empty + "2"}},
		{"empty creds", Access{URL: b.URL(), Creds: empty}, []string{empty, "no user of NATS"}},
		{"no certificates", Access{URL: "tls://" + host, Token: b.Token(), CA: empty}, []string{empty, "holds no certificates"}},
		{"two kinds", Access{URL: b.URL(), Token: "s3cret", NKeySeed: empty}, []string{"more than one"}},
		{"no such scheme", Access{URL: "http://me:s3cret@" + host}, []string{"nats://HOST:PORT"}},
		{"TLS where none is", Access{URL: "tls://" + host, Token: b.Token()}, []string{"has no TLS"}},
		{"nonsense", Access{URL: "nats://me:s3cret@[::1"}, []string{"nats://HOST:PORT"}},
	} {
		conn, err := Dial(t.Context(), c.a)
		if err == nil {
			conn.Close()
		}
		wantError(t, err, c.parts...)
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), b.Token())) {
			t.Errorf("%s: the error tells a secret: %v", c.name, err)
		}
	}
}

// TestBrokerBeyondLoopback is told by the addresses that
// others may reach, or with TLS by a name, and lets its own process in with any
// credentials, with TLS or without.
func TestBrokerBeyondLoopback(t *testing.T) {
	cert, key := certificate(t)
	for _, o := range []BrokerOptions{{}, {Cert: cert, Key: key}, {NKeys: []string{newKey(t).public}}, {Cert: cert, Key: key, NKeys: []string{newKey(t).public}}} {
		o.Listen = "0.0.0.0:0"
		b := startBroker(t, o)
		hosts := reachable()
		if len(hosts) == 0 || o.Cert != "" {
			hosts = []string{hostName()}
		}
		for i, u := range b.URLs() {
			if b.Loopback() || !strings.Contains(u, "://"+net.JoinHostPort(hosts[i], "")) {
				t.Errorf("the broker is at %s", u)
			}
		}
		if _, err := dial(t, b.Access()).Objects(t.Context(), t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}

func TestCredentials(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	host := strings.TrimPrefix(b.URL(), "nats://")
	for _, a := range []Access{remote(b), {URL: b.URL(), TokenFile: b.TokenFile()}, {URL: "nats://" + b.Token() + "@" + host}, {URL: host, Token: b.Token()}, b.Access()} {
		c := dial(t, a)
		if c.URL() != b.URL() {
			t.Errorf("the server is at %s, want %s", c.URL(), b.URL())
		}
	}
}

// TestTLSAndNKeys lets in who has a key, over TLS, and nobody else.
func TestTLSAndNKeys(t *testing.T) {
	cert, key := certificate(t)
	user, stranger := newKey(t), newKey(t)
	b := startBroker(t, BrokerOptions{Cert: cert, Key: key, NKeys: []string{user.public}})
	if b.Token() != "" || !strings.HasPrefix(b.URL(), "tls://") {
		t.Errorf("%s, with token %q", b.URL(), b.Token())
	}
	worker, own := dial(t, Access{URL: b.URL(), NKeySeed: user.file, CA: cert}), dial(t, b.Access())
	there, err := own.Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, err := there.PutBytes(t.Context(), "text", []byte("over TLS"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := worker.Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := here.Bytes(t.Context(), d, 100); err != nil || string(got) != "over TLS" {
		t.Errorf("%q, %v", got, err)
	}
	for name, c := range map[string]struct {
		a    Access
		part string
	}{
		"stranger":    {Access{URL: b.URL(), NKeySeed: stranger.file, CA: cert}, "does not let us in"},
		"nobody":      {Access{URL: b.URL(), CA: cert}, "let us in"},
		"unknown CA":  {Access{URL: b.URL(), NKeySeed: user.file}, "certificate"},
		"without TLS": {Access{URL: strings.Replace(b.URL(), "tls:", "nats:", 1), NKeySeed: user.file}, "certificate"},
	} {
		conn, err := Dial(t.Context(), c.a)
		if err == nil {
			conn.Close()
			t.Errorf("%s is let in", name)
			continue
		}
		wantError(t, err, c.part)
	}
}

// TestServerWithoutJetStream is told from one that is not there.
func TestServerWithoutJetStream(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	_, err = Dial(t.Context(), Access{URL: s.ClientURL()})
	wantError(t, err, "JetStream is not enabled", "-js")
	_, err = Dial(t.Context(), Access{URL: "nats://127.0.0.1:1"})
	wantError(t, err, "nats://127.0.0.1:1", "is it running")
}

// TestDialWaits waits for a server that is not there yet, and gives up with its context.
func TestDialWaits(t *testing.T) {
	log := &lines{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, Access{URL: "nats://127.0.0.1:1", Wait: true, Log: log.log})
		done <- err
	}()
	eventually(t, "that it waits is said", func() bool { return log.count("trying again") == 1 })
	cancel()
	if err := <-done; err != context.Canceled {
		t.Error(err)
	}
}

// A server that does not wait for credentials, as one does that hangs meanwhile, is tried
// again, too.
func TestDialIsLate(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "INFO {\"server_id\":\"S\",\"version\":\"2.15.3\",\"proto\":1,\"auth_required\":true,\"max_payload\":1048576}\r\n")
			from := bufio.NewReader(c)
			for line := ""; err == nil && !strings.HasPrefix(line, "PING"); {
				line, err = from.ReadString('\n')
			}
			fmt.Fprintf(c, "-ERR 'Authentication Timeout'\r\n")
			c.Close()
		}
	}()
	address := "nats://" + listener.Addr().String()
	_, err = Dial(t.Context(), Access{URL: address, Token: "token"})
	wantError(t, err, "overloaded")
	log := &lines{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, Access{URL: address, Token: "token", Wait: true, Log: log.log})
		done <- err
	}()
	eventually(t, "that it waits is said", func() bool { return log.count("trying again") == 1 })
	cancel()
	if err := <-done; err != context.Canceled {
		t.Error(err)
	}
}

// TestStoreIsFull says so.
func TestStoreIsFull(t *testing.T) {
	b := startBroker(t, BrokerOptions{MaxStore: 2 << 20})
	objects, err := dial(t, remote(b)).Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = objects.PutBytes(t.Context(), "much", make([]byte, 8<<20))
	wantError(t, err, "its store is full", "free space")
	if _, err := objects.PutBytes(t.Context(), "little", make([]byte, 1<<20)); err != nil {
		t.Errorf("what was stored of the large content was not removed: %v", err)
	}
}

// userKey is an nkey of a user.
type userKey struct{ public, seed, file string }

func newKey(t testing.TB) userKey {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "user.nk")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	return userKey{public, string(seed), file}
}

// certificate is one for this machine's loopback that signs itself.
func certificate(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bankai test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestDiskIsFull is told by the server to its log alone, over and over: people are told
// once, and whoever waits for an answer is told why there is none.
func TestDiskIsFull(t *testing.T) {
	said := &lines{}
	b := startBroker(t, BrokerOptions{Warn: said.log})
	c := dial(t, b.Access())
	if c.diskFull() {
		t.Error("the disk is full from the beginning")
	}
	for range 3 {
		b.local.log.Errorf("failed to store a message: write %s: no space left on device", "1.blk")
	}
	if said.count("no space left") != 1 || said.count("") != 1 {
		t.Errorf("said is:\n%s", said)
	}
	wantError(t, c.explain(t.Context(), "storing a content", "", context.DeadlineExceeded), "storing a content", "its disk is full", "start the server anew")
	if dial(t, remote(b)).diskFull() {
		t.Error("another process knows the server's log")
	}
}

// TestBrokerThatCannotListen says why once: in its error.
func TestBrokerThatCannotListen(t *testing.T) {
	log := &lines{}
	taken := startBroker(t, BrokerOptions{}).server.Addr().String()
	_, err := StartBroker(BrokerOptions{Listen: taken, Warn: log.log})
	wantError(t, err, "does not start on "+taken)
	if strings.Count(err.Error(), "listen") != 1 || log.String() != "" {
		t.Errorf("error %q, and it warned:\n%s", err, log)
	}
}

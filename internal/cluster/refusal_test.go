package cluster

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// TestTokenOfAnotherRun ends a worker with one error; its log says no more than that the
// first run has gone.
func TestTokenOfAnotherRun(t *testing.T) {
	first, err := StartBroker(BrokerOptions{Token: "that of the first"})
	if err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	access := remote(first)
	access.Log = log.log
	w := Worker{Conn: dial(t, access), Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t)), Log: log.log}
	done := make(chan error, 1)
	go func() { done <- w.Run(t.Context()) }()
	eventually(t, "it waits", func() bool { return log.count("waits for work") == 1 })
	listen := strings.TrimPrefix(first.URL(), "nats://")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	startBroker(t, BrokerOptions{Token: "that of the second", Listen: listen})
	var e *ServerError
	if err := <-done; !errors.As(err, &e) || !e.Refused() || e.Shown != "token" {
		t.Errorf("%v", err)
	}
	if log.count("") != 2 || log.count("is lost") != 1 {
		t.Errorf("more was said:\n%s", log)
	}
}

// TestWhatWasShown is known of a server's refusal. Where its certificate is not trusted, the
// error says what to give.
func TestWhatWasShown(t *testing.T) {
	cert, key := certificate(t)
	plain, safe := startBroker(t, BrokerOptions{}), startBroker(t, BrokerOptions{Cert: cert, Key: key})
	for _, c := range []struct {
		a                  Access
		shown              string
		refused, untrusted bool
	}{
		{Access{URL: plain.URL()}, "", true, false},
		{Access{URL: plain.URL(), Token: "another"}, "token", true, false},
		{Access{URL: strings.Replace(plain.URL(), "//", "//me:secret@", 1)}, "user", true, false},
		{Access{URL: safe.URL(), Token: safe.Token()}, "token", false, true},
		{Access{URL: safe.URL(), Token: "another", CA: cert}, "token", true, false},
		{Access{URL: "nats://127.0.0.1:1"}, "", false, false},
	} {
		_, err := Dial(t.Context(), c.a)
		var e *ServerError
		if !errors.As(err, &e) || e.Shown != c.shown || e.Refused() != c.refused || strings.Contains(e.Error(), "(--ca)") != c.untrusted {
			t.Errorf("%s: %v", c.a.URL, err)
		}
	}
}

// TestStrangersAreToldOnce by their address, whatever else the server says of them.
func TestStrangersAreToldOnce(t *testing.T) {
	log := &lines{}
	b := startBroker(t, BrokerOptions{Warn: log.log})
	for range 3 {
		if c, err := Dial(t.Context(), Access{URL: b.URL(), Token: "another"}); err == nil {
			c.Close()
			t.Fatal("it was let in")
		}
	}
	const said = "somebody at 127.0.0.1 has a wrong token: refused"
	eventually(t, "it is said", func() bool { return log.count(said) == 1 })
	l := &serverLog{warn: log.log, secret: "key"}
	l.Errorf(`[::1]:5000 - cid:7 - "v1.52.0:go:bankai" - authentication error - Nkey "UA"`)
	for _, port := range []int{5001, 5002} {
		l.Errorf("10.0.0.1:%d - cid:%d - TLS handshake error: EOF", port, port)
	}
	if log.count("somebody at ::1 has a wrong key: refused") != 1 || log.count("NATS server: 10.0.0.1: TLS handshake error: EOF") != 1 || log.count("") != 3 {
		t.Errorf("said was:\n%s", log)
	}
}

// TestAddressesForOthers are no loopback.
func TestAddressesForOthers(t *testing.T) {
	for _, host := range reachable() {
		if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() {
			t.Errorf("%s is no address to give to others", host)
		}
	}
}

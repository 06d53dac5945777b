package main

import (
	"strings"
	"testing"
)

func TestWorkersPlace(t *testing.T) {
	for _, c := range []struct{ at, url, listen, wrong string }{
		{at: "embedded", listen: "127.0.0.1:4222"},
		{at: "embedded:5000", listen: "127.0.0.1:5000"},
		{at: "embedded:0", listen: "127.0.0.1:0"},
		{at: "embedded:0.0.0.0:4222", listen: "0.0.0.0:4222"},
		{at: "embedded:[::1]:4222", listen: "[::1]:4222"},
		{at: "embedded:lab:4222", listen: "lab:4222"},
		{at: "nats://lab:4222", url: "nats://lab:4222"},
		{at: "tls://me:secret@lab", url: "tls://me:secret@lab"},
		{at: "embedded:0.0.0.0", wrong: "did you mean embedded:0.0.0.0:4222?"},
		{at: "embedded:lab", wrong: "did you mean embedded:lab:4222?"},
		{at: "embedded:::1", wrong: "did you mean embedded:[::1]:4222?"},
		{at: "embeded:5000", wrong: "did you mean embedded:5000?"},
		{at: "Embedded", wrong: "did you mean embedded?"},
		{at: "embedded:", wrong: `"" is no port`},
		{at: "embedded:99999", wrong: `"99999" is no port`},
		{at: "embedded::4222", wrong: "embedded:HOST:PORT"},
		{at: "embedded:1:2:3", wrong: "embedded:HOST:PORT"},
		{at: "lab:4222", wrong: "want an address such as nats://host:4222"},
		{at: "http://lab:4222", wrong: "want an address such as nats://host:4222"},
		{at: "wss://lab:443", wrong: "want an address such as nats://host:4222"},
		{at: "nats://", wrong: "want an address such as nats://host:4222"},
		{at: "nats://secret@lab:4222", wrong: "give it with --token-file or BANKAI_WORKER_TOKEN"},
		{at: "nats://me:secret@lab:\n", wrong: "want an address such as nats://host:4222"},
		{at: "http://me:secret@lab", wrong: "want an address such as nats://host:4222"},
		{at: "tls://lab/", url: "tls://lab/"},
		{at: "ws://lab:4222", wrong: "want an address such as nats://host:4222"},
		{at: "wss://secret@lab:4222", wrong: "want an address such as nats://host:4222"},
		{at: "nats://lab:0", wrong: "want an address such as nats://host:4222"},
		{at: "nats://lab:99999", wrong: "want an address such as nats://host:4222"},
		{at: "nats:secret", wrong: "want an address such as nats://host:4222"},
		{at: "nats://lab:4222,nats://secret@lab:4223", wrong: "one server"},
		{at: "nats://lab:4222,secret@other:4222", wrong: "one server"},
		{at: "nats://lab:4222/secret", wrong: "nothing may follow the port"},
		{at: "nats://lab:4222?token=secret", wrong: "nothing may follow the port"},
		{at: "nats://lab:4222#secret", wrong: "nothing may follow the port"},
		{at: "nats://secret:@lab:4222", wrong: "give it with --token-file or BANKAI_WORKER_TOKEN"},
		{at: "nats://:secret@lab:4222", wrong: "give it with --token-file or BANKAI_WORKER_TOKEN"},
	} {
		f := workersFlags{at: c.at}
		p, err := f.where()
		if c.wrong == "" {
			if err != nil || p.url != c.url || p.listen != c.listen {
				t.Errorf("%q: %+v, %v", c.at, p, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%q: %v, want an error with %q", c.at, err, c.wrong)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the secret: %v", c.at, err)
		}
	}
}

// A token comes from a file or from the environment, unless something else says who we are.
func TestWorkersToken(t *testing.T) {
	t.Setenv(workerTokenVariable, " from-environment ")
	for _, c := range []struct {
		f    accessFlags
		want string
	}{
		{accessFlags{}, "from-environment"},
		{accessFlags{nkey: "seed.nk"}, ""},
		{accessFlags{creds: "worker.creds"}, ""},
	} {
		if got, err := c.f.token(); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c.f, got, err)
		}
	}
}

// A token that can be guessed opens no broker that other machines reach.
func TestShortTokens(t *testing.T) {
	for _, c := range []struct {
		at, token string
		ok        bool
	}{
		{"embedded:0.0.0.0:4222", "abc", false},
		{"embedded:[::]:4222", "abc", false},
		{"embedded:lab:4222", "0123456789abcde", false},
		{"embedded:0.0.0.0:4222", "0123456789abcdef", true},
		{"embedded:0.0.0.0:4222", "", true},
		{"embedded", "abc", true},
		{"embedded:localhost:4222", "abc", true},
		{"embedded:[::1]:4222", "abc", true},
		{"nats://lab:4222", "abc", true},
	} {
		t.Setenv(workerTokenVariable, c.token)
		err := (&workersFlags{at: c.at}).check()
		if (err == nil) != c.ok {
			t.Errorf("%s with the token %q: %v", c.at, c.token, err)
		}
		if err != nil && (strings.Contains(err.Error(), c.token) || !strings.Contains(err.Error(), "openssl rand -hex 16")) {
			t.Errorf("%s: it tells %q", c.at, err)
		}
	}
}

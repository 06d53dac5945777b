package oci

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// dockerConfig makes a configuration of Docker's that the test runs with.
func dockerConfig(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}

func login(host, user, password string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// Credentials come from Docker's configuration: for a registry that asks itself, and for
// one that sends to a server of tokens.
func TestCredentials(t *testing.T) {
	a := Artifact{Patch: aPatch(t, 1), Signatures: [][]byte{aSignature("a")}}
	ctx := context.Background()
	for _, scheme := range []string{"Basic", "Bearer"} {
		t.Run(scheme, func(t *testing.T) {
			good := serveRegistry(t, true)
			host := serveHandler(t, asks(scheme, good))
			place := host + "/team/fix:v1"
			_, err := Push(ctx, ref(t, place), a, quick)
			checkRefusal(t, err, place, "run \"docker login "+host+"\"")
			dockerConfig(t, login(host, "ada", "wrong"))
			_, err = Push(ctx, ref(t, place), a, quick)
			checkRefusal(t, err, place, "does not accept the credentials")
			dockerConfig(t, login("other.example", "ada", "geheim"))
			_, err = Push(ctx, ref(t, place), a, quick)
			checkRefusal(t, err, place, "run \"docker login "+host+"\"")
			dockerConfig(t, login(host, "ada", "geheim"))
			if _, err := Push(ctx, ref(t, place), a, quick); err != nil {
				t.Fatal(err)
			}
			if got, _, err := Pull(ctx, ref(t, place), quick); err != nil || !equal(got, a) {
				t.Errorf("%v", err)
			}
		})
	}
}

// asks lets only ada through to a registry.
func asks(scheme, registry string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, q *http.Request) {
		if user, password, _ := q.BasicAuth(); user != "ada" || password != "geheim" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"token": "T"}`)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		user, password, basic := q.BasicAuth()
		switch {
		case scheme == "Basic" && basic && user == "ada" && password == "geheim", scheme == "Bearer" && q.Header.Get("Authorization") == "Bearer T":
			forward(w, q, registry)
		case scheme == "Basic":
			w.Header().Set("Www-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.Header().Set("Www-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="r"`, q.Host))
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	return mux
}

// A token is asked of the registry itself, or by TLS of another machine, as Docker Hub and
// others have it. Nobody else is asked, with credentials or without.
func TestWhoIsAskedForTokens(t *testing.T) {
	for _, c := range []struct {
		registry, realm string
		asked           bool
	}{
		{"https://registry-1.docker.io", "https://auth.docker.io/token", true},
		{"https://ghcr.io", "https://ghcr.io/token", true},
		{"https://ghcr.io", "https://ghcr.io:443/token", true},
		{"https://ghcr.io", "http://ghcr.io/token", false},
		{"https://ghcr.io", "http://ghcr.io:443/token", false},
		{"https://ghcr.io", "http://auth.example/token", false},
		{"https://ghcr.io", "https://127.0.0.1/token", false},
		{"https://ghcr.io", "https://localhost:5000/token", false},
		{"http://127.0.0.1:5000", "http://127.0.0.1:5000/token", true},
		{"http://127.0.0.1:5000", "http://127.0.0.1:5001/token", false},
		{"http://127.0.0.1:5000", "http://localhost:5000/token", false},
		{"http://127.0.0.1:5000", "https://127.0.0.1:5001/token", false},
		{"http://127.0.0.1:5000", "https://auth.example/token", true},
		{"http://127.0.0.1:5000", "http://auth.example/token", false},
		{"http://lan.example", "http://lan.example:80/token", true}, // with --plain-http
		{"http://lan.example", "http://lan.example:81/token", false},
		{"http://lan.example", "http://auth.example/token", false},
	} {
		at, err := url.Parse(c.registry)
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			q, err := http.NewRequest(method, c.realm, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = guarded{nil, at}.check(q)
			if c.asked != (err == nil) || err != nil && !strings.Contains(err.Error(), at.Host+" sends to "+q.URL.Scheme+"://"+q.URL.Host+" for a token, which is refused") {
				t.Errorf("%s of %s from %s: %v", method, c.realm, c.registry, err)
			}
		}
	}
}

// What a registry redirects to is asked without TLS on this machine alone.
func TestWhereRedirectsLead(t *testing.T) {
	for to, want := range map[string]bool{
		"http://127.0.0.1:9/x": true, "https://storage.example/x": true,
		"http://storage.example/x": false, "http://lan.example:81/x": false,
	} {
		q, err := http.NewRequest(http.MethodGet, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Response = &http.Response{} // that led there
		err = guarded{nil, &url.URL{Scheme: "http", Host: "lan.example"}}.check(q)
		if want != (err == nil) || err != nil && !strings.Contains(err.Error(), "lan.example leads to "+q.URL.Host) {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// Docker's password and its token of identity stay from whoever the registry names.
func TestTokensOfOthers(t *testing.T) {
	thief := serveHandler(t, http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { t.Errorf("%s %s was sent", q.Method, q.URL) }))
	host := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		answers(401, "", "Www-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="r"`, thief))(w, q)
	}))
	plain := quick
	plain.PlainHTTP = true
	for _, config := range []string{`{}`, login(host, "ada", "geheim"), fmt.Sprintf(`{"auths": {%q: {"identitytoken": "geheim", "auth": "PHRva2VuPjo="}}}`, host)} {
		dockerConfig(t, config)
		for _, o := range []Options{quick, plain} {
			_, _, err := Pull(context.Background(), ref(t, host+"/fix:v1"), o)
			checkRefusal(t, err, host+"/fix:v1", host+" sends to http://"+thief+" for a token, which is refused")
		}
	}
}

// A registry with TLS whose tokens come from another machine with TLS, as Docker Hub's.
func TestTokensByTLS(t *testing.T) {
	good := serveRegistry(t, true)
	const name, tokens = "registry.example.com", "auth.example.com"
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch user, password, _ := q.BasicAuth(); {
		case q.Host == tokens && user == "ada" && password == "geheim":
			fmt.Fprint(w, `{"token": "T"}`)
		case q.Host == name && q.Header.Get("Authorization") == "Bearer T":
			forward(w, q, good)
		default:
			answers(401, "", "Www-Authenticate", `Bearer realm="https://`+tokens+`/token",service="r"`)(w, q)
		}
	}))
	t.Cleanup(s.Close)
	usual := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = usual })
	leads := s.Client().Transport.(*http.Transport).Clone()
	leads.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.Contains(address, "example.com") {
			address = s.Listener.Addr().String()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	http.DefaultTransport = leads
	dockerConfig(t, login(name, "ada", "geheim"))
	a := Artifact{Patch: aPatch(t, 1)}
	if _, err := Push(context.Background(), ref(t, good+"/fix:v1"), a, quick); err != nil {
		t.Fatal(err)
	}
	if got, err := pull(t, name+"/fix:v1"); err != nil || !equal(got, a) {
		t.Error(err)
	}
}

// forward hands a request on to a registry, which is asked under its own name.
func forward(w http.ResponseWriter, q *http.Request, registry string) {
	httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry}).ServeHTTP(w, q)
}

// Credentials stay with the registry that they are for: a blob that lies elsewhere is
// fetched without.
func TestCredentialsStayHome(t *testing.T) {
	a := Artifact{Patch: aPatch(t, 1)}
	elsewhere := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "" {
			t.Error("credentials went elsewhere")
		}
		w.Write(a.Patch)
	}))
	good := serveRegistry(t, true)
	host := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, _, ok := q.BasicAuth(); !ok {
			w.Header().Set("Www-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if q.Method == http.MethodGet && strings.HasSuffix(q.URL.Path, string(describe("", a.Patch).Digest)) {
			http.Redirect(w, q, "http://"+elsewhere+"/blob", http.StatusTemporaryRedirect)
			return
		}
		forward(w, q, good)
	}))
	dockerConfig(t, login(host, "ada", "geheim"))
	if _, err := Push(context.Background(), ref(t, host+"/fix:v1"), a, quick); err != nil {
		t.Fatal(err)
	}
	if got, _, err := Pull(context.Background(), ref(t, host+"/fix:v1"), quick); err != nil || !equal(got, a) {
		t.Errorf("%v", err)
	}
}

// What a credential helper says is a secret, also when it fails.
func TestCredentialHelper(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a script for sh")
	}
	host := serveHandler(t, asks("Basic", serveRegistry(t, true)))
	place := host + "/fix:v1"
	dockerConfig(t, fmt.Sprintf(`{"credHelpers": {%q: "test"}}`, host))
	bin := t.TempDir()
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	helper := func(script string) {
		if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	a := Artifact{Patch: aPatch(t, 1)}
	helper(`echo geheim; exit 1`)
	_, err := Push(context.Background(), ref(t, place), a, quick)
	checkRefusal(t, err, place, "the credentials of Docker's configuration for this registry cannot be had: its helper fails, or they are damaged: run \"docker login")
	if strings.Contains(err.Error(), "geheim") {
		t.Errorf("it tells what the helper said: %v", err)
	}
	helper(`echo '{"ServerURL": "x", "Username": "ada", "Secret": "geheim"}'`)
	if _, err := Push(context.Background(), ref(t, place), a, quick); err != nil {
		t.Error(err)
	}
	helper(`echo "credentials not found in native keychain"; exit 1`)
	_, err = pull(t, place)
	checkRefusal(t, err, place, "wants to know who asks")
}

// pull pulls by a reference as text.
func pull(t *testing.T, place string) (Artifact, error) {
	a, _, err := Pull(context.Background(), ref(t, place), quick)
	return a, err
}

// A configuration that cannot be read is said, not passed over.
func TestBrokenDockerConfig(t *testing.T) {
	dockerConfig(t, `{"auths": `)
	place := "127.0.0.1:1/fix:v1"
	_, err := pull(t, place)
	checkRefusal(t, err, place, "credentials: the configuration of Docker cannot be read")
}

// Debian's registry with a file of passwords.
func TestDockerRegistryWithPasswords(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "htpasswd")
	const ada = "ada:$2y$04$ITWdPgG1z3WRguDaAWg0eesO8GmEqHjwTk36lu7xxfKVpVFQbSlnu\n"
	if err := os.WriteFile(passwords, []byte(ada), 0o600); err != nil {
		t.Fatal(err)
	}
	host := dockerRegistry(t, "auth:\n  htpasswd: {realm: r, path: "+passwords+"}\n")
	if host == "" {
		t.Skip("there is no docker-registry")
	}
	place := host + "/team/fix"
	_, err := Push(context.Background(), ref(t, place+":v1"), whole(t), quick)
	checkRefusal(t, err, place+":v1", "wants to know who asks: run \"docker login "+host+"\"")
	dockerConfig(t, login(host, "ada", "geheim"))
	pushAndPull(t, place)
}

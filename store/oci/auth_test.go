package oci

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
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

package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bankai/internal/hubtest"
)

// weights is the content of a model's file in these tests: long enough to be cut.
var weights = strings.Repeat("weights of one bit ", 40_000)

// The token goes to the hub, and never to where the hub leads.
func TestTokenStaysWithTheHub(t *testing.T) {
	h := newHub(t, nil)
	h.Put(repo, hubtest.Repo{Commit: commit, Files: map[string]string{"a.gguf": weights}, Token: "hf_secret"})
	c, _ := newClient(t, h)
	if _, _, err := pull(t, c, "hf:"+repo); err == nil || !strings.Contains(err.Error(), "set HF_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
	c.Token = "hf_wrong"
	if _, _, err := pull(t, c, "hf:"+repo); err == nil || strings.Contains(err.Error(), "hf_wrong") {
		t.Errorf("with a wrong token: %v", err)
	}
	h.Seen()
	c.Token = "hf_secret"
	if _, _, err := pull(t, c, "hf:"+repo); err != nil {
		t.Fatal(err)
	}
	for _, line := range h.Seen() {
		if strings.HasSuffix(line, "Bearer hf_secret") != strings.HasPrefix(line, "hub ") {
			t.Error(line)
		}
	}
}

// large says that a request is for the content of the model's file.
func large(r *http.Request, storage bool) bool { return storage && r.Method == http.MethodGet }

// Whatever a server does that is not what a hub does is an error that says what to do,
// or is got over; and no blob gets a name that its content does not have.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		what   string
		before func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool // n: requests before
		want   string                                                                 // in the error; "" for none
		note   string                                                                 // in what the user is told meanwhile
	}{
		{"a cut connection", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return large(r, storage) && r.Header.Get("Range") == "" && cut(w, weights, 1000)
		}, "", "the connection was cut after 1.00 KB of 760 KB: trying again in 1s"},
		{"always cut", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return large(r, storage) && cut(w, weights, 0)
		}, "5 attempts: try later", ""},
		{"too many requests", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return n == 0 && status(w, http.StatusTooManyRequests, "Retry-After", "7")
		}, "", "the hub wants fewer requests (429): trying again in 7s"},
		{"far too many requests", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return status(w, http.StatusTooManyRequests, "Retry-After", "3600")
		}, "(429): try again in 1h0m0s", ""},
		{"a fault of the server", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return n < 2 && status(w, http.StatusBadGateway)
		}, "", "the server has a fault (502): trying again in 2s"},
		{"a signature that ended", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return large(r, storage) && n < 4 && status(w, http.StatusForbidden)
		}, "", "answers with status 403: trying again"},
		{"too long", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return large(r, storage) && sendAll(w, weights+"x")
		}, "has 760001 bytes of it, and the hub says 760000", ""},
		{"too short", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return large(r, storage) && sendAll(w, weights[1:])
		}, "has 759999 bytes of it, and the hub says 760000", ""},
		{"another content", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return large(r, storage) && sendAll(w, strings.ToUpper(weights))
		}, "what came is not the file", ""},
		{"a page in place of the file", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return large(r, storage) && sendAll(w, "<html>Sign in</html>")
		}, "has 20 bytes of it", ""},
		{"no end", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return large(r, storage) && endless(w)
		}, "sends more than the 760000 bytes", ""},
		{"a page in place of the list", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return sendAll(w, "<html>Sign in</html>")
		}, "is not a hub's (no JSON of the right form): check HF_ENDPOINT", ""},
		{"a page in place of a file's head", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return r.Method == http.MethodHead && sendAll(w, "<html>Sign in</html>")
		}, "is not a hub's (no commit, or no digest of the file)", ""},
		{"a digest that is a path", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return r.Method == http.MethodHead && sendAll(w, "", headerCommit, commit, "ETag", `"../../x"`)
		}, "no digest of the file", ""},
		{"a circle", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, "sends requests on and on", ""},
		{"nowhere", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return status(w, http.StatusFound, "Location", "file:///etc/passwd")
		}, "leads to no address", ""},
		{"a renamed repository", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			if n == 0 {
				http.Redirect(w, r, r.URL.RequestURI(), http.StatusTemporaryRedirect)
			}
			return n == 0
		}, "", ""},
		{"a moved branch", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return r.Method == http.MethodHead && sendAll(w, "", headerCommit, other, headerLinked, hubtest.ETag("a.gguf", weights), headerLinkedLen, "760000")
		}, "changed on the hub while it was looked at", ""},
		{"a commit that changes with the content", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/resolve/") && sendAll(w, weights, headerCommit, other)
		}, "changed on the hub while it was downloaded", ""},
		{"another part than was asked for", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			switch {
			case !large(r, storage) || n > 5:
				return false
			case r.Header.Get("Range") == "":
				return cut(w, weights, 1000)
			}
			w.Header().Set("Content-Range", "bytes 0-759999/760000")
			w.WriteHeader(http.StatusPartialContent)
			return true
		}, "", "sends another part than was asked for"},
		{"no more than came", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			switch {
			case !large(r, storage) || n > 5:
				return false
			case r.Header.Get("Range") == "":
				return cut(w, weights, 1000)
			}
			return status(w, http.StatusRequestedRangeNotSatisfiable)
		}, "", "has no more of it than came"},
		{"closed by the hub", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return status(w, http.StatusForbidden, headerMessage, "Access to this resource is disabled.")
		}, "the hub has closed the repository", ""},
		{"forbidden", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return status(w, http.StatusForbidden)
		}, "check what the token may do", ""},
		{"a teapot", func(n int, w http.ResponseWriter, r *http.Request, storage bool) bool {
			return status(w, http.StatusTeapot)
		}, "answers with status 418", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHub(t, map[string]string{"a.gguf": weights})
			client, told := newClient(t, h)
			n := -1
			h.Before(func(w http.ResponseWriter, r *http.Request, storage bool) bool {
				n++
				return c.before(n, w, r, storage)
			})
			_, got, err := pull(t, client, "hf:"+repo)
			switch {
			case c.want == "" && (err != nil || got != weights):
				t.Errorf("%d bytes, %v", len(got), err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
			if c.note != "" && !strings.Contains(strings.Join(told.notes, "\n"), c.note) {
				t.Errorf("told %q, want %q", told.notes, c.note)
			}
			checkBlobs(t, client.Folder)
			h.Before(nil)
			if _, got, err := pull(t, client, "hf:"+repo); err != nil || got != weights {
				t.Errorf("the next pull: %d bytes, %v", len(got), err)
			}
		})
	}
}

// cut promises a content, sends some of it, and ends the connection.
func cut(w http.ResponseWriter, content string, after int) bool {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.Write([]byte(content[:after]))
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func sendAll(w http.ResponseWriter, content string, headers ...string) bool {
	for i := 0; i < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.Write([]byte(content))
	return true
}

func status(w http.ResponseWriter, code int, headers ...string) bool {
	for i := 0; i < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.WriteHeader(code)
	return true
}

// endless sends until nobody listens.
func endless(w http.ResponseWriter) bool {
	for {
		if _, err := w.Write([]byte(weights)); err != nil {
			return true
		}
	}
}

// What the hub does not have or does not give is told apart, with what to do.
func TestNotThere(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": "GGUF"})
	h.Put("owner/gated", hubtest.Repo{Commit: commit, Files: map[string]string{"a.gguf": "GGUF"}, Gated: true})
	for ref, want := range map[string]string{
		"hf:owner/none":          "there is no such repository, or it is not open to everybody: check the name, or set HF_TOKEN",
		"hf:owner/none/a.gguf":   "there is no such repository, or it is not open to everybody",
		"hf:" + repo + "@v9":     "the repository has no revision v9: see http",
		"hf:" + repo + "/b.gguf": "the repository has no file b.gguf at revision main: see http",
		"hf:owner/gated":         "its owner wants its terms accepted first: do that at " + h.URL + "/owner/gated, and set HF_TOKEN",
	} {
		c, _ := newClient(t, h)
		if _, _, err := pull(t, c, ref); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), ref) {
			t.Errorf("%s: %v, want %q", ref, err, want)
		}
	}
	c, _ := newClient(t, h)
	c.Token = "hf_any"
	if _, _, err := pull(t, c, "hf:owner/none"); err == nil || !strings.Contains(err.Error(), "there is no such repository at "+h.URL) {
		t.Errorf("with a token: %v", err)
	}
}

// A server that is not there is said to be so at once, without a second attempt.
func TestUnreachable(t *testing.T) {
	h := hubtest.New()
	c, told := newClient(t, h)
	h.Close()
	if _, _, err := pull(t, c, "hf:"+repo); err == nil || !strings.Contains(err.Error(), "cannot be reached") || len(told.notes) > 0 {
		t.Errorf("%v, after %q", err, told.notes)
	}
}

// A server whose certificate nobody vouches for is not asked again, and told nothing.
func TestUnknownCertificate(t *testing.T) {
	asked := false
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	q := &quiet{}
	c := &Client{Endpoint: server.URL, Folder: t.TempDir(), Token: "hf_secret", Watcher: q}
	if err := c.prepare(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := pull(t, c, "hf:"+repo); err == nil || !strings.Contains(err.Error(), "is not who it says") || asked || len(q.notes) > 0 {
		t.Errorf("%v, after %q", err, q.notes)
	}
}

// A server that goes silent is asked again.
func TestStalled(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights})
	c, told := newClient(t, h)
	c.idle = 300 * time.Millisecond
	h.Stall(1000)
	_, got, err := pull(t, c, "hf:"+repo)
	if err != nil || got != weights || !strings.Contains(strings.Join(told.notes, "\n"), "hf:"+repo+": the server sends nothing any more") {
		t.Errorf("%d bytes, %v, told %q", len(got), err, told.notes)
	}
}

// A server that sends a byte now and then is given up after a few attempts.
func TestTrickle(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights})
	h.Before(func(w http.ResponseWriter, r *http.Request, storage bool) bool {
		if !large(r, storage) {
			return false
		}
		at := 0
		if fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &at); at > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(weights)-1, len(weights)))
			w.WriteHeader(http.StatusPartialContent)
		}
		for tick := time.NewTicker(5 * time.Millisecond); r.Context().Err() == nil; <-tick.C {
			w.Write([]byte(weights[at : at+1]))
			http.NewResponseController(w).Flush()
			at++
		}
		return true
	})
	c, _ := newClient(t, h)
	c.idle = 200 * time.Millisecond
	if _, _, err := pull(t, c, "hf:"+repo); err == nil || !strings.Contains(err.Error(), "the server sends nothing any more, or next to nothing; 5 attempts: try later") {
		t.Error(err)
	}
}

// What came before goes on from where it was; what is not of the file is brought again.
func TestResume(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights})
	for _, c := range []struct {
		what, part string
		ranges     []string // of the requests for the content
	}{
		{"nothing", "", []string{""}},
		{"a part", weights[:1000], []string{"bytes=1000-"}},
		{"all", weights, nil},
		{"a part of another file", strings.Repeat("x", 1000), []string{"bytes=1000-", ""}},
		{"all of another file", strings.Repeat("x", len(weights)), []string{""}},
		{"more than all", weights + "x", []string{""}},
	} {
		client, _ := newClient(t, h)
		blobs := filepath.Join(client.Folder, folderName(repo), "blobs")
		name := filepath.Join(blobs, hubtest.ETag("a.gguf", weights)+".incomplete")
		if err := errors.Join(os.MkdirAll(blobs, 0o777), os.WriteFile(name, []byte(c.part), 0o666)); err != nil {
			t.Fatal(err)
		}
		h.Seen()
		if _, got, err := pull(t, client, "hf:"+repo); err != nil || got != weights {
			t.Errorf("%s: %d bytes, %v", c.what, len(got), err)
		}
		var ranges []string
		for _, line := range h.Seen() {
			if rest, ok := strings.CutPrefix(line, "storage GET /"+hubtest.ETag("a.gguf", weights)); ok {
				ranges = append(ranges, strings.TrimSpace(rest))
			}
		}
		if !reflect.DeepEqual(ranges, c.ranges) {
			t.Errorf("%s: asked for %q, want %q", c.what, ranges, c.ranges)
		}
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the part is still there: %v", c.what, err)
		}
	}
}

// Connections that are cut at random places cost nothing that came.
func TestCutsAtRandomPlaces(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights})
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		c, _ := newClient(t, h)
		sent := 0
		h.Before(func(w http.ResponseWriter, req *http.Request, storage bool) bool {
			if !large(req, storage) || r.IntN(4) == 0 {
				return false
			}
			at := 0
			fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &at)
			n := 1 + r.IntN(len(weights)-at)
			sent += n
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(weights)-1, len(weights)))
			w.Header().Set("Content-Length", strconv.Itoa(len(weights)-at))
			if at > 0 {
				w.WriteHeader(http.StatusPartialContent)
			}
			w.Write([]byte(weights[at : at+n]))
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		if _, got, err := pull(t, c, "hf:"+repo); err != nil || got != weights {
			t.Errorf("seed %d: %d bytes, %v", seed, len(got), err)
		}
		if sent > len(weights) {
			t.Errorf("seed %d: %d bytes were sent before cuts, of %d", seed, sent, len(weights))
		}
	}
}

// Of several that want one file at once, one brings it.
func TestSeveralAtOnce(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights})
	folder := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		c, _ := newClient(t, h)
		c.Folder = folder
		all.Go(func() {
			if _, got, err := pull(t, c, "hf:"+repo); err != nil || got != weights {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	all.Wait()
	brought := 0
	for _, line := range h.Seen() {
		if strings.HasPrefix(line, "storage GET") {
			brought++
		}
	}
	if brought != 1 {
		t.Errorf("brought %d times", brought)
	}
	for _, line := range tree(t, filepath.Join(folder, folderName(repo))) {
		if strings.HasPrefix(line, ".bankai") {
			t.Errorf("left behind: %.40s", line)
		}
	}
}

// What came before the user ended a pull is there for the next one.
func TestInterrupted(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights})
	c, _ := newClient(t, h)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	h.Stall(1000)
	go func() {
		waitUntilWritten(t, c, 1000)
		cancel(errors.New("a signal"))
	}()
	if _, err := c.Pull(ctx, parsed(t, "hf:"+repo)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	h.Seen()
	if _, got, err := pull(t, c, "hf:"+repo); err != nil || got != weights {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if seen := strings.Join(h.Seen(), "\n"); !strings.Contains(seen, "bytes=1000-") {
		t.Errorf("asked for %s", seen)
	}
}

package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// badRegistry is a registry in which fix:v1 was pushed, and that then misbehaves: an
// answer is bad's if that returns true.
func badRegistry(t *testing.T, a Artifact, bad func(w http.ResponseWriter, q *http.Request) bool) string {
	t.Helper()
	good := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	var misbehaves atomic.Bool
	host := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !misbehaves.Load() || !bad(w, q) {
			good.ServeHTTP(w, q)
		}
	}))
	place := host + "/team/fix:v1"
	if _, err := Push(context.Background(), ref(t, place), a, quick); err != nil {
		t.Fatal(err)
	}
	misbehaves.Store(true)
	return place
}

func isBlob(q *http.Request) bool       { return strings.Contains(q.URL.Path, "/blobs/") }
func isManifestOf(q *http.Request) bool { return strings.Contains(q.URL.Path, "/manifests/") }

// checkRefusal wants one line that begins with what was asked for and says what is wrong.
func checkRefusal(t *testing.T, err error, place, want string) {
	t.Helper()
	if err == nil {
		t.Fatal("it was taken")
	}
	if said := err.Error(); !strings.HasPrefix(said, place+": ") || !strings.Contains(said, want) || strings.ContainsAny(said, "\n\r\x1b") || len(said) > 700 {
		t.Errorf("%s\nwant %s: …%s…", said, place, want)
	}
}

// answers writes a status and a body.
func answers(status int, body string, heads ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i < len(heads); i += 2 {
			w.Header().Set(heads[i], heads[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
		return true
	}
}

func blobs(bad func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, q *http.Request) bool { return isBlob(q) && bad(w, q) }
}

// endless writes until nobody reads.
func endless(w http.ResponseWriter, q *http.Request) bool {
	w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
	for zeros := make([]byte, 1<<16); q.Method == http.MethodGet && q.Context().Err() == nil; {
		if _, err := w.Write(zeros); err != nil {
			break
		}
	}
	return true
}

// cuts ends the connection in the middle of the body.
func cuts(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", strconv.Itoa(len(aPatchOf)))
	w.WriteHeader(http.StatusOK)
	w.Write(aPatchOf[:10])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

var aPatchOf []byte // what cuts cuts

// What registries, and what stands before them, do wrong, and what is said of it.
func TestPullFromBadRegistries(t *testing.T) {
	a := Artifact{Patch: aPatch(t, 1), Signatures: [][]byte{aSignature("a")}}
	aPatchOf = a.Patch
	other := string(aPatch(t, 9))
	busy := answers(429, "", "Retry-After", "3600")
	for _, c := range []struct {
		name string
		bad  func(http.ResponseWriter, *http.Request) bool
		want string
	}{
		{"another blob of the same length", blobs(answers(200, other)), "the patch: what came is not what its digest sha256:"},
		{"a longer blob", blobs(answers(200, other+other)), "has another length than its manifest says: check what stands before it"},
		{"a shorter blob", blobs(answers(200, "x")), "the patch: the answer of 127.0.0.1"},
		{"a connection that is always cut", blobs(cuts), fmt.Sprintf("the connection broke after 10 of %d bytes, again and again", len(a.Patch))},
		{"a manifest without an end", endless, "unknown response Content-Length: check that 127.0.0.1"},
		{"a blob without an end", blobs(endless), "what came is not what its digest"},
		{"redirects in circles", func(w http.ResponseWriter, q *http.Request) bool {
			http.Redirect(w, q, q.URL.Path, http.StatusTemporaryRedirect)
			return true
		}, "redirects in circles"},
		{"a redirect to another machine without TLS", blobs(func(w http.ResponseWriter, q *http.Request) bool {
			http.Redirect(w, q, "http://registry.example/x", http.StatusTemporaryRedirect)
			return true
		}), "leads to registry.example, which is on another machine and would be asked without TLS: this is refused"},
		{"a server of tokens on another machine without TLS", answers(401, "", "Www-Authenticate", `Bearer realm="http://tokens.example/token",service="x"`), "sends to http://tokens.example for a token, which is refused"},
		{"a server of tokens on this machine", answers(401, "", "Www-Authenticate", `Bearer realm="http://127.0.0.2:1/token",service="x"`), `sends elsewhere for a token, which is refused: bearer realm host "127.0.0.2" is 127.0.0.2, in blocked prefix 127.0.0.0/8: credentials go to`},
		{"no credentials", answers(401, "", "Www-Authenticate", `Basic realm="x"`), "wants to know who asks: run \"docker login 127.0.0.1"},
		{"401 without a word", answers(401, ""), "does not accept the credentials of Docker's configuration, or wants some: run \"docker login 127.0.0.1"},
		{"403", answers(403, `{"errors":[{"code":"DENIED","message":"not\nyours"}]}`), "does not let you pull (denied: not; yours): ask its owner"},
		{"404", answers(404, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`), "nothing is there: check the name and the tag"},
		{"429 for an hour", busy, "is busy: it answers with status 429 and wants to be asked again after \"3600\": try later"},
		{"429 without a time", answers(429, ""), "it answers with status 429, however often it is asked: try later"},
		{"503", answers(503, ""), "it answers with status 503, however often it is asked"},
		{"500", answers(500, "\x1b[31mpanic"), "fails with status 500: try later, or ask its owner"},
		{"405", answers(405, ""), "does not allow that"},
		{"418", answers(418, ""), "refuses with status 418"},
		{"a page to log in", answers(200, "<html>log in</html>", "Content-Type", "text/html"), `answers with "text/html" in place of a manifest: check that 127.0.0.1`},
		{"JSON of something else", answers(200, `{"ok":true}`, "Content-Type", "application/json"), `answers with "application/json" in place of a manifest`},
		{"a manifest that is none", func(w http.ResponseWriter, q *http.Request) bool {
			return isManifestOf(q) && answers(200, `<html>`, "Content-Type", ocispec.MediaTypeImageManifest)(w, q)
		}, "the manifest is no JSON of one"},
		{"a digest that is a lie", func(w http.ResponseWriter, q *http.Request) bool {
			return isManifestOf(q) && answers(200, `{}`, "Content-Type", ocispec.MediaTypeImageManifest, "Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))(w, q)
		}, "what came is not what its digest sha256:0000"},
		{"a list without an end", func(w http.ResponseWriter, q *http.Request) bool {
			return strings.Contains(q.URL.Path, "/referrers/") &&
				answers(200, `{"manifests":[]}`, "Content-Type", ocispec.MediaTypeImageIndex, "Link", "<"+q.URL.Path+">; rel=next")(w, q)
		}, "the list of what is attached: referrer listing exceeded 10 pages"},
		{"a list of another site", func(w http.ResponseWriter, q *http.Request) bool {
			return strings.Contains(q.URL.Path, "/referrers/") &&
				answers(200, `{"manifests":[]}`, "Content-Type", ocispec.MediaTypeImageIndex, "Link", "<http://other.example/x>; rel=next")(w, q)
		}, "not the same origin"},
		{"a list with too much", func(w http.ResponseWriter, q *http.Request) bool {
			var list ocispec.Index
			for i := range 101 {
				d := describe(ocispec.MediaTypeImageManifest, []byte{byte(i)})
				d.ArtifactType = SignatureType
				list.Manifests = append(list.Manifests, d)
			}
			body, _ := json.Marshal(list)
			return strings.Contains(q.URL.Path, "/referrers/") && answers(200, string(body), "Content-Type", ocispec.MediaTypeImageIndex)(w, q)
		}, "more than 100 things are attached to the patch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := badRegistry(t, a, c.bad)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, _, err := Pull(context.Background(), ref(t, place), quick)
			runtime.ReadMemStats(&after)
			checkRefusal(t, err, place, c.want)
			if got.Patch != nil {
				t.Error("something came")
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
				t.Errorf("it took %d bytes of memory", taken)
			}
		})
	}
}

// A registry that is busy for a moment is asked again.
func TestPullAsksAgain(t *testing.T) {
	a := Artifact{Patch: aPatch(t, 1)}
	for _, status := range []int{408, 429, 500, 502, 503} {
		asked := map[string]int{}
		var m sync.Mutex
		place := badRegistry(t, a, func(w http.ResponseWriter, q *http.Request) bool {
			m.Lock()
			defer m.Unlock()
			asked[q.Method+q.URL.Path]++
			return asked[q.Method+q.URL.Path] < 3 && answers(status, "", "Retry-After", "0")(w, q)
		})
		if got, _, err := Pull(context.Background(), ref(t, place), quick); err != nil || !equal(got, a) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A transfer that is cut goes on where it was, where the registry knows ranges, and is
// read over where it does not.
func TestPullResumes(t *testing.T) {
	a := whole(t)
	report := a.Files[1].Data
	for _, ranges := range []bool{true, false} {
		t.Run(fmt.Sprintf("ranges=%v", ranges), func(t *testing.T) {
			var asked []string
			place := badRegistry(t, a, func(w http.ResponseWriter, q *http.Request) bool {
				if q.Method != http.MethodGet || !strings.HasSuffix(q.URL.Path, string(describe("", report).Digest)) {
					return false
				}
				asked = append(asked, q.Header.Get("Range"))
				from := 0
				if ranges {
					w.Header().Set("Accept-Ranges", "bytes")
					if n, _ := fmt.Sscanf(q.Header.Get("Range"), "bytes=%d-", &from); n == 1 {
						w.Header().Set("Content-Length", strconv.Itoa(len(report)-from))
						w.WriteHeader(http.StatusPartialContent)
					}
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(report)-from))
				// Every answer breaks 200,000 bytes further on.
				end := min(len(report), 200_000*len(asked))
				w.Write(report[from:max(from, end)])
				if end < len(report) {
					panic(http.ErrAbortHandler)
				}
				return true
			})
			got, _, err := Pull(context.Background(), ref(t, place), quick)
			if err != nil || !equal(got, a) {
				t.Fatalf("%v, after asking for %q", err, asked)
			}
			if len(asked) < 3 || ranges != strings.Contains(strings.Join(asked, " "), fmt.Sprintf("-%d", len(report)-1)) {
				t.Errorf("asked for %q", asked)
			}
		})
	}
}

// A registry that sends a byte at a time and breaks is given up, too.
func TestPullEndsWithCuts(t *testing.T) {
	a := Artifact{Patch: aPatch(t, 1)}
	hasty := quick
	hasty.pauses.first = time.Nanosecond
	sent := 0
	place := badRegistry(t, a, blobs(func(w http.ResponseWriter, q *http.Request) bool {
		sent++
		w.Header().Set("Accept-Ranges", "bytes")
		if from := q.Header.Get("Range"); from != "" {
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(len(a.Patch)))
		}
		w.Write(a.Patch[:1])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	_, _, err := Pull(context.Background(), ref(t, place), hasty)
	checkRefusal(t, err, place, fmt.Sprintf("the connection broke after 101 of %d bytes", len(a.Patch)))
	if sent > 3*maxCuts {
		t.Errorf("asked %d times", sent)
	}
}

// A registry that falls silent is given up, and whoever interrupts need not wait.
func TestPullFromASilentRegistry(t *testing.T) {
	silent := blobs(func(w http.ResponseWriter, q *http.Request) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(aPatchOf)))
		w.Write(aPatchOf[:10])
		w.(http.Flusher).Flush()
		<-q.Context().Done()
		return true
	})
	a := Artifact{Patch: aPatch(t, 1)}
	aPatchOf = a.Patch
	impatient := quick
	impatient.pauses.silence = 50 * time.Millisecond
	place := badRegistry(t, a, silent)
	_, _, err := Pull(context.Background(), ref(t, place), impatient)
	checkRefusal(t, err, place, "fell silent: try again")

	ctx, stop := context.WithCancel(context.Background())
	place = badRegistry(t, a, func(w http.ResponseWriter, q *http.Request) bool {
		defer time.AfterFunc(10*time.Millisecond, stop).Stop()
		return silent(w, q)
	})
	if _, _, err := Pull(ctx, ref(t, place), quick); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// A registry that sends a byte now and then is given up, too: a blob has to come on, and a
// manifest, a list and an answer about a token to be there, in a time.
func TestPullFromASlowRegistry(t *testing.T) {
	trickle := func(contentType string, length int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, q *http.Request) bool {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Content-Length", strconv.Itoa(length))
			for tick := time.NewTicker(5 * time.Millisecond); q.Context().Err() == nil; <-tick.C {
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
			}
			return true
		}
	}
	a := Artifact{Patch: aPatch(t, 1)}
	impatient := quick
	impatient.pauses.silence, impatient.pauses.small = 300*time.Millisecond, 300*time.Millisecond
	token := trickle("application/json", 1<<20)
	for name, bad := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"blob": blobs(trickle("application/octet-stream", len(a.Patch))),
		"manifest": func(w http.ResponseWriter, q *http.Request) bool {
			w.Header().Set("Docker-Content-Digest", string(describe("", nil).Digest))
			return isManifestOf(q) && trickle(ocispec.MediaTypeImageManifest, maxManifest)(w, q)
		},
		"list": func(w http.ResponseWriter, q *http.Request) bool {
			return strings.Contains(q.URL.Path, "/referrers/") && trickle(ocispec.MediaTypeImageIndex, maxManifest)(w, q)
		},
		"token": func(w http.ResponseWriter, q *http.Request) bool {
			if q.URL.Path == "/token" {
				return token(w, q)
			}
			return answers(401, "", "Www-Authenticate", `Bearer realm="http://`+q.Host+`/token",service="x"`)(w, q)
		},
	} {
		t.Run(name, func(t *testing.T) {
			place := badRegistry(t, a, bad)
			_, _, err := Pull(context.Background(), ref(t, place), impatient)
			checkRefusal(t, err, place, "all but fell silent: try again")
		})
	}
}

// What is larger than it may be is refused before it is read.
func TestPullBounds(t *testing.T) {
	var read atomic.Int32
	a := Artifact{Patch: aPatch(t, 1)}
	place := badRegistry(t, a, blobs(func(http.ResponseWriter, *http.Request) bool {
		read.Add(1)
		return false
	}))
	small := quick
	small.MaxPatch = int64(len(a.Patch)) - 1
	_, _, err := Pull(context.Background(), ref(t, place), small)
	checkRefusal(t, err, place, fmt.Sprintf("the patch is said to have %d bytes, and at most", len(a.Patch)))
	if _, err := Push(context.Background(), ref(t, place), a, small); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("pushed: %v", err)
	}
	if read.Load() > 0 {
		t.Error("it was read")
	}
}

// Push says what is wrong before it sends anything.
func TestPushRefuses(t *testing.T) {
	host := serveHandler(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something was sent") }))
	place := host + "/team/fix:v1"
	p := aPatch(t, 1)
	for want, a := range map[string]Artifact{
		"the patch: the file is empty": {},
		"the patch: ":                  {Patch: p[:len(p)-1]},
		"canonical form":               {Patch: []byte(`{"flips": [{"layer": 0, "proj": "gate_proj", "row": 1}]}`)},
		"the signature is not one of minisign's, which begin with \"untrusted comment:\"": {Patch: p, Signatures: [][]byte{[]byte("-----BEGIN PGP")}},
		"the signature has":                                  {Patch: p, Signatures: [][]byte{make([]byte, maxSignature+1)}},
		"the card is no text in UTF-8":                       {Patch: p, Card: []byte("\xff")},
		`"../x" cannot be the name of an attached file`:      {Patch: p, Files: []File{{Probes, "../x", nil}}},
		`".x" cannot be the name of an attached file`:        {Patch: p, Files: []File{{Report, ".x", nil}}},
		`"a\nb" cannot be the name of an attached file`:      {Patch: p, Files: []File{{Report, "a\nb", nil}}},
		`"film" is no kind of files: it is probes or report`: {Patch: p, Files: []File{{"film", "x", nil}}},
		"101 things are attached to the patch":               {Patch: p, Files: make([]File, 101)},
	} {
		_, err := Push(context.Background(), ref(t, place), a, quick)
		checkRefusal(t, err, place, want)
	}
	_, err := Push(context.Background(), ref(t, place+someDigest), Artifact{Patch: p}, quick)
	checkRefusal(t, err, place+someDigest, "leave it out, and give a tag")
}

// A list of what is attached that another program has overwritten is mended.
func TestPushMendsLists(t *testing.T) {
	good := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(false))
	var lost atomic.Int32
	host := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPut && strings.Contains(q.URL.Path, "/manifests/sha256-") && lost.Add(1) <= 2 {
			io.Copy(io.Discard, q.Body)
			w.WriteHeader(http.StatusCreated)
			return
		}
		good.ServeHTTP(w, q)
	}))
	a := whole(t)
	if sent, err := Push(context.Background(), ref(t, host+"/fix:v1"), a, quick); err != nil || sent.Attached != 5 {
		t.Fatalf("%+v, %v", sent, err)
	}
	if got, err := pull(t, host+"/fix:v1"); err != nil || !equal(got, a) || lost.Load() < 3 {
		t.Errorf("%d signatures and %d files, %v", len(got.Signatures), len(got.Files), err)
	}
}

// Many who attach something at once lose nothing, also where they keep the list of it
// themselves and overwrite each other's.
func TestPushAtOnce(t *testing.T) {
	hosts := []string{serveRegistry(t, false)}
	if host := dockerRegistry(t); host != "" {
		hosts = append(hosts, host)
	}
	patient := quick
	patient.pauses.first = 50 * time.Millisecond
	for _, host := range hosts {
		place, want := host+"/team/fix:v1", Artifact{Patch: aPatch(t, 1)}
		var pushes sync.WaitGroup
		for i := range 6 {
			s := aSignature(strconv.Itoa(i))
			want.Signatures = append(want.Signatures, s)
			pushes.Go(func() {
				if _, err := Push(context.Background(), ref(t, place), Artifact{Patch: want.Patch, Signatures: [][]byte{s}}, patient); err != nil {
					t.Error(err)
				}
			})
		}
		pushes.Wait()
		if got, err := pull(t, place); err != nil || !equal(got, want) {
			t.Errorf("%s: %d signatures of %d, %v", place, len(got.Signatures), len(want.Signatures), err)
		}
	}
}

// A list that is overwritten time and again is said not to be right.
func TestPushGivesUpOnLists(t *testing.T) {
	good := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(false))
	host := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPut && strings.Contains(q.URL.Path, "/manifests/sha256-") {
			io.Copy(io.Discard, q.Body)
			w.WriteHeader(http.StatusCreated)
			return
		}
		good.ServeHTTP(w, q)
	}))
	_, err := Push(context.Background(), ref(t, host+"/fix:v1"), whole(t), quick)
	checkRefusal(t, err, host+"/fix:v1", "overwritten by others who push at the same time")
}

// A registry that does not see yet what it was sent is sent the manifest again.
func TestPushAgain(t *testing.T) {
	good := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	var refused atomic.Int32
	host := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPut && isManifestOf(q) && refused.Add(1)%3 != 0 {
			io.Copy(io.Discard, q.Body)
			answers(400, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}`)(w, q)
			return
		}
		good.ServeHTTP(w, q)
	}))
	a := whole(t)
	if _, err := Push(context.Background(), ref(t, host+"/fix:v1"), a, quick); err != nil {
		t.Fatal(err)
	}
	if got, err := pull(t, host+"/fix:v1"); err != nil || !equal(got, a) {
		t.Error(err)
	}
}

// A layout from elsewhere that has links in it leads nobody out of its folder.
func TestLayoutWithLinks(t *testing.T) {
	a := Artifact{Patch: aPatch(t, 1)}
	for _, name := range []string{"oci-layout", "index.json", "blobs", "blobs/sha256"} {
		dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
		place := "oci:" + dir + ":v1"
		if _, err := Push(context.Background(), ref(t, place), a, quick); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name), outside); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
		before := files(t, outside)
		_, err := Push(context.Background(), ref(t, place), Artifact{Patch: aPatch(t, 2)}, quick)
		checkRefusal(t, err, place, name+" is no ")
		if after := files(t, outside); after != before {
			t.Errorf("%s: outside there are %s, and were %s", name, after, before)
		}
		_, err = pull(t, place)
		checkRefusal(t, err, place, name+" is no ")
	}
}

// What is neither a folder nor a file is no layout, and is not opened.
func TestLayoutThatIsNone(t *testing.T) {
	if _, err := os.Stat(os.DevNull); err != nil {
		t.Skip(err)
	}
	place := "oci:" + os.DevNull + ":v1"
	_, err := pull(t, place)
	checkRefusal(t, err, place, "is neither a folder nor a regular file")
}

// files are the names below a folder, or of a file, with their sizes.
func files(t *testing.T, dir string) (all string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			all += fmt.Sprintln(path, info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What is behind a tag and is no patch is called by its name, and is not replaced.
func TestOtherArtifacts(t *testing.T) {
	ctx := context.Background()
	for name, place := range places(t) {
		t.Run(name, func(t *testing.T) {
			for i, c := range []struct {
				what     string
				manifest ocispec.Manifest
			}{
				{"a container image", ocispec.Manifest{Config: descriptor{MediaType: ocispec.MediaTypeImageConfig}}},
				{"a Helm chart", ocispec.Manifest{Config: descriptor{MediaType: "application/vnd.cncf.helm.config.v1+json"}}},
				{"a model of Ollama's", ocispec.Manifest{Layers: []descriptor{{MediaType: "application/vnd.ollama.image.model"}}}},
				{`an artifact of type "application/spdx+json"`, ocispec.Manifest{ArtifactType: "application/spdx+json"}},
				{"something attached to a patch (signature)", ocispec.Manifest{ArtifactType: SignatureType}},
			} {
				at := ref(t, fmt.Sprintf("%s:v%d", place, i))
				c.manifest.SchemaVersion, c.manifest.MediaType = 2, ocispec.MediaTypeImageManifest
				blob := describe(c.manifest.Config.MediaType, []byte("{}"))
				c.manifest.Config = blob
				for i, l := range c.manifest.Layers {
					c.manifest.Layers[i] = describe(l.MediaType, []byte("{}"))
				}
				data, _ := json.Marshal(c.manifest)
				d := describe(ocispec.MediaTypeImageManifest, data)
				if err := on(ctx, at, quick, "push", true, func(x target) error {
					return errors.Join(x.push(ctx, blob, []byte("{}"), unseen{}), x.push(ctx, d, data, unseen{}), x.tag(ctx, d, data, at.Tag))
				}); err != nil {
					t.Fatal(err)
				}
				_, _, err := Pull(ctx, at, quick)
				checkRefusal(t, err, at.String(), "this is "+c.what+", not a patch")
				a := Artifact{Patch: aPatch(t, 1)}
				_, err = Push(ctx, at, a, quick)
				checkRefusal(t, err, at.String(), "the tag is that of "+c.what+": choose another one, or replace it with --force")
				force := quick
				force.Force = true
				if done, err := Push(ctx, at, a, force); err != nil || done.Moved.IsZero() {
					t.Errorf("by force: %+v, %v", done, err)
				}
				if got, _, err := Pull(ctx, at, quick); err != nil || !equal(got, a) {
					t.Errorf("after that: %v", err)
				}
			}
		})
	}
}

// Redirects never lead from TLS to none.
func TestCheckRedirect(t *testing.T) {
	from := httptest.NewRequest("GET", "https://registry.example/x", nil)
	for to, want := range map[string]string{
		"https://elsewhere.example/x": "",
		"http://registry.example/x":   "redirects from https to http",
		"http://127.0.0.1/x":          "redirects from https to http",
	} {
		err := checkRedirect(httptest.NewRequest("GET", to, nil), []*http.Request{from})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// A registry that is not there.
func TestUnreachable(t *testing.T) {
	s := httptest.NewServer(nil)
	host := strings.TrimPrefix(s.URL, "http://")
	s.Close()
	place := host + "/team/fix:v1"
	_, _, err := Pull(context.Background(), ref(t, place), quick)
	checkRefusal(t, err, place, "cannot reach "+host+": ")
	checkRefusal(t, err, place, "is the registry running there?")

	gone := "oci:" + t.TempDir() + "/none:v1"
	_, _, err = Pull(context.Background(), ref(t, gone), quick)
	checkRefusal(t, err, gone, "there is no OCI layout")
	file := t.TempDir() + "/x.tar"
	os.WriteFile(file, []byte("\x1f\x8b\x08"), 0o666)
	_, _, err = Pull(context.Background(), ref(t, "oci:"+file), quick)
	checkRefusal(t, err, "oci:"+file, "neither a folder nor a whole tar file, uncompressed")
	dir := t.TempDir()
	os.WriteFile(dir+"/notes.txt", nil, 0o666)
	_, err = Push(context.Background(), ref(t, "oci:"+dir+":v1"), Artifact{Patch: aPatch(t, 1)}, quick)
	checkRefusal(t, err, "oci:"+dir+":v1", `is no OCI layout, and has other things in it ("notes.txt"): give another path`)
}

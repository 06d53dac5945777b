package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"go.uber.org/goleak"

	"bankai"
	"bankai/internal/progress"
)

// Nobody's credentials are used by the tests.
func TestMain(m *testing.M) {
	if as := os.Getenv(childVariable); as != "" {
		os.Exit(child(as))
	}
	dir, err := os.MkdirTemp("", "bankai-oci-")
	if err != nil {
		panic(err)
	}
	os.Setenv("DOCKER_CONFIG", dir)
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// quick are pauses for tests that bring about retries.
var quick = Options{pauses: pauses{first: time.Millisecond, most: 2 * time.Second, silence: 10 * time.Second, small: 15 * time.Second}}

// aPatch is a patch of a few rows, from one on.
func aPatch(t testing.TB, row uint32) []byte {
	t.Helper()
	meta := bankai.Meta{
		Name: "fix", Description: "powers", License: "Apache-2.0", Author: "Ada", Created: time.Unix(1_700_000_000, 0),
		Claims: []bankai.Claim{{Name: "held-out", Total: 10, Before: 1, After: 9, Fixed: 8, PValue: 0.01}},
	}
	p := bankai.New(bankai.Digest{1, 2, 3}, meta,
		bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: row, N: 128}, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: row, N: 64})
	return encoded(t, p)
}

// watcher is told how far a transfer is.
type watcher struct {
	sync.Mutex
	open int
	far  map[string]int64
}

func (w *watcher) Warn(string, ...any) {}
func (w *watcher) Note(string, ...any) {}

func (w *watcher) Meter(what string, total int64) progress.Meter {
	w.Lock()
	defer w.Unlock()
	w.open++
	return meter{w, what, total}
}

type meter struct {
	*watcher
	what  string
	total int64
}

func (m meter) Set(done int64, _ string) {
	m.Lock()
	defer m.Unlock()
	if done < m.far[m.what] || done > m.total {
		panic(fmt.Sprintf("%s is at %d after %d of %d", m.what, done, m.far[m.what], m.total))
	}
	m.far[m.what] = done
}

func (m meter) Stop() {
	m.Lock()
	defer m.Unlock()
	m.open--
}

// What takes long is shown to the end, sent and received; what is small is not.
func TestProgress(t *testing.T) {
	a := whole(t)
	for name, place := range places(t) {
		for _, step := range []func(Options) error{
			func(o Options) error { _, err := Push(context.Background(), ref(t, place), a, o); return err },
			func(o Options) error { _, _, err := Pull(context.Background(), ref(t, place), o); return err },
		} {
			w := &watcher{far: map[string]int64{}}
			o := quick
			o.Watch = w
			if err := step(o); err != nil {
				t.Fatal(err)
			}
			if w.open != 0 || !maps.Equal(w.far, map[string]int64{Report: int64(len(a.Files[1].Data))}) {
				t.Errorf("%s: %d open, %v", name, w.open, w.far)
			}
		}
	}
}

// What a manifest says of a patch is what the patch says of itself, and nothing of now.
func TestAnnotations(t *testing.T) {
	p, err := decodePatch(aPatch(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := annotations(p)
	want := map[string]string{
		"org.opencontainers.image.title":       "fix",
		"org.opencontainers.image.description": "powers",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.authors":     "Ada",
		"org.opencontainers.image.created":     "2023-11-14T22:13:20Z",
		"dev.bankai.base":                      "0102030000000000000000000000000000000000000000000000000000000000",
		"dev.bankai.content":                   "1fcbb25741a3e561772d39ba3362c001b94fb409d04cfaa856c764339035d066",
		"dev.bankai.flips":                     "2",
		"dev.bankai.bits":                      "192",
		"dev.bankai.claims":                    `[{"name":"held-out","total":10,"before":1,"after":9,"fixed":8,"broke":0,"p_value":0.01}]`,
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	none, err := annotations(bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.0.ffn_up.weight", N: bankai.ToEnd}))
	if err != nil || len(none) != 2 || none[FlipsAnnotation] != "1" {
		t.Errorf("of a patch that says nothing: %q, %v", none, err)
	}
	meta := p.Meta()
	for range 100 {
		meta.Claims = append(meta.Claims, meta.Claims[0])
	}
	many, err := annotations(p.WithMeta(meta))
	if claims := many[ClaimsAnnotation]; err != nil || len(claims) > maxClaims || len(claims) < maxClaims-200 || !json.Valid([]byte(claims)) {
		t.Errorf("of many claims: %d bytes, %v", len(claims), err)
	}
}

func encoded(t testing.TB, p *bankai.Patch) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// aSignature looks like one, which is all that this package asks for.
func aSignature(name string) []byte {
	return []byte(signatureStart + " signature of " + name + "\nRWQ\ntrusted comment: bankai patch v1\nabc\n")
}

// whole is an artifact with everything that can be attached.
func whole(t testing.TB) Artifact {
	return Artifact{
		Patch:      aPatch(t, 1),
		Signatures: [][]byte{aSignature("a"), aSignature("b")},
		Card:       []byte("# fix\n\nRepairs powers.\n"),
		Files:      []File{{Probes, "heldout.json", []byte("[]\n")}, {Report, "report.html", bytes.Repeat([]byte("<p>1,209</p>\n"), 40_000)}},
	}
}

// equal compares artifacts, in which the order of what is attached means nothing.
func equal(a, b Artifact) bool {
	for _, x := range []*Artifact{&a, &b} {
		x.Signatures, x.Files = slices.Clone(x.Signatures), slices.Clone(x.Files)
		slices.SortFunc(x.Signatures, bytes.Compare)
		slices.SortFunc(x.Files, func(f, g File) int { return strings.Compare(f.Kind+f.Name, g.Kind+g.Name) })
	}
	return reflect.DeepEqual(a, b)
}

// serveRegistry starts a registry in this process and returns its host and port.
func serveRegistry(t testing.TB, referrers bool) string {
	t.Helper()
	return serveHandler(t, registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers)))
}

func serveHandler(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func ref(t testing.TB, s string) Ref {
	t.Helper()
	r, err := ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// places are where an artifact can be pushed to: a repository of each kind of registry,
// a folder, a tar file.
func places(t *testing.T) map[string]string {
	dir := filepath.ToSlash(t.TempDir())
	return map[string]string{
		"registry":                   serveRegistry(t, true) + "/team/fix",
		"registry without referrers": serveRegistry(t, false) + "/team/fix",
		"folder":                     "oci:" + dir + "/layout",
		"tar":                        "oci:" + dir + "/layout.tar",
	}
}

// What was pushed comes back as it was, wherever it went, by its tag and by its digest.
// The second push of the same sends nothing; a new signature is only one more referrer.
func TestPushAndPull(t *testing.T) {
	for name, place := range places(t) {
		t.Run(name, func(t *testing.T) { pushAndPull(t, place) })
	}
	if host := dockerRegistry(t); host != "" {
		t.Run("docker-registry", func(t *testing.T) { pushAndPull(t, host+"/team/fix") })
	}
}

func pushAndPull(t *testing.T, place string) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx := context.Background()
	a := whole(t)
	bare := Artifact{Patch: a.Patch, Signatures: a.Signatures[:1]}
	first, err := Push(ctx, ref(t, place+":v1"), bare, quick)
	if err != nil || first.Attached != 1 || first.Bytes < int64(len(a.Patch)) || !first.Moved.IsZero() {
		t.Fatalf("the first push: %+v, %v", first, err)
	}
	again, err := Push(ctx, ref(t, place+":v1"), bare, quick)
	if err != nil || again.Bytes != 0 || again.Attached != 0 || again.Digest != first.Digest || !again.Moved.IsZero() {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	more, err := Push(ctx, ref(t, place+":v1"), a, quick)
	if err != nil || more.Attached != 4 || more.Digest != first.Digest {
		t.Errorf("with more attached: %+v, %v", more, err)
	}
	for _, asked := range []string{place + ":v1", first.Ref.String(), place + "@sha256:" + first.Digest.String()} {
		got, pulled, err := Pull(ctx, ref(t, asked), quick)
		if err != nil || !equal(got, a) {
			t.Fatalf("%s: %d signatures, %d files, %v", asked, len(got.Signatures), len(got.Files), err)
		}
		if pulled.Digest != first.Digest || pulled.Patch.Len() != 2 || pulled.Bytes == 0 {
			t.Errorf("%s: pulled %+v", asked, pulled)
		}
	}
	next, err := Push(ctx, ref(t, place+":v1"), Artifact{Patch: aPatch(t, 2)}, quick)
	if err != nil || next.Moved != first.Digest || next.Digest == first.Digest {
		t.Errorf("another patch under the tag: %+v, %v", next, err)
	}
	if got, _, err := Pull(ctx, first.Ref, quick); err != nil || !equal(got, a) {
		t.Errorf("what the tag meant before: %v", err)
	}
	if got, _, err := Pull(ctx, ref(t, place+":v1"), quick); err != nil || len(got.Signatures) != 0 {
		t.Errorf("what the tag means now: %v", err)
	}
	for asked, want := range map[string]string{
		place + ":v2":      place + ":v2: there is no v2, but the tag v1: give one of them",
		place:              place + ": there is no latest, but the tag v1: give one of them",
		place + someDigest: place + someDigest + ": there is no " + someDigest[1:] + ", but the tag v1: give one of them",
	} {
		if _, _, err := Pull(ctx, ref(t, asked), quick); err == nil || err.Error() != want {
			t.Errorf("%s, which is not there: %v", asked, err)
		}
	}
}

// Of many tags a few are named, and none that leads to what is attached.
func TestOtherTags(t *testing.T) {
	for want, tags := range map[string][]string{
		"nothing is there": {"sha256-v1", "not a tag"},
		"there is no v9, but the tags a and v1: give one of them":                            {"v1", "sha256-v1", "a", "a"},
		"there is no v9, but the tags a, b, c, d, e, f, v1, v2 and others: give one of them": {"v2", "v1", "v3", "a", "b", "c", "d", "e", "f"},
	} {
		if err := none(context.Background(), tagged{all: tags}, "v9"); !errors.Is(err, errNone) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// tagged is a target that has tags alone.
type tagged struct {
	target
	all []string
}

func (t tagged) tags(context.Context) ([]string, error) { return t.all, nil }

package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What is changed on its way, or where it lies, is refused with a line that says which
// artifact it is about, or is exactly what was pushed: 1,000 changes of manifests, layers,
// signatures and indexes, on disk and served. Half of the manifests and patches have their
// digests mended, so that what is wrong is what they say. (A signature whose digest was
// mended is another one, which whoever knows keys tells.)
func TestMutations(t *testing.T) {
	a := whole(t)
	a.Files[1].Data = []byte("<p>1,209</p>")
	dir := t.TempDir()
	if _, err := Push(context.Background(), ref(t, "oci:"+dir+":v1"), a, quick); err != nil {
		t.Fatal(err)
	}
	original := readLayout(t, dir)
	draw := rand.New(rand.NewPCG(1, 2))
	names := slices.Sorted(maps.Keys(original))
	tried, refused, served := 0, map[string]int{}, serveLayouts(t)
	before := memory()
	for tried < 1000 {
		files := maps.Clone(original)
		name := names[draw.IntN(len(names))]
		changed := mutate(draw, files[name])
		if bytes.Equal(changed, files[name]) {
			continue
		}
		files[name] = changed
		if draw.IntN(2) == 0 && (bytes.HasPrefix(original[name], []byte("{")) || bytes.Equal(original[name], a.Patch)) {
			reseal(t, files, name)
		}
		for _, place := range []string{writeLayout(t, files), writeTar(t, files), served(files)} {
			got, _, err := Pull(context.Background(), ref(t, place), quick)
			tried++
			if err != nil {
				checkRefusal(t, err, place, "")
				refused[reason(err, place)]++
			} else {
				checkPart(t, got, a)
			}
		}
	}
	if grown := memory() - before; grown > 100<<20 {
		t.Errorf("%d bytes of memory stay", grown)
	}
	if len(refused) < 15 {
		t.Errorf("only %d reasons: %v", len(refused), refused)
	}
	t.Logf("%d tried: %v", tried, refused)
}

func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

var particular = regexp.MustCompile(`"[^"]*"|[0-9a-f]{64}|[0-9]+`)

// reason is an error without what is of the one case.
func reason(err error, place string) string {
	said := strings.TrimPrefix(err.Error(), place+": ")
	return particular.ReplaceAllString(said[:min(len(said), 60)], "…")
}

// checkPart wants what came to be what was pushed. Of a manifest whose digest is another,
// nothing is attached, and what is attached may have another name.
func checkPart(t *testing.T, got, want Artifact) {
	t.Helper()
	if !bytes.Equal(got.Patch, want.Patch) || got.Card != nil && !bytes.Equal(got.Card, want.Card) {
		t.Fatal("the patch or the card is another one")
	}
	for _, s := range got.Signatures {
		if !slices.ContainsFunc(want.Signatures, func(w []byte) bool { return bytes.Equal(s, w) }) {
			t.Fatalf("a signature is another one: %q", s)
		}
	}
	for _, f := range got.Files {
		if !slices.ContainsFunc(want.Files, func(w File) bool { return f.Kind == w.Kind && bytes.Equal(f.Data, w.Data) }) {
			t.Fatalf("a file is another one: %+v", f)
		}
	}
}

// mutate changes a byte, takes some out, puts some in, or has another value of JSON.
func mutate(draw *rand.Rand, data []byte) []byte {
	data = bytes.Clone(data)
	at := draw.IntN(len(data) + 1)
	switch draw.IntN(6) {
	case 0:
		if at < len(data) {
			data[at] ^= 1 << draw.IntN(8)
		}
	case 1:
		return data[:at]
	case 2:
		return slices.Delete(data, at, min(len(data), at+1+draw.IntN(20)))
	case 3:
		return slices.Insert(data, at, data[:draw.IntN(min(len(data), 30)+1)]...)
	default:
		values := regexp.MustCompile(`"[^"]*"|[0-9]+|\{\}|\[`).FindAllIndex(data, -1)
		if len(values) == 0 {
			return data
		}
		v := values[draw.IntN(len(values))]
		strange := []string{"null", "-1", "0", "4611686018427387904", "1e400", `""`, `"sha256:00"`, `"sha512:00"`, `"\u001b[31m"`, "{}", "[]", `"../../x"`, "true", "[[[[", `"application/vnd.oci.image.index.v1+json"`, `"application/vnd.minisign.v1"`}
		return slices.Concat(data[:v[0]], []byte(strange[draw.IntN(len(strange))]), data[v[1]:])
	}
	return data
}

// reseal renames a blob that was changed after its new digest, and mends what names it,
// up to the index.
func reseal(t *testing.T, files map[string][]byte, name string) {
	if !strings.HasPrefix(name, "blobs/") {
		return
	}
	data := files[name]
	was := "sha256:" + filepath.Base(name)
	now := describe("", data)
	delete(files, name)
	files["blobs/sha256/"+now.Digest.Encoded()] = data
	sized := regexp.MustCompile(`("digest":")` + was + `("[^}]*?"size":)[0-9]+`)
	for _, other := range slices.Sorted(maps.Keys(files)) {
		old := files[other]
		if other == name || !bytes.Contains(old, []byte(`"digest":"`+was)) {
			continue
		}
		files[other] = sized.ReplaceAll(old, fmt.Appendf(nil, "${1}%s${2}%d", now.Digest, now.Size))
		reseal(t, files, other)
	}
}

func readLayout(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// writeLayout writes a layout into a new folder, and writeTar into a tar file.
func writeLayout(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return "oci:" + dir + ":v1"
}

func writeTar(t *testing.T, files map[string][]byte) string {
	t.Helper()
	data, err := (&archive{bytes.NewReader(nil), map[string]span{}, files}).encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "layout.tar")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return "oci:" + path + ":v1"
}

// serveLayouts starts a registry that serves one layout after another as they are, without
// a look at them.
func serveLayouts(t *testing.T) func(files map[string][]byte) string {
	var files map[string][]byte
	host := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		version := q.URL.Path[strings.LastIndexByte(q.URL.Path, '/')+1:]
		var index ocispec.Index
		json.Unmarshal(files["index.json"], &index)
		if strings.Contains(q.URL.Path, "/referrers/") {
			for i, d := range index.Manifests {
				var m ocispec.Manifest
				json.Unmarshal(files["blobs/sha256/"+strings.TrimPrefix(string(d.Digest), "sha256:")], &m)
				if m.Subject != nil && string(m.Subject.Digest) == version {
					index.Manifests[i].ArtifactType = m.ArtifactType
				} else {
					index.Manifests[i].ArtifactType = "x/y"
				}
			}
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			json.NewEncoder(w).Encode(index)
			return
		}
		for _, d := range index.Manifests {
			if d.Annotations[ocispec.AnnotationRefName] == version {
				version = string(d.Digest)
			}
			if string(d.Digest) == version {
				w.Header().Set("Content-Type", d.MediaType)
			}
		}
		data, has := files["blobs/sha256/"+strings.TrimPrefix(version, "sha256:")]
		if !has {
			http.NotFound(w, q)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data)
	}))
	return func(now map[string][]byte) string {
		files = now
		return host + "/fix:v1"
	}
}

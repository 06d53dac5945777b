package hub

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bankai/internal/durable"
	"bankai/internal/hubtest"
)

// What a pull leaves is what Python's library leaves, to the byte: blobs by their
// digests, links to them in the commit's folder, the commit of the branch. A second pull
// asks what is new, and downloads nothing.
func TestPullLeavesPythonsLayout(t *testing.T) {
	h := newHub(t, map[string]string{"sub/Model-Q1_0.gguf": "GGUF", "README.md": "a card"})
	c, _ := newClient(t, h)
	p, got, err := pull(t, c, "hf:"+repo)
	if err != nil || got != "GGUF" || p.Commit != commit || p.Ref.String() != "hf:"+repo+"/sub/Model-Q1_0.gguf" {
		t.Fatalf("%+v, %q, %v", p, got, err)
	}
	if _, _, err := pull(t, c, "hf:"+repo+"@"+commit+"/README.md"); err != nil {
		t.Fatal(err)
	}
	model, card := hubtest.ETag("x.gguf", "GGUF"), hubtest.ETag("README.md", "a card")
	folder := "models--owner--Model-gguf/"
	want := []string{
		".locks/" + folder + model + ".lock = ",
		".locks/" + folder + card + ".lock = ",
		folder + "blobs/" + model + " = GGUF",
		folder + "blobs/" + card + " = a card",
		folder + "refs/main = " + commit,
		folder + "snapshots/" + commit + "/README.md -> ../../blobs/" + card,
		folder + "snapshots/" + commit + "/sub/Model-Q1_0.gguf -> ../../../blobs/" + model,
	}
	got1 := tree(t, c.Folder)
	if missing, extra := differ(want, got1); len(missing)+len(extra) > 0 {
		t.Errorf("the cache lacks %q and has %q", missing, extra)
	}
	h.Seen()
	if _, _, err := pull(t, c, "hf:"+repo); err != nil {
		t.Fatal(err)
	}
	for _, line := range h.Seen() {
		if strings.Contains(line, "storage") {
			t.Errorf("the second pull asks for %s", line)
		}
	}
}

// differ are the items of a list that another lacks, each way.
func differ(a, b []string) (onlyA, onlyB []string) {
	in := map[string]int{}
	for _, s := range a {
		in[s]++
	}
	for _, s := range b {
		if in[s]--; in[s] < 0 {
			onlyB = append(onlyB, s)
		}
	}
	for s, n := range in {
		if n > 0 {
			onlyA = append(onlyA, s)
		}
	}
	return onlyA, onlyB
}

// All parts of a model in several come, whichever is named, and the first stands for it.
func TestParts(t *testing.T) {
	h := newHub(t, map[string]string{"M-Q1_0-00001-of-00002.gguf": "one", "M-Q1_0-00002-of-00002.gguf": "two", "M-F16.gguf": "floats"})
	for _, ref := range []string{"hf:" + repo, "hf:" + repo + "/M-Q1_0-00002-of-00002.gguf"} {
		c, _ := newClient(t, h)
		p, got, err := pull(t, c, ref)
		if err != nil || got != "one" || p.Bytes != 6 || len(p.Files) != 2 {
			t.Errorf("%s: %+v, %q, %v", ref, p, got, err)
		}
	}
	h.Put(repo, hubtest.Repo{Commit: commit, Files: map[string]string{"M-Q1_0-00001-of-00002.gguf": "one"}})
	c, _ := newClient(t, h)
	if _, _, err := pull(t, c, "hf:"+repo); err == nil || !strings.Contains(err.Error(), "has 1 of the 2 parts of M-Q1_0") {
		t.Errorf("a part is missing: %v", err)
	}
}

// A folder of safetensors comes with what says how to read it, and nothing else.
func TestFolder(t *testing.T) {
	h := newHub(t, map[string]string{"config.json": "{}", "model.safetensors": "weights", "tokenizer.json": "{}", "README.md": "card", "train.py": "import os"})
	c, _ := newClient(t, h)
	p, _, err := pull(t, c, "hf:"+repo)
	if err != nil || !p.Folder {
		t.Fatalf("%+v, %v", p, err)
	}
	entries, err := os.ReadDir(p.Path)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); err != nil || got != "config.json model.safetensors tokenizer.json" {
		t.Errorf("%s, %v", got, err)
	}
}

// What the disk cannot hold is not begun.
func TestRoom(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights})
	c, _ := newClient(t, h)
	c.space = func(string) (int64, bool) { return 700_000, true }
	if _, _, err := pull(t, c, "hf:"+repo); err == nil || !strings.Contains(err.Error(), "760 KB are to be written, and the disk of "+c.Folder+" has room for 700 KB") {
		t.Errorf("%v", err)
	}
	part := filepath.Join(c.Folder, folderName(repo), "blobs", hubtest.ETag("a.gguf", weights)+".incomplete")
	if err := os.WriteFile(part, []byte(weights[:100_000]), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, got, err := pull(t, c, "hf:"+repo); err != nil || got != weights {
		t.Errorf("of which a part is there: %d bytes, %v", len(got), err)
	}
	if free, known := durable.FreeSpace(t.TempDir()); known && free <= 0 {
		t.Errorf("%d bytes are free here", free)
	}
}

// Links in the cache that lead out of it are neither written through nor read.
func TestLinksThatLeadOut(t *testing.T) {
	content := "GGUF"
	etag := hubtest.ETag("a.gguf", content)
	for _, place := range []string{"blobs", "snapshots", "snapshots/" + commit, "refs", "blobs/" + etag, "blobs/" + etag + ".incomplete", "refs/main"} {
		h := newHub(t, map[string]string{"a.gguf": content})
		c, _ := newClient(t, h)
		out, dir := t.TempDir(), filepath.Join(c.Folder, folderName(repo))
		target := out
		if strings.Contains(place, etag) || place == "refs/main" {
			target = filepath.Join(out, "file")
			if err := os.WriteFile(target, []byte("mine"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		before := tree(t, out)
		link := filepath.Join(dir, filepath.FromSlash(place))
		if err := os.MkdirAll(filepath.Dir(link), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, link); err != nil {
			t.Skip(err)
		}
		_, _, err := pull(t, c, "hf:"+repo)
		if after := tree(t, out); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: outside there is now %q", place, after)
		}
		if place != "refs/main" && (err == nil || !strings.Contains(err.Error(), link) || !strings.Contains(err.Error(), "remove ")) {
			t.Errorf("%s: %v", place, err)
		}
	}
}

// A pipe in the place of anything in the cache holds nobody up: what is there is named.
func TestPipesInTheCache(t *testing.T) {
	content := "GGUF"
	etag := hubtest.ETag("a.gguf", content)
	dir := folderName(repo)
	for _, place := range []string{
		".", ".locks", ".locks/" + dir, dir, dir + "/blobs", dir + "/snapshots", dir + "/snapshots/" + commit, dir + "/refs", dir + "/refs/main",
		dir + "/blobs/" + etag, dir + "/blobs/" + etag + ".incomplete",
	} {
		h := newHub(t, map[string]string{"a.gguf": content})
		c, _ := newClient(t, h)
		t.Setenv("HF_HUB_CACHE", c.Folder)
		at := filepath.Join(c.Folder, filepath.FromSlash(place))
		if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
			t.Fatal(err)
		}
		if !makePipe(t, at) {
			t.Skip("there are no pipes with names")
		}
		if _, _, err := pull(t, c, "hf:"+repo); place != dir+"/refs/main" && (err == nil || !strings.Contains(err.Error(), at) || !strings.Contains(err.Error(), "remove ")) {
			t.Errorf("%s: pulled: %v", place, err)
		}
		if path, err := Find("hf:" + repo); place != dir+"/refs/main" && err == nil {
			t.Errorf("%s: found %s", place, path)
		}
	}
}

// What was changed in the cache since it came is not taken for what the hub has: neither
// by a pull, nor, if it is a patch, where it is found.
func TestChangedBlobs(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights, "p.bankai": "patch", "p.bankai.minisig": "signature"})
	c, _ := newClient(t, h)
	t.Setenv("HF_HUB_CACHE", c.Folder)
	for name, content := range map[string]string{"a.gguf": weights, "p.bankai": "patch", "p.bankai.minisig": "signature"} {
		ref := "hf:" + repo + "/" + name
		c.Offline = false
		p, _, err := pull(t, c, ref)
		if err != nil {
			t.Fatal(err)
		}
		if path, err := Find(ref); err != nil || path != p.Path {
			t.Errorf("%s: found %s, %v", name, path, err)
		}
		for _, placed := range []bool{false, true} { // as where there are no links
			if placed {
				if err := os.Remove(p.Path); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(p.Path, []byte("X"+content[1:]), 0o666); err != nil {
				t.Fatal(err)
			}
			for _, c.Offline = range []bool{false, true} {
				if placed && c.Offline { // where nobody knows its digest
					continue
				}
				if _, _, err := pull(t, c, ref); err == nil || !strings.Contains(err.Error(), "is not what its digest says, so it was changed since it came: remove it, and pull again") {
					t.Errorf("%s, offline %v: %v", name, c.Offline, err)
				}
			}
			if _, err := Find(ref); !placed && (err == nil) == (name == "p.bankai") {
				t.Errorf("%s: found: %v", name, err)
			}
		}
	}
}

// What is too large for a patch is no matter of room.
func TestSizeOfPatches(t *testing.T) {
	h := newHub(t, map[string]string{"p.bankai": "patch"})
	h.Before(func(w http.ResponseWriter, r *http.Request, _ bool) bool {
		w.Header().Set("X-Repo-Commit", commit)
		w.Header().Set("X-Linked-Etag", strings.Repeat("ab", 32))
		w.Header().Set("X-Linked-Size", "1000000000000")
		return true
	})
	c, _ := newClient(t, h)
	if _, _, err := pull(t, c, "hf:"+repo+"/p.bankai"); err == nil || !strings.Contains(err.Error(), "has 1.00 TB, and may have at most 537 MB") {
		t.Errorf("%v", err)
	}
}

// A snapshot's link that leads out of the cache is no file of it.
func TestFindFollowsNoLinkOut(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	folder := t.TempDir()
	t.Setenv("HF_HUB_CACHE", folder)
	snapshot := filepath.Join(folder, folderName(repo), "snapshots", commit)
	err := errors.Join(os.WriteFile(secret, []byte("GGUF"), 0o666), os.MkdirAll(snapshot, 0o777))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(snapshot, "a.gguf")); err != nil {
		t.Skip(err)
	}
	if path, err := Find("hf:" + repo + "@" + commit); !errors.Is(err, ErrNotHere) {
		t.Errorf("found %s, %v", path, err)
	}
}

// A cache as Python's library leaves it is read: with links, and, from Windows, with
// files in their place.
func TestFindReadsPythonsCache(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("HF_HUB_CACHE", folder)
	dir := filepath.Join(folder, "models--prism-ml--Bonsai-8B-gguf")
	blob := "403450e234d65943a7dcf7e05a771ce3c92faa84dd07db4ac20f592037a1e4bd"
	for _, d := range []string{"blobs", "refs", "snapshots/" + commit, "snapshots/" + other, ".no_exist/" + commit} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(d)), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"blobs/" + blob: "GGUF", "refs/main": commit, "refs/old": other, ".no_exist/" + commit + "/config.json": "",
		"snapshots/" + other + "/Bonsai-8B.gguf": "GGUF", "snapshots/" + commit + "/Bonsai-8B-F16.gguf": "floats",
	} {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../blobs/"+blob, filepath.Join(dir, "snapshots", commit, "Bonsai-8B-Q1_0.gguf")); err != nil {
		t.Skip(err)
	}
	for ref, want := range map[string]string{
		"bonsai-8b":                                     commit + "/Bonsai-8B-Q1_0.gguf",
		"hf:prism-ml/Bonsai-8B-gguf":                    commit + "/Bonsai-8B-Q1_0.gguf",
		"hf:prism-ml/Bonsai-8B-gguf@old":                other + "/Bonsai-8B.gguf",
		"hf:prism-ml/Bonsai-8B-gguf@main2":              "",
		"hf:prism-ml/Bonsai-8B-gguf/Bonsai-8B-F16.gguf": commit + "/Bonsai-8B-F16.gguf",
		"hf:prism-ml/Bonsai-8B-gguf/other.gguf":         "",
		"bonsai-4b":                                     "",
	} {
		path, err := Find(ref)
		if want == "" {
			if err == nil || err.Error() != ref+": is not on this machine: bankai pull "+ref {
				t.Errorf("%s: %s, %v", ref, path, err)
			}
			continue
		}
		if err != nil || path != filepath.Join(dir, "snapshots", filepath.FromSlash(want)) {
			t.Errorf("%s: %s, %v", ref, path, err)
		}
	}
}

// Offline, nobody is asked.
func TestOffline(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": "GGUF"})
	c, _ := newClient(t, h)
	c.Offline = true
	if _, _, err := pull(t, c, "hf:"+repo); err == nil || !strings.Contains(err.Error(), "HF_HUB_OFFLINE is set") {
		t.Errorf("%v", err)
	}
	c.Offline = false
	if _, _, err := pull(t, c, "hf:"+repo); err != nil {
		t.Fatal(err)
	}
	h.Seen()
	c.Offline = true
	if _, got, err := pull(t, c, "hf:"+repo); err != nil || got != "GGUF" || len(h.Seen()) > 0 {
		t.Errorf("%q, %v", got, err)
	}
}

// Where there are no symbolic links a file itself is in the snapshot, as Python leaves it
// there: without a blob, it is not brought again.
func TestWithoutLinks(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": weights})
	c, _ := newClient(t, h)
	if _, _, err := pull(t, c, "hf:"+repo); err != nil {
		t.Fatal(err)
	}
	r, err := openRepository(c.Folder, repo, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	etag := hubtest.ETag("a.gguf", weights)
	err = errors.Join(r.duplicate(blob(etag), "copy"), r.Rename("copy", pointer(commit, "a.gguf")), r.Remove(blob(etag)))
	if err != nil {
		t.Fatal(err)
	}
	h.Seen()
	if _, got, err := pull(t, c, "hf:"+repo); err != nil || got != weights || strings.Contains(strings.Join(h.Seen(), "\n"), "storage") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// If the hub cannot be reached, what is here is taken, as Python's library does, and the
// user is told, unless a commit was asked for. What is not here is an error.
func TestInstead(t *testing.T) {
	h := newHub(t, map[string]string{"a.gguf": "GGUF", "b.bankai": "patch"})
	c, told := newClient(t, h)
	if _, _, err := pull(t, c, "hf:"+repo); err != nil {
		t.Fatal(err)
	}
	c.Endpoint = "http://127.0.0.1:1"
	for _, s := range []struct{ ref, content, note string }{
		{"hf:" + repo, "GGUF", "hf:" + repo + " is taken as it was when it last came (commit c0ffee12c0ff); the hub may have a newer one"},
		{"hf:" + repo + "/a.gguf", "GGUF", "hf:" + repo + "/a.gguf is taken as it was"},
		{"hf:" + repo + "@" + commit, "GGUF", ""},
		{"hf:" + repo + "@" + other, "", ""},
		{"hf:" + repo + "/b.bankai", "", ""},
	} {
		told.notes, c.Offline = nil, false
		_, got, err := pull(t, c, s.ref)
		if got != s.content || err == nil != (s.content != "") || err != nil && !strings.HasSuffix(err.Error(), ": check the network, or HF_ENDPOINT") {
			t.Errorf("%s: %q, %v", s.ref, got, err)
		}
		if notes := strings.Join(told.notes, "\n"); !strings.Contains(notes, s.note) || s.note == "" && notes != "" || c.Offline != (err == nil) {
			t.Errorf("%s: %q, offline %t", s.ref, notes, c.Offline)
		}
	}
}

// A file that may not be as large as it is does not begin to come.
func TestMost(t *testing.T) {
	h := newHub(t, map[string]string{"a.bankai": weights})
	c, _ := newClient(t, h)
	ref := parsed(t, "hf:"+repo+"/a.bankai")
	ref.Most = 1000
	_, err := c.Pull(t.Context(), ref)
	if err == nil || err.Error() != "hf:"+repo+"/a.bankai: has 760 KB, and may have at most 1.00 KB" || strings.Contains(strings.Join(h.Seen(), "\n"), "storage") {
		t.Errorf("%v", err)
	}
	ref.Most = int64(len(weights))
	if _, err := c.Pull(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

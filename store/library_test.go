package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai"
)

// rows is a patch of one row for each number.
func rows(numbers ...uint32) *bankai.Patch {
	var flips []bankai.Flip
	for _, n := range numbers {
		f := upRow
		f.Row = n
		flips = append(flips, f)
	}
	return bankai.New(bankai.Digest{1}, bankai.Meta{BaseModel: "m"}, flips...)
}

// add is Library.Add of what must succeed.
func add(t *testing.T, l *Library, ref string, p *bankai.Patch, o AddOptions) Entry {
	t.Helper()
	name, tag, _ := strings.Cut(ref, ":")
	e, err := l.Add(t.Context(), name, tag, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// listed is what a library lists, as NAME:TAG=FLIPS.
func listed(t *testing.T, l *Library) string {
	t.Helper()
	all, err := l.List()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "%s:%s=%d ", e.Name, e.Tag, e.Flips)
	}
	return strings.TrimSpace(b.String())
}

// A name without a tag is the tag latest, which is the first patch of the name until
// another takes its place. What a tag names changes only when it is told to.
func TestTags(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	l := Open(filepath.Join(t.TempDir(), "not there yet"))
	if got := listed(t, l); got != "" {
		t.Errorf("an empty library lists %q", got)
	}
	for _, c := range []struct {
		do, ref string
		flips   int
		want    string
	}{
		{"add", "math", 1, "math:latest=1"},
		{"add", "math", 1, "math:latest=1"},
		{"taken", "math", 2, "math:latest=1"},
		{"add", "math:v2", 2, "math:latest=1 math:v2=2"},
		{"taken", "math:v2", 3, "math:latest=1 math:v2=2"},
		{"move", "math:v2", 3, "math:latest=1 math:v2=3"},
		{"move", "math", 3, "math:latest=3 math:v2=3"},
		{"add", "math:v1", 1, "math:latest=3 math:v1=1 math:v2=3"},
		{"add", "units:v1", 4, "math:latest=3 math:v1=1 math:v2=3 units:latest=4 units:v1=4"},
		{"remove", "math:v2", 0, "math:latest=3 math:v1=1 units:latest=4 units:v1=4"},
		{"unknown", "math:v2", 0, "math:latest=3 math:v1=1 units:latest=4 units:v1=4"},
		{"remove", "math:latest", 0, "math:v1=1 units:latest=4 units:v1=4"},
		{"unknown", "math", 0, "math:v1=1 units:latest=4 units:v1=4"},
		{"remove", "math", 0, "units:latest=4 units:v1=4"},
		{"unknown", "math:v1", 0, "units:latest=4 units:v1=4"},
		{"remove", "units:v1", 0, "units:latest=4"},
		{"remove", "units", 0, ""},
	} {
		name, tag, _ := strings.Cut(c.ref, ":")
		var err error
		var taken *TagTakenError
		switch p := rows([]uint32{1, 3, 5, 7, 9}[:c.flips]...); c.do {
		case "remove":
			_, err = l.Remove(t.Context(), c.ref)
		case "unknown":
			if _, err = l.Resolve(c.ref); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", c.ref, err)
			}
			err = nil
		default:
			_, err = l.Add(t.Context(), name, tag, p, AddOptions{Move: c.do == "move"})
			if errors.As(err, &taken) == (c.do == "taken") && taken != nil {
				err = nil
			}
		}
		if got := listed(t, l); err != nil || got != c.want {
			t.Errorf("%s %s: %v, %s, want %s", c.do, c.ref, err, got, c.want)
		}
	}
	sound(t, l)
}

// What is read is what was added, to the byte, by every way to refer to it.
func TestResolve(t *testing.T) {
	l := Open(t.TempDir())
	e := add(t, l, "math:v2", rows(1, 3), AddOptions{Source: "here"})
	other := add(t, l, "units", rows(5), AddOptions{})
	for ref, want := range map[string]Entry{
		"math": e, "math:latest": e, "math:v2": e, "units": other,
		"math@sha256:" + e.Patch.String():      e,
		"math@sha256:" + e.Patch.String()[:12]: e,
		"math:v2@sha256:" + e.Content.String(): e,
		"sha256:" + e.Patch.String():           e,
		"sha256:" + e.Patch.String()[:12]:      e,
		"sha256:" + other.Content.String():     other,
	} {
		got, err := l.Resolve(ref)
		if err != nil || got.Patch != want.Patch || got.Name != want.Name {
			t.Errorf("%s: %+v, %v", ref, got, err)
			continue
		}
		p, err := l.Patch(got)
		if err != nil || p.Len() != want.Flips || p.Meta().BaseModel != "m" {
			t.Errorf("%s: %v, %v", ref, p, err)
		}
	}
	for ref, want := range map[string]string{
		"maths":                             "has no patch maths: bankai library list",
		"math:v3":                           "math has the tags latest, v2",
		"math@sha256:" + digits('0', 64):    "math is sha256:" + e.Patch.String(),
		"math@sha256:00":                    "want sha256: and 12 to 64 hexadecimal digits",
		"math@md5:00":                       "want sha256: and hexadecimal digits",
		"sha256:" + digits('0', 64):         "has no patch sha256:000",
		"sha256:abc":                        "12 to 64 hexadecimal digits",
		"sha256:" + digits('A', 64):         "12 to 64 hexadecimal digits",
		"../math":                           "cannot be the name",
		"math:":                             "cannot be a tag",
		"math:../v2":                        "cannot be a tag",
		"math:v2:v3":                        "cannot be a tag",
		"":                                  "empty",
		"sha256:" + e.Patch.String() + "00": "12 to 64",
	} {
		if _, err := l.Resolve(ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", ref, err, want)
		}
	}
	if _, err := l.Add(t.Context(), "fix.json", "", rows(1), AddOptions{}); err == nil {
		t.Error("a name that every command would take for a file's was accepted")
	}
}

func digits(c rune, n int) string { return strings.Repeat(string(c), n) }

// What goes with a patch stays with it under all its tags, and the newest of a name counts.
func TestFiles(t *testing.T) {
	l := Open(t.TempDir())
	set := Attachment{Probes, "set.json", []byte("[]")}
	add(t, l, "math", rows(1), AddOptions{Files: []Attachment{set}})
	add(t, l, "math:v1", rows(1), AddOptions{Files: []Attachment{{Report, "page.html", []byte("<p>")}}})
	e, err := l.Resolve("math")
	if err != nil || len(e.Files) != 2 || e.Files[0].Name != "set.json" {
		t.Fatalf("%+v, %v", e.Files, err)
	}
	if data, err := l.Blob(e.Files[0].Digest); err != nil || string(data) != "[]" {
		t.Errorf("%q, %v", data, err)
	}
	set.Data = []byte("[ ]")
	add(t, l, "math", rows(1), AddOptions{Files: []Attachment{set}})
	freed, err := l.GC(t.Context())
	if err != nil || freed != (Freed{1, 2}) {
		t.Errorf("%+v, %v", freed, err)
	}
	sound(t, l)
}

// Collecting keeps what any name has, and frees the rest with its signatures.
func TestCollect(t *testing.T) {
	l := Open(t.TempDir())
	if freed, err := l.GC(t.Context()); err != nil || freed.Blobs != 0 {
		t.Errorf("a library that is not there: %+v, %v", freed, err)
	}
	sig := []Signature{{"0123456789abcdef", []byte("s")}}
	kept := add(t, l, "a", rows(1), AddOptions{Signed: sig})
	gone := add(t, l, "b", rows(3), AddOptions{Signed: sig})
	add(t, l, "c:x", rows(1), AddOptions{})
	for _, ref := range []string{"b", "a"} {
		if _, err := l.Remove(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if freed, err := l.GC(t.Context()); err != nil || freed != (Freed{1, gone.Bytes}) {
		t.Errorf("%+v, %v", freed, err)
	}
	for d, want := range map[bankai.Digest]int{kept.Patch: 1, gone.Patch: 0} {
		if all, err := l.Signatures(d); err != nil || len(all) != want {
			t.Errorf("%v signatures, %v", all, err)
		}
	}
	sound(t, l)
	damage(t, l, filepath.Join(nameFolder, "c.json"), "{")
	if _, err := l.GC(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing was collected") {
		t.Errorf("collected though a name cannot be read: %v", err)
	}
}

// damage replaces a file of a library.
func damage(t *testing.T, l *Library, path, content string) {
	t.Helper()
	path = filepath.Join(l.Dir(), path)
	os.Chmod(path, 0o644)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Damage is found and named, and the rest of the library goes on. Adding again mends it.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		what    string
		path    func(e Entry) string
		content func(old string) string
		want    string
	}{
		{"a patch with another byte", blobOf, func(s string) string { return s[:9] + "?" + s[10:] }, "changed or is damaged"},
		{"half a patch", blobOf, func(s string) string { return s[:9] }, "changed or is damaged"},
		{"another patch in its place", blobOf, func(string) string { return "{}" }, "changed or is damaged"},
		{"a name that is no JSON", nameOf, func(s string) string { return s[:20] }, "take the file away"},
		{"a name without tags", nameOf, func(string) string { return `{"version":1,"tags":{}}` }, "has no tags"},
		{"a name of another version", nameOf, func(s string) string { return strings.Replace(s, "1", "2", 1) }, "use a newer one"},
		{"a name with another's entry", nameOf, func(s string) string { return strings.ReplaceAll(s, `"a"`, `"b"`) }, `the tag "latest" is none`},
		{"a name that says more flips", nameOf, func(s string) string { return strings.ReplaceAll(s, `"flips": 1`, `"flips": 2`) }, "does not fit the patch"},
		{"a name with another digest of the content", nameOf, func(s string) string { return strings.ReplaceAll(s, e64(s, "content"), digits('1', 64)) }, "does not fit the patch"},
		{"a name with another size", nameOf, func(s string) string { return strings.ReplaceAll(s, `"bytes": `, `"bytes": 1`) }, "does not fit the patch"},
		{"a name that says its digest twice", nameOf, func(s string) string {
			return strings.ReplaceAll(s, `"flips"`, `"Digest": "`+digits('1', 64)+"\",\n      \"flips\"")
		}, "not as this program writes it"},
		{"a name with a path for a digest", nameOf, func(s string) string { return strings.ReplaceAll(s, `"digest": "`, `"digest": "../../`) }, "changed or is damaged"},
	} {
		l := Open(t.TempDir())
		e := add(t, l, "a", rows(1), AddOptions{})
		good := add(t, l, "b", rows(3), AddOptions{})
		old, err := os.ReadFile(filepath.Join(l.Dir(), c.path(e)))
		if err != nil {
			t.Fatal(err)
		}
		damage(t, l, c.path(e), c.content(string(old)))
		faults, err := l.Check(t.Context())
		if err != nil || len(faults) != 1 || !faults[0].Lost || !strings.Contains(faults[0].Why, c.want) {
			t.Errorf("%s: %v, %v", c.what, faults, err)
		}
		if _, err := l.Patch(good); err != nil {
			t.Errorf("%s: the other patch: %v", c.what, err)
		}
		if c.path(e) == nameOf(e) {
			os.Remove(filepath.Join(l.Dir(), nameOf(e)))
		}
		add(t, l, "a", rows(1), AddOptions{})
		sound(t, l)
	}
}

// e64 is the digest that a text has under a key.
func e64(s, key string) string {
	_, rest, _ := strings.Cut(s, `"`+key+`": "`)
	return rest[:64]
}

func blobOf(e Entry) string { return filepath.Join(blobFolder, hashFolder, e.Patch.String()) }
func nameOf(e Entry) string { return filepath.Join(nameFolder, e.Name+tagEnding) }

// Nothing is collected while a name cannot be read, or is not what it says: what it had
// may be there.
func TestCollectNothing(t *testing.T) {
	for what, spoil := range map[string]func(path string) error{
		"a link":           func(path string) error { return os.Symlink("elsewhere", path) },
		"a folder":         func(path string) error { return os.Mkdir(path, 0o777) },
		"half a file":      func(path string) error { return os.WriteFile(path, []byte(`{"version":1,`), 0o666) },
		"another's":        func(path string) error { return os.Rename(filepath.Join(filepath.Dir(path), "b.json"), path) },
		"under a bad name": func(path string) error { return os.WriteFile(path+"~", nil, 0o666) },
	} {
		l := Open(t.TempDir())
		e := add(t, l, "a", rows(1), AddOptions{})
		add(t, l, "b", rows(3), AddOptions{})
		path := filepath.Join(l.Dir(), nameOf(e))
		aside := filepath.Join(l.Dir(), "aside")
		if err := os.Rename(path, aside); err != nil {
			t.Fatal(err)
		}
		if err := spoil(path); err != nil {
			t.Log(what, err)
			continue
		}
		if _, err := l.GC(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "nothing was collected: ") {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Lstat(filepath.Join(l.Dir(), blobOf(e))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What lies in the folder and is no file of the library is never followed and never
// removed: links in the place of any part of it, devices, files of other names.
func TestStrangeFiles(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		folder bool // the link leads to a folder
	}{
		{path: lockFile},
		{path: nameFolder, folder: true},
		{path: filepath.Join(nameFolder, "a.json")},
		{path: filepath.Join(nameFolder, "x.json")},
		{path: blobFolder, folder: true},
		{path: filepath.Join(blobFolder, hashFolder), folder: true},
		{path: signatureFolder, folder: true},
		{path: filepath.Join(blobFolder, hashFolder, digits('0', 64))},
		{path: "strange"},
		{path: filepath.Join(nameFolder, "strange.txt")},
		{path: filepath.Join(signatureFolder, digits('1', 64)), folder: true},
	} {
		l := Open(t.TempDir())
		e := add(t, l, "a", rows(1), AddOptions{Signed: []Signature{{"0123456789ABCDEF", []byte("s")}}})
		link := filepath.Join(l.Dir(), c.path)
		os.RemoveAll(link)
		to := secret
		if c.folder {
			to = outside
		}
		if err := os.Symlink(to, link); err != nil {
			t.Skip("no symbolic links here:", err)
		}
		l.Resolve("a")
		l.Patch(e)
		l.List()
		l.Signatures(e.Patch)
		l.Check(t.Context())
		l.Add(t.Context(), "b", "", rows(3), AddOptions{Signed: []Signature{{"0123456789ABCDEF", []byte("s")}}})
		l.Add(t.Context(), "a", "", rows(3), AddOptions{Move: true})
		l.Remove(t.Context(), "a")
		l.GC(t.Context())
		if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
			t.Errorf("%s: what the link leads to became %q, %v", c.path, data, err)
		}
		if entries, _ := os.ReadDir(outside); len(entries) != 1 {
			t.Errorf("%s: the folder that the link leads to has %v", c.path, entries)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s: the link is gone: %v", c.path, err)
		}
	}
}

// Patches are read by name as they are by file, and a file of the name comes first.
func TestReaderOfNames(t *testing.T) {
	t.Chdir(t.TempDir())
	r := Reader{Library: Open("lib")}
	add(t, r.Library, "math:v2", rows(1, 3), AddOptions{})
	p, err := r.Raw("math")
	if err != nil || p.Len() != 2 {
		t.Errorf("%v, %v", p, err)
	}
	all, sum, err := r.Combine([]string{"math:v2"})
	if err != nil || sum.Len() != 2 || all[0].Meta().Name != "math" {
		t.Errorf("%v, %v", all, err)
	}
	for ref, want := range map[string]string{
		"units":       "units: there is no such file, and the library lib has no patch units",
		"Units":       "Units: file does not exist, and no name of the library",
		"math.bankai": "math.bankai: no such file",
		"./math":      "./math: no such file",
	} {
		if _, err := r.Raw(ref); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if err := rows(5).WriteFile("math.bankai"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("math.bankai", "math"); err != nil {
		t.Fatal(err)
	}
	if p, err = r.Raw("math"); err != nil || p.Len() != 1 {
		t.Errorf("beside a file of the name: %v, %v", p, err)
	}
	for ref, title := range map[string]string{"x/fix.bankai": "fix", "math:v2": "math", "units@sha256:" + digits('0', 64): "units", "fix": "fix", "a b": "a b"} {
		if got := Title(ref); got != title {
			t.Errorf("the title of %s is %q", ref, got)
		}
	}
}

// A reference that is read is written as it was.
func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"a", "a:b", "sha256:0123456789ab", "a@sha256:" + digits('f', 64), "a:_x@sha256:", ":", "@", "A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		if r.String() != s {
			t.Errorf("%q is written %q", s, r)
		}
		if strings.ContainsAny(r.Name+r.Tag, `/\`) || r.Name == ".." {
			t.Errorf("%q has the name %q and the tag %q", s, r.Name, r.Tag)
		}
	})
}

// What a file of a name holds can be anything: it is read or refused.
func FuzzTags(f *testing.F) {
	l := Open(f.TempDir())
	if _, err := l.Add(f.Context(), "a", "v1", rows(1), AddOptions{}); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(l.Dir(), nameFolder, "a.json")
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"tags":{"latest":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if all, err := l.List(); err == nil && len(all) == 0 {
			t.Error("a name without tags was read")
		}
		l.Check(t.Context())
	})
}

// A home in which there is no library yet is one without faults, and stays as it is.
func TestNoHome(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "not there"))
	faults, err := l.Check(t.Context())
	freed, collected := l.GC(t.Context())
	if len(faults) > 0 || freed != (Freed{}) || errors.Join(err, collected, l.Usable()) != nil {
		t.Errorf("%v, %v, %v, %v, %v", faults, freed, err, collected, l.Usable())
	}
	if _, err := os.Lstat(l.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there now: %v", err)
	}
}

// What is no folder cannot be a library: whatever is wanted of it, that is the error.
func TestHomeThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	l, want := Open(path), path+": the library cannot be used: it is no folder, but a file: choose another folder with BANKAI_HOME"
	for what, do := range map[string]func() error{
		"add":     func() error { _, err := l.Add(t.Context(), "fix", "", rows(1), AddOptions{}); return err },
		"list":    func() error { _, err := l.List(); return err },
		"resolve": func() error { _, err := l.Resolve("fix"); return err },
		"digest":  func() error { _, err := l.Resolve("sha256:000000000000"); return err },
		"remove":  func() error { _, err := l.Remove(t.Context(), "fix"); return err },
		"collect": func() error { _, err := l.GC(t.Context()); return err },
		"check":   func() error { _, err := l.Check(t.Context()); return err },
		"trust":   func() error { _, err := l.Trust(); return err },
		"use":     l.Usable,
	} {
		if err := do(); err == nil || err.Error() != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := Open(filepath.Join(path, "below")).Usable(); err == nil || !strings.Contains(err.Error(), "below: the library cannot be used: ") {
		t.Errorf("below a file: %v", err)
	}
}

// A library that can only be read says so, and which it is, before anything is changed.
func TestReadOnly(t *testing.T) {
	l := Open(t.TempDir())
	add(t, l, "fix", rows(1), AddOptions{})
	lock := l.at(lockFile)
	if err := os.Chmod(lock, 0o444); err != nil {
		t.Fatal(err)
	}
	if f, err := os.OpenFile(lock, os.O_RDWR, 0); err == nil {
		f.Close()
		t.Skip("this user may write to all files")
	}
	for what, do := range map[string]func() error{
		"add":     func() error { _, err := l.Add(t.Context(), "fix", "v2", rows(2), AddOptions{}); return err },
		"remove":  func() error { _, err := l.Remove(t.Context(), "fix"); return err },
		"collect": func() error { _, err := l.GC(t.Context()); return err },
	} {
		if err := do(); err == nil || !strings.HasPrefix(err.Error(), l.Dir()+": the library cannot be used: ") || !strings.HasSuffix(err.Error(), "choose another folder with BANKAI_HOME") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := listed(t, l); got != "fix:latest=1" {
		t.Errorf("it has %s now", got)
	}
}

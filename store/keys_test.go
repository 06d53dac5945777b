package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai"
	"bankai/store/signature"
)

func newKey(t *testing.T) signature.SecretKey {
	t.Helper()
	k, err := signature.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign keeps a signature of an entry.
func sign(t *testing.T, l *Library, e Entry, k signature.SecretKey) {
	t.Helper()
	p, err := l.Patch(e)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signature.Sign(k, p, signature.Comment{Time: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Sign(context.Background(), e.Patch, Signature{Key: k.Public().ID().String(), Text: sig}); err != nil {
		t.Fatal(err)
	}
}

func trustKey(t *testing.T, l *Library, k signature.Trusted) signature.Trusted {
	t.Helper()
	k, err := l.TrustKey(context.Background(), k)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// whom are those that are trusted, in words.
func whom(t *testing.T, l *Library) string {
	t.Helper()
	trust, err := l.Trust()
	if err != nil {
		t.Error(err)
	}
	var all []string
	for _, k := range trust {
		all = append(all, k.Name)
	}
	return strings.Join(all, " ")
}

// Keys are trusted, trusted with something else, and trusted no more.
func TestTrustedKeys(t *testing.T) {
	ctx, l := context.Background(), Open(filepath.Join(t.TempDir(), "library"))
	if got := whom(t, l); got != "" {
		t.Errorf("at first %s is trusted", got)
	}
	ann := newKey(t).Public()
	for _, as := range []signature.Trusted{{Key: ann, Name: "ann"}, {Key: ann, Name: "Ann", Names: []string{"math*"}}} {
		trustKey(t, l, as)
		if got := whom(t, l); got != as.Name {
			t.Errorf("trusted: %s, want %s", got, as.Name)
		}
	}
	if _, err := l.TrustKey(ctx, signature.Trusted{Key: ann, Names: []string{"["}}); err == nil {
		t.Error("a pattern that is none was taken")
	}
	if faults, err := l.Check(ctx); err != nil || len(faults) > 0 {
		t.Errorf("faults: %v, %v", faults, err)
	}
	if err := l.DistrustKey(ctx, ann.ID()); err != nil || whom(t, l) != "" {
		t.Errorf("trusted no more: %v", err)
	}
	if err := l.DistrustKey(ctx, ann.ID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("twice: %v", err)
	}
}

// Who trusts a key again widens nothing by saying less: limits end when that is said.
func TestTrustedAgain(t *testing.T) {
	l, k := Open(t.TempDir()), newKey(t).Public()
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	bases, names := []bankai.Digest{{1}}, []string{"math*"}
	for i, c := range []struct{ say, want signature.Trusted }{
		{signature.Trusted{Name: "ann", Bases: bases, Names: names}, signature.Trusted{Name: "ann", Bases: bases, Names: names}},
		{signature.Trusted{}, signature.Trusted{Name: "ann", Bases: bases, Names: names}},
		{signature.Trusted{Name: "Ann", Names: []string{"x", "y"}}, signature.Trusted{Name: "Ann", Bases: bases, Names: []string{"x", "y"}}},
		{signature.Trusted{Bases: []bankai.Digest{}}, signature.Trusted{Name: "Ann", Names: []string{"x", "y"}}},
		{signature.Trusted{Names: []string{}}, signature.Trusted{Name: "Ann"}},
	} {
		c.say.Key, c.say.Added = k, at(int64(i)+1)
		c.want.Key, c.want.Added = k, at(1)
		said := trustKey(t, l, c.say)
		trust, err := l.Trust()
		if err != nil || len(trust) != 1 || !reflect.DeepEqual(trust[0], c.want) || said.String() != c.want.String() ||
			!slices.Equal(said.Bases, c.want.Bases) || !slices.Equal(said.Names, c.want.Names) {
			t.Errorf("%d: returned %+v, and there is %+v, %v; want %+v", i, said, trust, err, c.want)
		}
	}
}

// A file that is no key as it was trusted is nobody's, and takes the place of none: what
// it said may have been a limit.
func TestDamagedKeys(t *testing.T) {
	ctx, l := context.Background(), Open(t.TempDir())
	ann, bob := newKey(t).Public(), newKey(t).Public()
	for _, k := range []signature.Trusted{{Key: ann, Name: "ann"}, {Key: bob, Name: "bob"}} {
		trustKey(t, l, k)
	}
	path := l.at(keyFolder, ann.ID().String()+keyEnding)
	for what, text := range map[string]string{
		"half":         `{"key": "RW`,
		"another key":  `{"key": "` + bob.String() + `"}`,
		"a new limit":  `{"key": "` + ann.String() + `", "until": "2030"}`,
		"nothing":      "",
		"a huge thing": strings.Repeat(" ", maxKeyFile+1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		trust, err := l.Trust()
		if err == nil || !strings.HasPrefix(err.Error(), path) || len(trust) != 1 || trust[0].Name != "bob" {
			t.Errorf("%s: %v, %v", what, trust, err)
		}
		if _, err := l.TrustKey(ctx, signature.Trusted{Key: ann}); err == nil {
			t.Errorf("%s: was replaced without a word", what)
		}
	}
	if err := l.DistrustKey(ctx, ann.ID()); err != nil || whom(t, l) != "bob" {
		t.Errorf("taken away: %v", err)
	}
}

// A link, or a folder, in the place of a key is neither followed nor removed.
func TestStrangeKeys(t *testing.T) {
	ctx, l := context.Background(), Open(t.TempDir())
	ann, bob := newKey(t).Public(), newKey(t).Public()
	trustKey(t, l, signature.Trusted{Key: bob, Name: "bob"})
	path, outside := l.at(keyFolder, ann.ID().String()+keyEnding), filepath.Join(t.TempDir(), "ann.json")
	if err := os.WriteFile(outside, []byte(`{"key": "`+ann.String()+`"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, path); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(l.at(keyFolder, "readme"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := whom(t, l); got != "bob" {
		t.Errorf("trusted: %s", got)
	}
	if _, err := l.TrustKey(ctx, signature.Trusted{Key: ann}); err == nil {
		t.Error("a link was written to")
	}
	if err := l.DistrustKey(ctx, ann.ID()); err == nil {
		t.Error("a link was removed")
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	if faults, err := l.Check(ctx); err != nil || len(faults) != 2 || faults[0].Lost {
		t.Errorf("faults: %v, %v", faults, err)
	}
}

// Who signed a patch of the library depends on who is trusted with it.
func TestSignerOf(t *testing.T) {
	ctx, l := context.Background(), Open(t.TempDir())
	ann, bob := newKey(t), newKey(t)
	e := add(t, l, "math", rows(1), AddOptions{})
	trust := func(k signature.SecretKey, names ...string) signature.Trusted {
		return signature.Trusted{Key: k.Public(), Names: names}
	}
	if _, err := l.SignerOf(e, signature.Trust{trust(ann)}); !errors.Is(err, signature.ErrUnsigned) {
		t.Errorf("before it was signed: %v", err)
	}
	sign(t, l, e, bob)
	sign(t, l, e, ann)
	for _, c := range []struct {
		trust signature.Trust
		by    signature.SecretKey
		err   error
	}{
		{signature.Trust{trust(ann)}, ann, nil},
		{signature.Trust{trust(bob), trust(ann, "units")}, bob, nil},
		{signature.Trust{trust(bob, "units")}, bob, signature.ErrLimited},
	} {
		by, err := l.SignerOf(e, c.trust)
		if !errors.Is(err, c.err) || err == nil && !by.Key.Equal(c.by.Public()) {
			t.Errorf("signed by %v, %v; want %v", by.Key.ID(), err, c.err)
		}
	}
	var unknown *signature.UntrustedError
	if _, err := l.SignerOf(e, nil); !errors.As(err, &unknown) {
		t.Errorf("nobody is trusted: %v", err)
	}
	if _, err := l.Remove(ctx, "math"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.GC(ctx); err != nil {
		t.Fatal(err)
	}
	if sigs, err := l.Signatures(e.Patch); err != nil || len(sigs) != 0 {
		t.Errorf("%d signatures of nothing, %v", len(sigs), err)
	}
}

// A signature in the name of somebody who is trusted, which does not hold, is not kept: it
// would take the place of the good one.
func TestFalseSignatures(t *testing.T) {
	ctx, l, ann := context.Background(), Open(t.TempDir()), newKey(t)
	trust := signature.Trusted{Key: ann.Public()}
	e := add(t, l, "math", rows(1), AddOptions{})
	sign(t, l, e, ann)
	sig, err := signature.Sign(ann, rows(2), signature.Comment{Time: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	other := Signature{Key: ann.Public().ID().String(), Text: sig}
	trustKey(t, l, trust)
	if err := l.Sign(ctx, e.Patch, other); !errors.Is(err, signature.ErrTampered) {
		t.Errorf("signed with the signature of another patch: %v", err)
	}
	if _, err := l.Add(ctx, "units", "", rows(1), AddOptions{Signed: []Signature{other}}); !errors.Is(err, signature.ErrTampered) || !strings.HasPrefix(err.Error(), "nothing was kept: ") {
		t.Errorf("added with the signature of another patch: %v", err)
	}
	if got := listed(t, l); strings.Contains(got, "units") {
		t.Errorf("there are %s", got)
	}
	if _, err := l.SignerOf(e, signature.Trust{trust}); err != nil {
		t.Errorf("the good signature is gone: %v", err)
	}
	if err := l.Sign(ctx, bankai.Digest{1}, other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a patch that is not there was signed: %v", err)
	}
}

// Who watches a library sees that something was signed, and that somebody is trusted.
func TestWatchOfSignatures(t *testing.T) {
	ctx, l, ann := context.Background(), Open(t.TempDir()), newKey(t)
	e := add(t, l, "math", rows(1), AddOptions{})
	w := l.Watch()
	for _, c := range []struct {
		what    string
		do      func() error
		changed bool
	}{
		{"the first look", func() error { return nil }, true},
		{"nothing", func() error { return nil }, false},
		{"signed", func() error { sign(t, l, e, ann); return nil }, true},
		{"signed again, which may be otherwise", func() error { sign(t, l, e, ann); return nil }, true},
		{"trusted", func() error { trustKey(t, l, signature.Trusted{Key: ann.Public()}); return nil }, true},
		{"trusted with less", func() error {
			trustKey(t, l, signature.Trusted{Key: ann.Public(), Bases: []bankai.Digest{{1}}})
			return nil
		}, true},
		{"trusted no more", func() error { return l.DistrustKey(ctx, ann.Public().ID()) }, true},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		if _, changed, err := w.Look(); err != nil || changed != c.changed {
			t.Errorf("%s: changed is %v, %v", c.what, changed, err)
		}
	}
}

// Who watches whom the user trusts sees every change, of a file's text alone, too, and what
// cannot be read.
func TestWatchTrust(t *testing.T) {
	ctx, l, ann := context.Background(), Open(t.TempDir()), newKey(t)
	id := ann.Public().ID()
	path := l.at(keyFolder, id.String()+keyEnding)
	edit := func(from, to string) func() error {
		return func() error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, []byte(strings.Replace(string(data), from, to, 1)), 0o666)
		}
	}
	w := l.WatchTrust()
	for _, c := range []struct {
		what   string
		do     func() error
		names  string // of the trusted
		unread string
	}{
		{"nothing is there", func() error { return nil }, "[]", ""},
		{"trusted", func() error {
			_, err := l.TrustKey(ctx, signature.Trusted{Key: ann.Public(), Name: "ann"})
			return err
		}, "[ann]", ""},
		{"nothing", func() error { return nil }, "[ann]", ""},
		{"another name", edit("ann", "bob"), "[bob]", ""},
		{"damaged", edit(`"name"`, `"Name"`), "[]", id.String() + ".json"},
		{"mended", edit(`"Name"`, `"name"`), "[bob]", ""},
		{"trusted no more", func() error { return l.DistrustKey(ctx, id) }, "[]", ""},
	} {
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		trust, err := w.Trust()
		names := []string{}
		for _, k := range trust {
			names = append(names, k.Name)
		}
		if fmt.Sprint(names) != c.names || (err == nil) != (c.unread == "") || err != nil && !strings.Contains(err.Error(), c.unread) {
			t.Errorf("%s: %v, %v", c.what, names, err)
		}
	}
}

// The signature of a file lies beside it.
func TestReaderSignatures(t *testing.T) {
	l, ann := Open(t.TempDir()), newKey(t)
	r := Reader{Library: l}
	sign(t, l, add(t, l, "math", rows(1), AddOptions{}), ann)
	path := filepath.Join(t.TempDir(), "p.bankai")
	if err := rows(1).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]int{path: 0, "math": 1} {
		if sigs, err := r.Signatures(ref); err != nil || len(sigs) != want {
			t.Errorf("%s: %d, %v", ref, len(sigs), err)
		}
	}
	if err := os.WriteFile(path+signature.Extension, []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if sigs, err := r.Signatures(path); err != nil || len(sigs) != 1 || string(sigs[0]) != "x" {
		t.Errorf("%s, %v", sigs, err)
	}
	if _, err := r.Signatures("units"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of what is not there: %v", err)
	}
}

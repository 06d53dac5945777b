package signature

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai"
)

// The files in testdata were made by minisign 0.11 (-G, -G -W, -S and -S -l), but for
// the patch.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// noPassword is for keys that have none.
func noPassword() (string, error) { return "", errors.New("asked for a password") }

func secretKey(t testing.TB) SecretKey {
	t.Helper()
	k, err := ParseSecretKey(golden(t, "plain.key"), noPassword)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func generate(t testing.TB) SecretKey {
	t.Helper()
	k, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var (
	model = bankai.Digest{1, 2, 3}
	at    = time.Unix(1_700_000_000, 0).UTC()
	gate  = bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 3, N: 128}
	up    = bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 5, N: 128}
)

func patch(flips ...bankai.Flip) *bankai.Patch {
	return bankai.New(model, bankai.Meta{Name: "fix", Description: "mends sums"}, flips...)
}

func sign(t testing.TB, k SecretKey, p *bankai.Patch, note string) []byte {
	t.Helper()
	sig, err := Sign(k, p, Comment{Name: p.Meta().Name, Time: at, Note: note})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// A signature is four lines, which are the same whenever the same is signed.
func TestSign(t *testing.T) {
	k, p := secretKey(t), patch(gate)
	sig := sign(t, k, p, "tried on the 8B")
	if !bytes.Equal(sig, sign(t, k, p, "tried on the 8B")) {
		t.Error("the same patch has another signature")
	}
	lines := strings.Split(string(sig), "\n")
	want := "trusted comment: bankai patch v1 base=0102030000000000000000000000000000000000000000000000000000000000" +
		" content=" + p.ContentDigest().String() + " name=fix time=1700000000 note=tried on the 8B"
	if len(lines) != 5 || lines[2] != want || lines[0] != "untrusted comment: signature of a bankai patch by the key "+k.Public().ID().String() {
		t.Errorf("got\n%s", sig)
	}
	signed, err := Check(sig, p, []PublicKey{generate(t).Public(), k.Public()})
	if err != nil || !signed.Key.Equal(k.Public()) {
		t.Fatalf("signed by %v, %v", signed.Key, err)
	}
	if c := *signed.Comment; c != (Comment{model, p.ContentDigest(), "fix", at, "tried on the 8B"}) {
		t.Errorf("the comment is %+v", c)
	}
	for _, note := range []string{"two\nlines", "\x1b[31m", " ", "caf\xe9", strings.Repeat("x", 501)} {
		if _, err := Sign(k, p, Comment{Time: at, Note: note}); err == nil {
			t.Errorf("the comment %q was taken", note)
		}
	}
}

// What a patch is called may be anything.
func TestSignedNames(t *testing.T) {
	k := secretKey(t)
	for _, name := range []string{"", "a b", "x note=y", "a/b%20=c", "\x1b[31m", "é\u2028", strings.Repeat("é", 1000)} {
		p := patch(gate).WithMeta(bankai.Meta{Name: name})
		signed, err := Check(sign(t, k, p, "n"), p, []PublicKey{k.Public()})
		want := []rune(name)
		if len(want) > 64 {
			want = append(want[:63], '…')
		}
		if err != nil || signed.Comment.Name != string(want) || signed.Comment.Note != "n" {
			t.Errorf("%q: %+v, %v", name, signed.Comment, err)
		}
	}
}

// Signatures of minisign's are good, of the hash of a patch and of the patch itself.
// Nothing is known then of what they say.
func TestMinisignsOwn(t *testing.T) {
	p, err := bankai.Read(bytes.NewReader(golden(t, "fix.bankai")))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePublicKey(golden(t, "plain.pub"))
	if err != nil || !k.Equal(secretKey(t).Public()) {
		t.Fatalf("the public key is %v, %v", k, err)
	}
	for _, name := range []string{"fix.bankai.minisig", "legacy.minisig"} {
		signed, err := Check(golden(t, name), p, []PublicKey{k})
		if err != nil || signed.Line != "by hand" || signed.Comment != nil {
			t.Errorf("%s: %+v, %v", name, signed, err)
		}
	}
}

// Files of signatures are read as minisign reads them, or refused in words.
func TestParse(t *testing.T) {
	k, p := secretKey(t), patch(gate)
	sig := string(sign(t, k, p, ""))
	lines := strings.SplitAfter(sig, "\n")
	for _, c := range []struct{ name, sig, refused string }{
		{"as it is", sig, ""},
		{"lines of Windows", strings.ReplaceAll(sig, "\n", "\r\n"), ""},
		{"no last end of line", strings.TrimSuffix(sig, "\n"), ""},
		{"more lines", sig + "more\n\n", ""},
		{"another comment for people", strings.Replace(sig, "signature of", "caf\xe9", 1), ""},
		{"nothing", "", "it has 0 whole lines, and one has 4"},
		{"a line", lines[0], "it has 1 whole line, and one has 4"},
		{"a line less", strings.Join(lines[1:], ""), "its first line does not begin with"},
		{"a line more before", "\n" + sig, "its first line does not begin with"},
		{"lines in another order", lines[2] + lines[1] + lines[0] + lines[3], "its first line does not begin with"},
		{"a zero byte", strings.Replace(sig, "signature of", "signature\x00of", 1), "a comment of it has a zero byte"},
		{"a space", lines[0] + strings.Replace(lines[1], "\n", " \n", 1) + lines[2] + lines[3], "its line 2 is not base64 of 74 bytes"},
		{"no padding", strings.ReplaceAll(sig, "==", ""), "its line 4 is not base64 of 64 bytes"},
		{"another method", lines[0] + "RXR" + lines[1][3:] + lines[2] + lines[3], "invalid algorithm"},
		{"a public key", string(k.Public().File()), "it has 2 whole lines"},
		{"a huge file", sig + strings.Repeat("x", MaxSize), "and one fits into 16384"},
	} {
		_, err := Check([]byte(c.sig), p, []PublicKey{k.Public()})
		switch {
		case c.refused == "" && err != nil, c.refused != "" && !errors.Is(err, ErrMalformed):
			t.Errorf("%s: %v", c.name, err)
		case c.refused != "" && !strings.Contains(err.Error(), c.refused):
			t.Errorf("%s: %v, want %q", c.name, err, c.refused)
		}
	}
	s, err := Parse([]byte(strings.ReplaceAll(sig, "\n", "\r\n") + "more\n"))
	if err != nil || string(s.Text()) != sig || s.KeyID() != k.Public().ID() {
		t.Errorf("written again it is %s, %v", s.Text(), err)
	}
}

// A patch that was changed after it was signed is refused, and so is one whose signature
// was: each for what it is.
func TestCheckRefuses(t *testing.T) {
	k, p := secretKey(t), patch(gate)
	other := generate(t)
	sig := sign(t, k, p, "")
	resigned := func(c Comment) []byte { // as a key's owner could with other tools
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return signLine(k, data, c.String())
	}
	good := Comment{Base: p.Base(), Content: p.ContentDigest(), Time: at}
	wrongBase, wrongContent := good, good
	wrongBase.Base, wrongContent.Content = bankai.Digest{9}, bankai.Digest{9}
	for _, c := range []struct {
		name    string
		sig     []byte
		p       *bankai.Patch
		keys    []PublicKey
		refused string
	}{
		{"no key", sig, p, nil, "signed by another key, " + k.Public().ID().String() + " (" + k.Public().String()[:13] + "…)"},
		{"another key", sig, p, []PublicKey{other.Public()}, "signed by another key"},
		{"other flips", sig, patch(up), []PublicKey{k.Public()}, "the patch was changed after the key"},
		{"another model", sig, p.WithBase(bankai.Digest{9}), []PublicKey{k.Public()}, "the patch was changed after the key"},
		{"other words", sig, p.WithMeta(bankai.Meta{Name: "fix"}), []PublicKey{k.Public()}, "the patch was changed after the key"},
		{"another comment", bytes.Replace(sig, []byte("name=fix"), []byte("name=fox"), 1), p, []PublicKey{k.Public()}, "the signature or its comment was changed"},
		{"a comment about another model", resigned(wrongBase), p, []PublicKey{k.Public()}, "its comment is about a patch for the model 0900"},
		{"a comment about other flips", resigned(wrongContent), p, []PublicKey{k.Public()}, "its comment is about the content 0900"},
	} {
		signed, err := Check(c.sig, c.p, c.keys)
		var unknown *UnknownKeyError
		if err == nil || !strings.Contains(err.Error(), c.refused) || !errors.Is(err, ErrTampered) && !errors.As(err, &unknown) {
			t.Errorf("%s: signed by %v, %v; want %q", c.name, signed.Key, err, c.refused)
		}
	}
	if _, err := Check(resigned(good), p, []PublicKey{k.Public()}); err != nil {
		t.Errorf("signed with another tool: %v", err)
	}
}

// No byte of what is signed can change.
func TestEveryByteOfThePatch(t *testing.T) {
	k, p := secretKey(t), patch(gate, up)
	s, err := Parse(sign(t, k, p, ""))
	if err != nil {
		t.Fatal(err)
	}
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	keys := []PublicKey{k.Public()}
	if _, err := s.by(data, keys); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		if _, err := s.by(data[:i], keys); !errors.Is(err, ErrTampered) {
			t.Errorf("cut off after %d bytes: %v", i, err)
		}
		for bit := range 8 {
			changed := slices.Clone(data)
			changed[i] ^= 1 << bit
			if _, err := s.by(changed, keys); !errors.Is(err, ErrTampered) {
				t.Errorf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
	if _, err := s.by(append(data, 0), keys); !errors.Is(err, ErrTampered) {
		t.Errorf("a byte more: %v", err)
	}
}

// No byte of a signature can change but in the comment for people, which nobody signed.
func TestEveryByteOfTheSignature(t *testing.T) {
	k, p := secretKey(t), patch(gate)
	sig := sign(t, k, p, "a note")
	keys := []PublicKey{k.Public()}
	from, to := len(untrusted), bytes.IndexByte(sig, '\n')
	accepted := 0
	for i := range sig {
		if _, err := Check(sig[:i], p, keys); (err == nil) != (i == len(sig)-1) {
			t.Errorf("cut off after %d of %d bytes: %v", i, len(sig), err)
		}
		for bit := range 8 {
			changed := slices.Clone(sig)
			changed[i] ^= 1 << bit
			_, err := Check(changed, p, keys)
			switch inComment, isLast := from <= i && i < to, i == len(sig)-1; {
			case err == nil && inComment:
				accepted++
			case err == nil && !(isLast && changed[i] == '\r'):
				t.Errorf("bit %d of byte %d was taken: %q", bit, i, changed)
			}
		}
	}
	if accepted < (to-from)*7 {
		t.Errorf("%d changes of the comment for people were taken: it is no part of what is signed", accepted)
	}
}

// The example of FORMAT.md is what is written.
func TestFormatExample(t *testing.T) {
	data, err := os.ReadFile("../../FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	k := secretKey(t)
	for _, part := range [][]byte{sign(t, k, patch(gate), "tried on the 8B"), k.Public().File()} {
		if !bytes.Contains(data, part) {
			t.Errorf("FORMAT.md does not have\n%s", part)
		}
	}
}

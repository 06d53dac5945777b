package signature

import (
	"bytes"
	"testing"
)

// What is read as a signature is written as one that is read as the same, and a good one
// is of the key that made it.
func FuzzParse(f *testing.F) {
	k, p := secretKey(f), patch(gate)
	sig := sign(f, k, p, "a note")
	f.Add(sig)
	f.Add(bytes.ReplaceAll(sig, []byte("\n"), []byte("\r\n")))
	f.Add(golden(f, "fix.bankai.minisig"))
	f.Add(golden(f, "legacy.minisig"))
	f.Add([]byte("untrusted comment: \n\ntrusted comment: \n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.Text())
		if err != nil || !again.sig.Equal(s.sig) || again.sig.UntrustedComment != s.sig.UntrustedComment {
			t.Fatalf("%q became %q, %v", text, s.Text(), err)
		}
		signed, err := Check(text, p, []PublicKey{k.Public()})
		if err != nil {
			return
		}
		if signed.Line != s.Comment() || signed.Comment != nil && signed.Comment.Content != p.ContentDigest() {
			t.Fatalf("%q says %+v", text, signed)
		}
	})
}

// What is read as a comment is written as the same line.
func FuzzParseComment(f *testing.F) {
	c := Comment{Base: model, Content: patch(gate).ContentDigest(), Name: "a fix", Time: at}
	f.Add(c.String())
	f.Add(c.String() + " note=x note=y")
	f.Add("bankai patch v2 ")
	f.Add("timestamp:1\tfile:x")
	f.Fuzz(func(t *testing.T, line string) {
		c, ours, err := parseComment(line)
		if !ours || err != nil {
			return
		}
		again, ours, err := parseComment(c.String())
		if !ours || err != nil || again != c {
			t.Fatalf("%q became %q, %v", line, c.String(), err)
		}
	})
}

// No text is read as a key that is not written as such, or shows its secret half as the
// public one.
func FuzzParseKeys(f *testing.F) {
	f.Add(golden(f, "plain.key"))
	f.Add(golden(f, "plain.pub"))
	f.Add([]byte(secretKey(f).Public().String()))
	f.Add([]byte("untrusted comment: x\nRWQ"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, err := ParsePublicKey(text); err == nil {
			if again, err := ParsePublicKey(k.File()); err != nil || !again.Equal(k) {
				t.Fatalf("%q became %q, %v", text, k.File(), err)
			}
		}
		k, err := ParseSecretKey(text, noPassword)
		if err != nil {
			return
		}
		file, err := k.File("")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseSecretKey(file, noPassword); err != nil || !again.key.Equal(k.key) {
			t.Fatalf("%q became %q, %v", text, file, err)
		}
	})
}

// A trusted key that is read has limits that can be checked.
func FuzzParseTrusted(f *testing.F) {
	k := secretKey(f)
	p := patch(gate)
	sig := sign(f, k, p, "")
	f.Add([]byte(`{"key": "`+k.Public().String()+`", "names": ["m*"], "base": ["`+model.String()+`"]}`), "math")
	f.Add([]byte(`{"key": "`+k.Public().String()+`"}`), "")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		trusted, err := ParseTrusted(text)
		if err != nil {
			return
		}
		by, err := Trust{trusted}.Check(name, p, [][]byte{sig})
		if err == nil && !by.Key.Equal(k.Public()) {
			t.Fatalf("%s: signed by %v", text, by)
		}
	})
}

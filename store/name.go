package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Latest is the tag that is meant where none is said.
const Latest = "latest"

// maxName bounds the length of names and of tags, in bytes.
const maxName = 64

// CheckName refuses what cannot be the name of a patch. A name has 1 to 64 of the
// characters a-z, 0-9, '.', '_' and '-', and begins with a letter or a digit: so it is no
// path, has none of ':', '+' and '@', which stand between names, and is no other name in
// a file system that ignores case. "latest" stands for the model without patches.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the patch's name is empty: give it one such as math")
	case len(name) > maxName:
		return fmt.Errorf("the patch's name has %d characters: at most %d are allowed", len(name), maxName)
	case name == Latest:
		return fmt.Errorf("a patch cannot be called %q, which stands for the model without patches: give it another name", name)
	case name == "sha256":
		return fmt.Errorf("%q cannot be the name of a patch: digests begin so", name)
	case !isWord(name, false):
		return fmt.Errorf("%q cannot be the name of a patch: names have the characters a-z, 0-9, '.', '_' and '-', and begin with a letter or a digit", name)
	}
	return nil
}

// CheckTag refuses what cannot be a tag: it is a name that may also begin with '_'.
func CheckTag(tag string) error {
	if !isWord(tag, true) || len(tag) > maxName {
		return fmt.Errorf("%q cannot be a tag: tags have 1 to %d of the characters a-z, 0-9, '.', '_' and '-', and begin with a letter, a digit or '_'", tag, maxName)
	}
	return nil
}

// isWord reports whether a text is made of the characters of names.
func isWord(s string, underscore bool) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && (c != '.' && c != '_' && c != '-' || i == 0 && (c != '_' || !underscore)) {
			return false
		}
	}
	return s != ""
}

// Ref is a reference to a patch of a library: NAME, NAME:TAG, either of them pinned by
// @sha256:HEX, or sha256:HEX alone.
type Ref struct {
	Name, Tag string // Tag is Latest where none was said
	HasTag    bool   // one was said
	// Digest is lower-case hexadecimal, of the patch's encoding or of its content: 12 to 64
	// digits; "" for none.
	Digest string
}

// leastDigits is how much of a digest names a patch.
const leastDigits = 12

const sha256Prefix = "sha256:"

// ParseRef reads a reference.
func ParseRef(text string) (Ref, error) {
	if hex, only := strings.CutPrefix(text, sha256Prefix); only {
		return Ref{Digest: hex}, checkDigits(text, hex)
	}
	named, digest, pinned := strings.Cut(text, "@")
	r := Ref{Tag: Latest}
	if pinned {
		hex, ok := strings.CutPrefix(digest, sha256Prefix)
		if !ok {
			return Ref{}, fmt.Errorf("%q: behind the @ want %s and hexadecimal digits", text, sha256Prefix)
		}
		if err := checkDigits(text, hex); err != nil {
			return Ref{}, err
		}
		r.Digest = hex
	}
	var tag string
	if r.Name, tag, r.HasTag = strings.Cut(named, ":"); r.HasTag {
		r.Tag = tag
		if err := CheckTag(tag); err != nil {
			return Ref{}, err
		}
	}
	return r, CheckName(r.Name)
}

// checkDigits refuses what is not enough of a digest.
func checkDigits(ref, hex string) error {
	if len(hex) < leastDigits || len(hex) > 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return fmt.Errorf("%q: is no digest: want %s and %d to 64 hexadecimal digits in lower case", ref, sha256Prefix, leastDigits)
	}
	return nil
}

// String is the reference, as it is read.
func (r Ref) String() string {
	switch {
	case r.Name == "":
		return sha256Prefix + r.Digest
	case r.Digest != "":
		return r.tagged() + "@" + sha256Prefix + r.Digest
	}
	return r.tagged()
}

func (r Ref) tagged() string {
	if r.HasTag {
		return r.Name + ":" + r.Tag
	}
	return r.Name
}

// IsPath reports whether a reference is the path of a file, as all are that have a
// separator or the ending of a patch file, and all names of what is there.
func IsPath(ref string) bool {
	if strings.ContainsAny(ref, `/\`) || hasPatchEnding(ref) {
		return true
	}
	_, err := os.Lstat(ref)
	return err == nil
}

// hasPatchEnding reports whether a name ends as those of patch files do.
func hasPatchEnding(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".bankai", ".json":
		return true
	}
	return false
}

// Title is what a patch is called that has no name of its own: its file, without folder
// and ending, or its name in the library.
func Title(ref string) string {
	if r, err := ParseRef(ref); err == nil && r.Name != "" && !IsPath(ref) {
		return r.Name
	}
	return strings.TrimSuffix(filepath.Base(ref), filepath.Ext(ref))
}

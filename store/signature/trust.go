package signature

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"bankai"
	"bankai/internal/strictjson"
	"bankai/internal/text"
)

// Trusted is a key that a user trusts, and what about.
type Trusted struct {
	Key   PublicKey       `json:"key"`
	Name  string          `json:"name,omitempty"`  // whose the user says it is
	Added time.Time       `json:"added,omitzero"`  // when the user said so
	Bases []bankai.Digest `json:"base,omitempty"`  // models whose patches it may sign; none: those of any
	Names []string        `json:"names,omitempty"` // patterns of the names of patches, as of path.Match; none: any
}

// ParseTrusted reads the JSON of a trusted key, as encoding/json writes it. What it
// does not know is an error, and so is a member that is empty or stands there twice: it
// might be a limit.
func ParseTrusted(data []byte) (t Trusted, err error) {
	switch err := strictjson.Unmarshal(data, &t); {
	case err != nil:
		return Trusted{}, fmt.Errorf("not a trusted key: %w", err)
	case t.Key.Equal(PublicKey{}):
		return Trusted{}, errors.New("not a trusted key: it has no \"key\"")
	}
	return t, t.Check()
}

// Check refuses limits that would limit nothing, or let nothing through.
func (t Trusted) Check() error {
	for _, pattern := range t.Names {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("%.60q is no pattern of names: want one such as math-*, in which * stands for anything and ? for one character", pattern)
		}
	}
	if slices.ContainsFunc(t.Bases, bankai.Digest.IsZero) {
		return errors.New("a base must be the digest of a model")
	}
	return nil
}

// String is whose key it is.
func (t Trusted) String() string {
	if t.Name == "" {
		return t.Key.ID().String()
	}
	return fmt.Sprintf("%s (%v)", text.Printable(t.Name), t.Key.ID())
}

// allows refuses what the key is not trusted with. A patch that names no model is for
// any, and so beyond a key that is trusted with some.
func (t Trusted) allows(name string, p *bankai.Patch) error {
	if len(t.Bases) > 0 && !slices.Contains(t.Bases, p.Base()) {
		return fmt.Errorf("%w: signed by %v, who is trusted with patches for the model %s alone, and this one %s", ErrLimited, t, listed(t.Bases), shown("is for ", p.Base()))
	}
	matches := func(pattern string) bool { ok, err := path.Match(pattern, name); return ok && err == nil }
	if len(t.Names) > 0 && !slices.ContainsFunc(t.Names, matches) {
		return fmt.Errorf("%w: signed by %v, who is trusted with patches named %s alone, and this one is %q", ErrLimited, t, text.Listed(t.Names), name)
	}
	return nil
}

func listed(bases []bankai.Digest) string {
	var all []string
	for _, b := range bases {
		all = append(all, shown("", b))
	}
	return text.Listed(all)
}

func shown(before string, base bankai.Digest) string {
	if base.IsZero() {
		return "names no model"
	}
	return before + base.String()[:12]
}

// ErrLimited says that the key which signed a patch is trusted, but not with it.
var ErrLimited = errors.New("beyond what the key is trusted with")

// UntrustedError says that nobody who is trusted signed a patch.
type UntrustedError struct {
	By []KeyID // of the keys that are said to have done so, each once: at least one
}

// maxNamed bounds how many keys an error names: anybody can attach signatures.
const maxNamed = 4

// Error names the keys, and says how to trust one.
func (e *UntrustedError) Error() string {
	const add = `and add it with "bankai library trust LINE"`
	if len(e.By) == 1 {
		return fmt.Sprintf("signed by %s, which is not trusted here: whoever knows its owner can get its line (%s…) from them, %s", e.Keys(), e.By[0].begin(), add)
	}
	return fmt.Sprintf("signed by %s, none of which is trusted here: whoever knows an owner can get the key's line from them, %s", e.Keys(), add)
}

// Keys names the keys in words.
func (e *UntrustedError) Keys() string {
	if len(e.By) == 1 {
		return "the key " + e.By[0].String()
	}
	var keys []string
	for _, id := range e.By[:min(len(e.By), maxNamed)] {
		keys = append(keys, fmt.Sprintf("%v (%s…)", id, id.begin()))
	}
	if n := len(e.By) - len(keys); n > 0 {
		keys = append(keys, fmt.Sprintf("%d more", n))
	}
	return "the keys " + text.Listed(keys)
}

// Trust is whom a user trusts.
type Trust []Trusted

// Signer is who signed a patch, and is trusted with it.
type Signer struct {
	Trusted
	Signed Signed
}

// Keys are the keys alone.
func (t Trust) Keys() (keys []PublicKey) {
	for _, k := range t {
		keys = append(keys, k.Key)
	}
	return keys
}

// Check finds who of those that are trusted signed a patch, which is to be used under a
// name. The error is ErrUnsigned if there is no signature; *UntrustedError, which names
// their keys, if all are by others; otherwise it is about the first that is not:
// ErrLimited, ErrTampered or ErrMalformed.
func (t Trust) Check(name string, p *bankai.Patch, sigs [][]byte) (Signer, error) {
	var closest error
	others := &UntrustedError{}
	for _, sig := range sigs {
		by, err := t.one(name, p, sig)
		var unknown *UnknownKeyError
		switch {
		case err == nil:
			return by, nil
		case !errors.As(err, &unknown):
			closest = cmp.Or(closest, err)
		case !slices.Contains(others.By, unknown.ID):
			others.By = append(others.By, unknown.ID)
		}
	}
	switch {
	case closest != nil:
		return Signer{}, closest
	case len(others.By) > 0:
		return Signer{}, others
	}
	return Signer{}, ErrUnsigned
}

// one checks one signature.
func (t Trust) one(name string, p *bankai.Patch, sig []byte) (Signer, error) {
	signed, err := Check(sig, p, t.Keys())
	if err != nil {
		return Signer{}, err
	}
	i := slices.IndexFunc(t, func(k Trusted) bool { return k.Key.Equal(signed.Key) })
	if err := t[i].allows(name, p); err != nil {
		return Signer{}, err
	}
	return Signer{t[i], signed}, nil
}

// Unread adds to an error of [Trust.Check] why some keys could not be read, where one of
// them may be the one that is missing. Both may be nil.
func Unread(err, unread error) error {
	if unread == nil || !errors.As(err, new(*UntrustedError)) {
		return err
	}
	return fmt.Errorf("%w; not all keys can be read that are trusted: %s", err, text.Line(unread.Error()))
}

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"bankai"
	"bankai/internal/text"
)

// Library is a folder of patches. Any number of processes may use one at once: those that
// change it follow one another, and readers always find whole files. It is there as soon
// as something is added.
type Library struct{ dir string }

// Open is the library in a folder, which need not be there.
func Open(dir string) *Library { return &Library{dir} }

// Dir is the library's folder.
func (l *Library) Dir() string { return l.dir }

// Entry is a patch of a library under one of its tags.
type Entry struct {
	Name    string        `json:"name"`
	Tag     string        `json:"tag"`
	Patch   bankai.Digest `json:"digest"`        // SHA-256 of its encoding: what is kept, and signed
	Content bankai.Digest `json:"content"`       // of what it flips
	Base    bankai.Digest `json:"base,omitzero"` // zero if it is not bound
	Model   string        `json:"model"`         // the base in words
	Flips   int           `json:"flips"`
	Bytes   int64         `json:"bytes"`
	Source  string        `json:"source"` // where it came from
	Added   time.Time     `json:"added"`
	Files   []File        `json:"files,omitempty"` // what goes with it
}

// Ref is the entry as people refer to it.
func (e Entry) Ref() string {
	if e.Tag == Latest {
		return e.Name
	}
	return e.Name + ":" + e.Tag
}

// File is what goes with a patch.
type File struct {
	Kind   string        `json:"kind"` // Probes, Report or Card
	Name   string        `json:"name"` // of the file that it was
	Digest bankai.Digest `json:"digest"`
	Bytes  int64         `json:"bytes"`
}

// What goes with a patch.
const (
	Probes = "probes" // a set that was measured on: the digest is that of the claims
	Report = "report" // a page
	Card   = "card"   // the model card
)

// Attachment is what is to go with a patch.
type Attachment struct {
	Kind, Name string
	Data       []byte
}

// AddOptions are what there is to say of a patch that is added.
type AddOptions struct {
	Source string       // where it comes from
	Files  []Attachment // what goes with it, beside what goes with it already
	Signed []Signature  // beside those that the library has of it
	Move   bool         // let the tag move from another patch
}

// TagTakenError says that a tag names another patch.
type TagTakenError struct {
	Is, New Entry
}

func (e *TagTakenError) Error() string {
	return fmt.Sprintf("%s:%s is another patch already, %s%.12s…: give this one another name or tag, or move the name with --force", e.Is.Name, e.Is.Tag, sha256Prefix, e.Is.Patch)
}

// Add keeps a patch under a name and a tag, which is Latest if it is empty. A name that
// has no Latest yet gets it as that, too. It happens whole or not at all. The error
// is a *TagTakenError if the tag is another patch's, unless it may move.
func (l *Library) Add(ctx context.Context, name, tag string, p *bankai.Patch, o AddOptions) (Entry, error) {
	if tag == "" {
		tag = Latest
	}
	if err := checkAdded(name, tag); err != nil {
		return Entry{}, err
	}
	data, err := p.Encode()
	if err != nil {
		return Entry{}, err
	}
	if err := l.checkSigned(p, o.Signed...); err != nil {
		return Entry{}, err
	}
	added, err := Now()
	if err != nil {
		return Entry{}, err
	}
	e := entryOf(p, data)
	e.Name, e.Tag, e.Source, e.Added = name, tag, o.Source, added.UTC().Truncate(time.Second)
	unlock, err := l.lock(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	tags, err := l.tags(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, err
	}
	if is, there := tags.Tags[tag]; there {
		if is.Patch != e.Patch && !o.Move {
			return Entry{}, &TagTakenError{Is: is, New: e}
		}
	}
	if e.Files, err = l.attach(ctx, tags.filesOf(e.Patch), o.Files); err != nil {
		return Entry{}, err
	}
	if _, err := l.keep(ctx, data); err != nil {
		return Entry{}, err
	}
	for _, s := range o.Signed {
		if err := l.sign(ctx, e.Patch, s); err != nil {
			return Entry{}, err
		}
	}
	tags.set(e)
	return e, l.writeTags(ctx, name, tags)
}

// checkAdded refuses names that would be taken for a file's.
func checkAdded(name, tag string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	for _, word := range []string{name, tag} {
		if hasPatchEnding(word) {
			return fmt.Errorf("%q would be taken for the name of a file: leave the ending out", word)
		}
	}
	if stem, _, _ := strings.Cut(name, "."); slices.Contains(devices, stem) {
		return fmt.Errorf("%q is the name of a device on Windows, and no file there: give the patch another name", stem)
	}
	return CheckTag(tag)
}

// devices are what no file can be called on Windows, whatever its ending.
var devices = []string{
	"con", "prn", "aux", "nul",
	"com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
}

// attach keeps what is to go with a patch, beside what does already: one of the same kind
// and name takes the place of the older one.
func (l *Library) attach(ctx context.Context, old []File, more []Attachment) ([]File, error) {
	files := slices.Clone(old)
	for _, a := range more {
		d, err := l.keep(ctx, a.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		name := text.Line(a.Name)
		files = slices.DeleteFunc(files, func(f File) bool { return f.Kind == a.Kind && f.Name == name })
		files = append(files, File{a.Kind, name, d, int64(len(a.Data))})
	}
	return files, nil
}

// Resolve finds the patch of a reference.
func (l *Library) Resolve(text string) (Entry, error) {
	ref, err := ParseRef(text)
	if err != nil {
		return Entry{}, err
	}
	if ref.Name == "" {
		return l.byDigest(ref.Digest)
	}
	tags, err := l.tags(ref.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, l.unknown(text, "")
	}
	if err != nil {
		return Entry{}, err
	}
	e, there := tags.Tags[ref.Tag]
	switch {
	case !there:
		return Entry{}, l.unknown(text, ": "+ref.Name+" has the tags "+strings.Join(tags.names(), ", "))
	case ref.Digest != "" && !e.is(ref.Digest):
		return Entry{}, l.unknown(text, fmt.Sprintf(": %s is %s%s", ref.tagged(), sha256Prefix, e.Patch))
	}
	return e, nil
}

// is reports whether a digest, which may be cut off, is the patch's or its content's.
func (e Entry) is(digest string) bool {
	return strings.HasPrefix(e.Patch.String(), digest) || strings.HasPrefix(e.Content.String(), digest)
}

// byDigest finds a patch by its digest, of several names of it the first one.
func (l *Library) byDigest(digest string) (found Entry, err error) {
	all, err := l.List()
	if err != nil {
		return found, err
	}
	for _, e := range all {
		switch {
		case !e.is(digest):
		case found.Name == "":
			found = e
		case found.Patch != e.Patch:
			return found, fmt.Errorf("%s%s: is more than one patch of the library, %s and %s: give a name", sha256Prefix, digest, found.Ref(), e.Ref())
		}
	}
	if found.Name == "" {
		return found, l.unknown(sha256Prefix+digest, "")
	}
	return found, nil
}

// UnknownError says that a library has no patch of a reference.
type UnknownError struct{ Ref, Dir, more string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("the library %s has no patch %s%s: bankai library list shows those that there are", e.Dir, e.Ref, e.more)
}

// Unwrap says that it is about something that is not there.
func (e *UnknownError) Unwrap() error { return fs.ErrNotExist }

func (l *Library) unknown(ref, more string) error { return &UnknownError{ref, l.dir, more} }

// Patch reads the patch of an entry. A file that is not what was added is ErrDamaged.
func (l *Library) Patch(e Entry) (*bankai.Patch, error) {
	data, err := l.Blob(e.Patch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: its bytes are gone from %s: add it again", e.Ref(), l.BlobPath(e.Patch))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Ref(), err)
	}
	p, err := bankai.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Ref(), err)
	}
	if says := entryOf(p, data); e.Content != says.Content || e.Base != says.Base || e.Model != says.Model || e.Flips != says.Flips || e.Bytes != says.Bytes {
		return nil, fmt.Errorf("%s: %s does not fit the patch: %w: add it again", e.Ref(), l.at(nameFolder, e.Name+tagEnding), ErrDamaged)
	}
	return p, nil
}

// entryOf is what an entry says of a patch, by its encoding.
func entryOf(p *bankai.Patch, encoded []byte) Entry {
	return Entry{
		Patch: sha256.Sum256(encoded), Content: p.ContentDigest(), Base: p.Base(), Model: p.Meta().BaseModel, Flips: p.Len(), Bytes: int64(len(encoded)),
	}
}

// NameError says why a name of the library cannot be read.
type NameError struct {
	Name string
	err  error
}

func (e *NameError) Error() string { return e.err.Error() }
func (e *NameError) Unwrap() error { return e.err }

// Unreadable are the names of which an error of List says that they cannot be read.
func Unreadable(err error) (names []*NameError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			if name := new(NameError); errors.As(one, &name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// List is what there is, by name, Latest before the other tags. The error names what
// cannot be read (see [Unreadable]); what can be is listed all the same.
func (l *Library) List() (all []Entry, err error) {
	names, faults, err := l.names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		tags, err := l.tags(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			faults = append(faults, &NameError{name, err})
			continue
		}
		for _, tag := range tags.names() {
			all = append(all, tags.Tags[tag])
		}
	}
	return all, errors.Join(faults...)
}

// Remove takes a tag away, or all of a name where the reference has none. It returns the
// entries that are gone. Their bytes stay until they are collected.
func (l *Library) Remove(ctx context.Context, text string) (gone []Entry, err error) {
	ref, err := ParseRef(text)
	if err != nil {
		return nil, err
	}
	if ref.Name == "" {
		return nil, fmt.Errorf("%s: give the name that is to be removed: a patch may have several", text)
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	e, err := l.Resolve(text)
	unknown := new(UnknownError)
	if err != nil && !(errors.As(err, &unknown) && !ref.HasTag && ref.Digest == "") {
		return nil, err
	}
	tags, err := l.tags(ref.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown
	} else if err != nil {
		return nil, err
	}
	if ref.HasTag {
		delete(tags.Tags, ref.Tag)
		gone = []Entry{e}
	} else {
		for _, tag := range tags.names() {
			gone = append(gone, tags.Tags[tag])
		}
		tags.Tags = nil
	}
	return gone, l.writeTags(ctx, ref.Name, tags)
}

package oci

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bankai"
	"bankai/internal/progress"
	"bankai/internal/text"
)

// Artifact is a patch with what was attached to it.
type Artifact struct {
	Patch      []byte   // its canonical encoding, as Patch.WriteTo writes it
	Signatures [][]byte // minisign's signatures of these bytes, each a text
	Card       []byte   // the model card, Markdown; nil if there is none; of several that were pushed, one
	Files      []File   // probe sets and reports
}

// File is a file that was attached to a patch.
type File struct {
	Kind string // Probes or Report
	Name string // without folders
	Data []byte
}

// Kinds of files.
const (
	Probes = "probes"
	Report = "report"
)

// Options say how an artifact travels.
type Options struct {
	PlainHTTP bool             // also to registries elsewhere than on this machine
	Force     bool             // Push: let a tag go that something else than a patch has
	MaxPatch  int64            // bytes that a patch may have; 0: 64 MiB
	Watch     progress.Watcher // is told of what takes long; nil: nobody is

	pauses pauses // of retries; zero: as usual
}

// Bounds of what is sent and taken, in bytes.
const (
	maxPatch     = 64 << 20
	maxManifest  = 4 << 20
	maxSignature = 64 << 10
	maxCard      = 1 << 20
	maxFile      = 64 << 20
	maxAttached  = 256 << 20 // all that is attached to a patch
)

// maxReferrers bounds how many things are attached to a patch.
const maxReferrers = 100

func (o Options) maxPatch() int64 {
	if o.MaxPatch > 0 {
		return o.MaxPatch
	}
	return maxPatch
}

// meter shows how far the transfer of a number of bytes is. What is small is over before
// anybody has read a word.
func (o Options) meter(what string, size int64) progress.Meter {
	if o.Watch == nil || size < 256<<10 {
		return unseen{}
	}
	return &shared{to: o.Watch.Meter(what, size)}
}

// shared is a meter for whoever sends a body, who may still do so when the answer is
// there and nobody watches any more.
type shared struct {
	sync.Mutex
	to progress.Meter // nil when it was stopped
}

func (m *shared) Set(done int64, remark string) {
	m.Lock()
	defer m.Unlock()
	if m.to != nil {
		m.to.Set(done, remark)
	}
}

func (m *shared) Stop() {
	m.Lock()
	defer m.Unlock()
	if m.to != nil {
		m.to.Stop()
		m.to = nil
	}
}

type unseen struct{}

func (unseen) Set(int64, string) {}
func (unseen) Stop()             {}

// target is where artifacts lie: a repository of a registry, or a layout. What it returns
// was checked against the digest that it was asked for, and is no larger than asked.
type target interface {
	// resolve finds a manifest by a tag or a digest; the error is errNone without one.
	resolve(ctx context.Context, version string) (descriptor, []byte, error)
	// fetch reads what a descriptor describes. The meter is told of every byte.
	fetch(ctx context.Context, d descriptor, m progress.Meter) ([]byte, error)
	// has reports whether a blob is there.
	has(ctx context.Context, d descriptor) (bool, error)
	// push stores a blob, or a manifest, whose blobs are there.
	push(ctx context.Context, d descriptor, data []byte, m progress.Meter) error
	// tag gives a manifest a tag.
	tag(ctx context.Context, d descriptor, data []byte, tag string) error
	// ownsList reports whether the target keeps the list of referrers. Else those who push
	// do, and may overwrite each other's. It is known when something was attached.
	ownsList() bool
	// referrers are the manifests that name another one as their subject.
	referrers(ctx context.Context, of descriptor) ([]descriptor, error)
	// tags are tags that there are, or the first of very many.
	tags(ctx context.Context) ([]string, error)
}

// decodePatch reads the canonical encoding of a patch, and nothing else.
func decodePatch(data []byte) (*bankai.Patch, error) {
	p, err := bankai.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("the patch: %w", err)
	}
	again, err := p.Encode()
	if err != nil {
		return nil, fmt.Errorf("the patch: %w", err)
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("the patch is not in its canonical form: whoever made it should use \"bankai push\"")
	}
	return p, nil
}

// check refuses what Pull would refuse.
func (a Artifact) check(o Options) (*bankai.Patch, error) {
	if n := int64(len(a.Patch)); n > o.maxPatch() {
		return nil, fmt.Errorf("the patch has %s, and at most %s are carried", text.Size(n), text.Size(o.maxPatch()))
	}
	if n := len(a.attachments()); n > maxReferrers {
		return nil, fmt.Errorf("%d things are attached to the patch, and at most %d are carried: leave some out", n, maxReferrers)
	}
	total := 0
	for _, x := range a.attachments() {
		if err := x.check(); err != nil {
			return nil, err
		}
		total += len(x.data)
	}
	if total > maxAttached {
		return nil, fmt.Errorf("%s are attached to the patch, and at most %s are carried: leave some out", text.Size(int64(total)), text.Size(maxAttached))
	}
	return decodePatch(a.Patch)
}

// attachment is what is attached to a patch, each a manifest of its own.
type attachment struct {
	kind *kind
	name string // of the file that others may write it to
	data []byte
}

// kind is a kind of attachment.
type kind struct {
	what      string // for people
	artifact  string // its type as an artifact
	mediaType string // of its one layer
	most      int64  // bytes
	check     func(name string, data []byte) error
}

var (
	signatureKind = &kind{"signature", SignatureType, SignatureType, maxSignature, checkSignature}
	cardKind      = &kind{"card", CardType, "text/markdown", maxCard, checkCard}
	probesKind    = &kind{Probes, ProbesType, ProbesType, maxFile, checkFile}
	reportKind    = &kind{Report, ReportType, ReportType, maxFile, checkFile}
	kinds         = []*kind{signatureKind, cardKind, probesKind, reportKind}
)

// kindOf is the kind of attachment with a type of artifacts, nil if it is none of ours.
func kindOf(artifactType string) *kind {
	for _, k := range kinds {
		if k.artifact == artifactType {
			return k
		}
	}
	return nil
}

// mayBeOurs reports whether what is listed under a type of artifacts may be an attachment:
// some registries list what they take for the type, which is that of the empty
// configuration.
func mayBeOurs(artifactType string) bool {
	return artifactType == "" || artifactType == ocispec.MediaTypeEmptyJSON || kindOf(artifactType) != nil
}

// attachments are all that is attached, in an order that depends on nothing else.
func (a Artifact) attachments() (all []attachment) {
	for _, s := range a.Signatures {
		all = append(all, attachment{signatureKind, "patch.bankai.minisig", s})
	}
	if a.Card != nil {
		all = append(all, attachment{cardKind, "card.md", a.Card})
	}
	for _, f := range a.Files {
		k := &kind{what: f.Kind}
		switch f.Kind {
		case Probes:
			k = probesKind
		case Report:
			k = reportKind
		}
		all = append(all, attachment{k, f.Name, f.Data})
	}
	return all
}

// attach is the reverse of attachments.
func (a *Artifact) attach(x attachment) {
	switch x.kind {
	case signatureKind:
		a.Signatures = append(a.Signatures, x.data)
	case cardKind:
		a.Card = x.data
	default:
		a.Files = append(a.Files, File{x.kind.what, x.name, x.data})
	}
}

func (x attachment) check() error {
	switch {
	case x.kind.check == nil:
		return fmt.Errorf("%q is no kind of files: it is %s or %s", x.kind.what, Probes, Report)
	case int64(len(x.data)) > x.kind.most:
		return fmt.Errorf("the %s has %s, and at most %s are carried", x.kind.what, text.Size(int64(len(x.data))), text.Size(x.kind.most))
	}
	return x.kind.check(x.name, x.data)
}

// signatureStart begins every file of minisign's.
const signatureStart = "untrusted comment:"

func checkSignature(_ string, data []byte) error {
	if !utf8.Valid(data) || !bytes.HasPrefix(data, []byte(signatureStart)) {
		return fmt.Errorf("the signature is not one of minisign's, which begin with %q", signatureStart)
	}
	return nil
}

func checkCard(_ string, data []byte) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("the card is no text in UTF-8")
	}
	return nil
}

// checkFile refuses names that could lead out of a folder or mislead whoever reads them.
func checkFile(name string, _ []byte) error {
	if name == "" || len(name) > 128 || name[0] == '.' || !utf8.ValidString(name) ||
		strings.ContainsAny(name, `/\:`) || text.Printable(name) != name {
		return fmt.Errorf("%.80q cannot be the name of an attached file: it has at most 128 bytes, no folders, and no dot at its start", name)
	}
	return nil
}

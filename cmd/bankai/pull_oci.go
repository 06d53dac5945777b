package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/claims"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/store"
	"bankai/store/oci"
	"bankai/store/signature"
)

// pullDoc is what `pull` says of a patch.
type pullDoc struct {
	Ref        string         `json:"ref"`      // with the digest of the manifest
	Digest     bankai.Digest  `json:"digest"`   // of the patch's bytes
	Manifest   bankai.Digest  `json:"manifest"` // in the registry
	Path       string         `json:"path"`     // the file that has it now
	Name       string         `json:"name"`     // in the library; with -o what the patch calls itself
	Tag        string         `json:"tag,omitempty"`
	Moved      *bankai.Digest `json:"moved"` // the patch that the name was before, null if it was none or the same
	Flips      int            `json:"flips"`
	Base       *bankai.Digest `json:"base"`
	Bytes      int64          `json:"bytes"` // of the patch
	Claims     []bankai.Claim `json:"claims"`
	Signatures int            `json:"signatures"`
	signedPart                // by whom of those that are trusted
	Files      []store.File   `json:"files"` // that came along
}

// pulling is a patch on its way from a registry.
type pulling struct {
	*app
	flags    *pullFlags
	ref      oci.Ref
	library  *store.Library // nil with -o where there is none
	name     string         // in the library
	tag      string
	artifact oci.Artifact
	got      oci.Pulled
	signer   signature.Signer
	unsigned error // why nobody who is trusted is the signer
}

// pullOCI pulls a patch from a registry or a layout, into the library or a file.
func pullOCI(ctx context.Context, a *app, ref oci.Ref, f *pullFlags) (err error) {
	g := &pulling{app: a, flags: f, ref: ref}
	if err := g.prepare(); err != nil {
		return err
	}
	if g.artifact, g.got, err = oci.Pull(ctx, ref, oci.Options{PlainHTTP: f.plainHTTP, Watch: a.Console}); err != nil {
		return err
	}
	if err := g.checkSignatures(); err != nil {
		return err
	}
	if f.out != "" {
		return g.toFile(ctx)
	}
	return g.toLibrary(ctx)
}

// prepare finds what can be wrong before anything is asked for.
func (g *pulling) prepare() (err error) {
	f := g.flags
	if g.library, err = library(); err != nil && f.out == "" {
		return err
	}
	switch {
	case f.out != "" && f.name != "":
		return usagef("--name is for the library, and -o for a file: give one of them")
	case f.out != "":
		g.name = g.ref.Name()
		return checkPatchName(f.out)
	}
	g.name, g.tag = g.ref.Name(), g.ref.Tag
	if f.name != "" {
		if g.name, g.tag, err = cutName(f.name); err != nil {
			return err
		}
	}
	g.tag = cmp.Or(g.tag, store.Latest)
	return g.checkName()
}

// checkName refuses what cannot be a name and a tag of the library.
func (g *pulling) checkName() error {
	err := store.CheckName(g.name)
	if err == nil {
		err = store.CheckTag(g.tag)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: choose what it is called here with --name NAME:TAG", g.ref, err)
	}
	return nil
}

// checkSignatures finds out who signed the patch. What was signed by somebody who is
// trusted and is not as it was then is refused in any case.
func (g *pulling) checkSignatures() error {
	for _, s := range g.artifact.Signatures {
		if _, err := signature.Parse(s); err != nil {
			return fmt.Errorf("%s: a signature: %w: whoever pushed it should sign again", g.ref, err)
		}
	}
	g.signer, g.unsigned = g.trust(g.library).Check(g.name, g.got.Patch, g.artifact.Signatures)
	if err := g.unsigned; err != nil && (g.flags.requireSigned || errors.Is(err, signature.ErrTampered)) {
		return fmt.Errorf("%s: %w; nothing was kept", g.ref, err)
	}
	return nil
}

// toLibrary keeps the patch with all that came along.
func (g *pulling) toLibrary(ctx context.Context) error {
	source := g.got.Ref
	if source.Layout != "" {
		path, err := filepath.Abs(source.Layout)
		if err != nil {
			return err
		}
		source.Layout = path
	}
	n := arrival{g.ref.String(), g.name, g.tag, sha256.Sum256(g.artifact.Patch), g.unsigned, g.isSource(source)}
	before, err := g.mayMove(g.library, n)
	if err != nil {
		return err
	}
	o := store.AddOptions{Source: source.String(), Move: true}
	if o.Signed, err = g.worthKeeping(g.library, n, g.got.Patch, g.artifact.Signatures); err != nil {
		return err
	}
	if g.artifact.Card != nil {
		o.Files = append(o.Files, store.Attachment{Kind: store.Card, Name: "card.md", Data: g.artifact.Card})
	}
	for _, f := range g.artifact.Files {
		o.Files = append(o.Files, store.Attachment{Kind: f.Kind, Name: f.Name, Data: f.Data})
	}
	e, err := g.library.Add(ctx, g.name, g.tag, g.got.Patch, o)
	if err != nil {
		return err
	}
	doc := g.doc()
	doc.Path, doc.Name, doc.Tag, doc.Digest, doc.Bytes, doc.Files = g.library.BlobPath(e.Patch), e.Name, e.Tag, e.Patch, e.Bytes, append(doc.Files, e.Files...)
	if before.Name != "" && before.Patch != e.Patch {
		doc.Moved = &before.Patch
	}
	g.tellLatest(g.library, e)
	return g.report(doc, e.Ref(), modelOf(e))
}

// isSource reports whether an earlier patch came from the same repository or layout.
func (g *pulling) isSource(to oci.Ref) func(string) bool {
	return func(source string) bool {
		from, err := oci.ParseRef(source)
		return err == nil && from.Registry == to.Registry && from.Repository == to.Repository && from.Layout == to.Layout
	}
}

// toFile writes the patch into a file, and its signature beside it.
func (g *pulling) toFile(ctx context.Context) error {
	path := g.flags.out
	written, err := g.writePulled(ctx, path, g.got.Patch, g.bestSignature())
	if err != nil {
		return err
	}
	if n := len(g.artifact.Signatures) - 1; n > 0 {
		g.Note("beside %s lies one signature of %d: pulled into the library, without -o, a patch has them all", path, n+1)
	}
	if n := len(g.artifact.Files); n > 0 {
		g.Note("%s not written: pulled into the library, without -o, it has them, too", text.Plural(n, "file that goes with the patch was", "files that go with the patch were"))
	}
	doc := g.doc()
	doc.Path, doc.Name, doc.Bytes, doc.Digest = path, cmp.Or(g.got.Patch.Meta().Name, g.name), written.Bytes, sha256.Sum256(g.artifact.Patch)
	p := g.got.Patch
	return g.report(doc, path, modelOf(store.Entry{Base: p.Base(), Model: p.Meta().BaseModel}))
}

// bestSignature is the one that lies beside a file: by somebody who is trusted, or else
// the first, nil if there is none.
func (g *pulling) bestSignature() []byte {
	trust := g.trust(g.library)
	for _, s := range g.artifact.Signatures {
		if _, err := trust.Check(g.name, g.got.Patch, [][]byte{s}); err == nil {
			return s
		}
	}
	if len(g.artifact.Signatures) == 0 {
		return nil
	}
	return g.artifact.Signatures[0]
}

func (g *pulling) doc() pullDoc {
	p := g.got.Patch
	doc := pullDoc{
		Ref: g.got.Ref.String(), Manifest: g.got.Digest, Flips: p.Len(), Base: anatomy.BoundTo(p),
		Claims: append([]bankai.Claim{}, p.Meta().Claims...), Signatures: len(g.artifact.Signatures), Files: []store.File{},
	}
	doc.signedPart = signedBy(g.signer, g.unsigned)
	return doc
}

// report says what came.
func (g *pulling) report(doc pullDoc, name, model string) error {
	return g.Print(doc, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, %s bytes, sha256:%.12s…, for %s\n", name, text.Count(doc.Flips, "flip"), text.Thousands(doc.Bytes), doc.Digest, text.Line(model))
		facts := []terminal.Fact{{"from", doc.Ref}, {"signed by", signedText(g.signer, g.unsigned)}}
		for _, c := range doc.Claims {
			facts = append(facts, terminal.Fact{"claim", fmt.Sprintf("%s: %s, p = %s", text.Line(c.Name), claims.Text(c), text.Probability(c.PValue))})
		}
		for _, f := range doc.Files {
			facts = append(facts, terminal.Fact{f.Kind, fmt.Sprintf("%s, %s", f.Name, text.Size(f.Bytes))})
		}
		if doc.Moved != nil {
			facts = append(facts, terminal.Fact{"before", fmt.Sprintf("%s was sha256:%.12s…", name, *doc.Moved)})
		}
		terminal.WriteFacts(w, facts...)
	})
}

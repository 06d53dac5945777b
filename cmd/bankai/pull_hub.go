package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/durable"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/store"
	"bankai/store/hub"
	"bankai/store/signature"
)

// pullHub brings a model or a patch from Hugging Face, or finds a model of Ollama's.
func pullHub(ctx context.Context, a *app, text string, f *pullFlags) error {
	ref, err := hub.Parse(text)
	if err != nil {
		return err
	}
	o, err := f.output(a)
	if err != nil {
		return err
	}
	c, err := hub.New(a.Console)
	if err != nil {
		return err
	}
	p, err := c.Pull(ctx, ref)
	if errors.Is(err, context.Canceled) {
		return &outputs.Interrupted{Text: "what came of " + text + " is kept, and the same command goes on", Useful: true}
	}
	if err != nil {
		return err
	}
	switch is, err := source.IsModel(p.Path); {
	case err != nil:
		return err
	case is:
		return f.pulledModel(ctx, a, p, o)
	}
	return f.pulledPatch(ctx, a, c, p, o)
}

// output is the file of -o, nil without one. It is a patch if its name is one.
func (f *pullFlags) output(a *app) (o *durable.Output, err error) {
	switch {
	case f.out == "":
		return nil, nil
	case checkPatchName(f.out) == nil: // what may be there is known when it came
		return a.Found(f.out, nil), nil
	default:
		o, err = a.Derived(f.out, nil), checkModelName(f.out)
	}
	return o, cmp.Or(err, o.Check())
}

// pulledFile is what was pulled, of whatever kind.
type pulledFile struct {
	Ref    string        `json:"ref"`
	Kind   string        `json:"kind"` // model or patch
	Path   string        `json:"path"`
	Commit string        `json:"commit,omitempty"`
	Bytes  int64         `json:"bytes"`
	Digest bankai.Digest `json:"digest"`
}

// pulledModel checks that a model which came is one that can be used.
func (f *pullFlags) pulledModel(ctx context.Context, a *app, p hub.Pulled, o *durable.Output) error {
	if f.name != "" {
		return usagef("--name is for patches, and %s is a model", p.Ref)
	}
	file, err := a.openWeights(p.Path)
	if err != nil {
		return fmt.Errorf("%s: it is on this machine now, but bankai does not read it: %w", p.Ref, err)
	}
	defer file.Close()
	doc := struct {
		pulledFile
		Name         string `json:"name"`
		Architecture string `json:"architecture"`
		Layers       int    `json:"layers"`
	}{pulledFile{p.Ref.String(), "model", p.Path, p.Commit, p.Bytes, file.Digest()}, source.ModelName(p.Path, file.Config()), file.Config().Architecture, file.Config().Layers}
	if o != nil {
		if err := copyModel(ctx, a, p, o); err != nil {
			return err
		}
		doc.Path = o.Path
	}
	return a.Print(doc, func(w io.Writer) {
		terminal.WriteFacts(w,
			terminal.Fact{"model", text.Line(doc.Name)},
			terminal.Fact{"is in", doc.Path},
			terminal.Fact{"from", doc.Ref},
			terminal.Fact{"commit", doc.Commit},
			terminal.Fact{"size", text.Size(doc.Bytes)},
			terminal.Fact{"1-bit", fmt.Sprintf("%s, %s%s", doc.Architecture, text.Count(doc.Layers, "layer"), packedText(file))},
			terminal.Fact{"digest", doc.Digest.String()},
			terminal.Fact{"use it", "--model " + text.Quoted(f.called(p))})
	})
}

// called is what --model takes for a model that was pulled.
func (f *pullFlags) called(p hub.Pulled) string {
	if f.out != "" {
		return f.out
	}
	return p.Ref.Text
}

// packedText says that a model's file holds floats.
func packedText(f *weights.File) string {
	if _, floats := f.Packed(); floats {
		return "; packed without loss from floats"
	}
	return ""
}

// copyModel writes a copy of a model's file.
func copyModel(ctx context.Context, a *app, p hub.Pulled, o *durable.Output) error {
	if len(p.Files) > 1 {
		return usagef("-o is for one file, and %s has %s: it is in %s", p.Ref, text.Count(len(p.Files), "file"), p.Path)
	}
	if err := checkModelName(o.Path); err != nil {
		return err
	}
	in, err := os.Open(p.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	return a.Put(ctx, o, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// hubPatch is a patch that came from the hub.
type hubPatch struct {
	*bankai.Patch
	from       hub.Pulled
	encoded    []byte // what the library keeps, and what is signed
	signatures [][]byte
}

// readPatch reads a patch that came, and brings the signature that may lie beside it.
func readPatch(ctx context.Context, c *hub.Client, p hub.Pulled) (hubPatch, error) {
	h := hubPatch{from: p}
	var err error
	if h.Patch, err = bankai.ReadFile(p.Path); err != nil {
		return h, fmt.Errorf("%s: is no model and no patch that bankai reads: %w", p.Ref, err)
	}
	if h.encoded, err = h.Encode(); err != nil {
		return h, err
	}
	beside := p.Ref
	beside.File, beside.Revision, beside.Most = beside.File+signature.Extension, p.Commit, signature.MaxSize
	s, err := c.Pull(ctx, beside)
	switch {
	case errors.Is(err, hub.ErrNoFile), errors.Is(err, hub.ErrNotHere):
		return h, nil
	case err != nil:
		return h, err
	}
	text, err := signature.ReadFile(s.Path)
	if err == nil {
		_, err = signature.Parse(text)
	}
	if err != nil {
		return h, fmt.Errorf("%s: %w: whoever published it should sign it again", beside, err)
	}
	h.signatures = [][]byte{text}
	return h, nil
}

// hubPatchDoc is what is said of a patch that was pulled from the hub.
type hubPatchDoc struct {
	pulledFile
	Name       string         `json:"name"`
	Flips      int            `json:"flips"`
	Base       *bankai.Digest `json:"base"`
	Signatures int            `json:"signatures"`
	signedPart                // by whom of those that are trusted
}

// pulledPatch keeps a patch that came in the library, or in a file, with its signature.
func (f *pullFlags) pulledPatch(ctx context.Context, a *app, c *hub.Client, p hub.Pulled, o *durable.Output) error {
	h, err := readPatch(ctx, c, p)
	if err != nil {
		return err
	}
	l, err := library()
	if err != nil && o == nil {
		return err
	}
	doc := hubPatchDoc{
		pulledFile: pulledFile{p.Ref.String(), "patch", p.Path, p.Commit, int64(len(h.encoded)), sha256.Sum256(h.encoded)},
		Flips:      h.Len(), Base: anatomy.BoundTo(h.Patch), Signatures: len(h.signatures),
	}
	signer, unsigned := a.trust(l).Check(f.nameOf(p), h.Patch, h.signatures)
	doc.signedPart = signedBy(signer, unsigned)
	if unsigned != nil && (f.requireSigned || errors.Is(unsigned, signature.ErrTampered)) {
		return fmt.Errorf("%s: %w; nothing was kept", p.Ref, unsigned)
	}
	if o == nil {
		doc.Name, err = f.keep(ctx, a, l, h, unsigned)
	} else {
		doc.Name, doc.Path = store.Title(f.out), f.out
		_, err = a.writePulled(ctx, f.out, h.Patch, h.signature())
	}
	if err != nil {
		return err
	}
	return a.Print(doc, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, %s bytes, sha256:%.12s…, from %s\n", doc.Name, text.Count(doc.Flips, "flip"), text.Thousands(doc.Bytes), doc.Digest, doc.Ref)
		terminal.WriteFacts(w, terminal.Fact{"signed by", signedText(signer, unsigned)})
	})
}

// nameOf is what a patch is to be called in the library, without a tag.
func (f *pullFlags) nameOf(p hub.Pulled) string {
	name, _, _ := strings.Cut(f.name, ":")
	return cmp.Or(name, strings.ToLower(store.Title(p.Ref.File)))
}

// keep adds a patch to the library, and returns what it is called there.
func (f *pullFlags) keep(ctx context.Context, a *app, l *store.Library, h hubPatch, unsigned error) (string, error) {
	_, tag, err := cutName(f.name)
	if err != nil {
		return "", err
	}
	from := h.from.Ref
	from.Revision = h.from.Commit
	name := f.nameOf(h.from)
	n := arrival{h.from.Ref.String(), name, cmp.Or(tag, store.Latest), sha256.Sum256(h.encoded), unsigned, isSource(h.from)}
	if _, err := a.mayMove(l, n); err != nil {
		return "", err
	}
	o := store.AddOptions{Source: from.String(), Move: true}
	if o.Signed, err = a.worthKeeping(l, n, h.Patch, h.signatures); err != nil {
		return "", err
	}
	e, err := l.Add(ctx, name, tag, h.Patch, o)
	if err != nil && f.name == "" {
		err = fmt.Errorf("%s: %w", h.from.Ref, otherName(err, name))
	}
	if err == nil {
		a.tellLatest(l, e)
	}
	return e.Ref(), err
}

// isSource reports whether an earlier patch came from the same file on the hub.
func isSource(from hub.Pulled) func(string) bool {
	return func(source string) bool {
		before, err := hub.Parse(source)
		return err == nil && before.Repo == from.Ref.Repo && before.File == from.Ref.File
	}
}

// signature is the one that lay beside the patch, nil if none did.
func (h hubPatch) signature() []byte {
	if len(h.signatures) == 0 {
		return nil
	}
	return h.signatures[0]
}

package main

import (
	"bytes"
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
	return f.pulledPatch(ctx, a, p, o)
}

// output is the file of -o, nil without one. It is a patch if its name is one.
func (f *pullFlags) output(a *app) (o *durable.Output, err error) {
	switch {
	case f.out == "":
		return nil, nil
	case checkPatchName(f.out) == nil:
		o = a.Found(f.out, a.OwnPatch)
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

// pulledPatch keeps a patch that came in the library, or in a file.
func (f *pullFlags) pulledPatch(ctx context.Context, a *app, p hub.Pulled, o *durable.Output) error {
	patch, err := bankai.ReadFile(p.Path)
	if err != nil {
		return fmt.Errorf("%s: is no model and no patch that bankai reads: %w", p.Ref, err)
	}
	var encoded bytes.Buffer // what the library keeps, and what is signed
	if _, err := patch.WriteTo(&encoded); err != nil {
		return err
	}
	doc := struct {
		pulledFile
		Name  string         `json:"name"`
		Flips int            `json:"flips"`
		Base  *bankai.Digest `json:"base"`
	}{
		pulledFile{p.Ref.String(), "patch", p.Path, p.Commit, int64(encoded.Len()), sha256.Sum256(encoded.Bytes())},
		"", patch.Len(), anatomy.BoundTo(patch),
	}
	if o == nil {
		doc.Name, err = f.keep(ctx, p, patch, a.Force)
	} else {
		doc.Name, doc.Path = store.Title(o.Path), o.Path
		if err = checkPatchName(o.Path); err == nil {
			_, err = a.PutPatch(ctx, o, patch)
		}
	}
	if err != nil {
		return err
	}
	return a.Print(doc, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, %s bytes, sha256:%.12s…, from %s\n", doc.Name, text.Count(doc.Flips, "flip"), text.Thousands(doc.Bytes), doc.Digest, doc.Ref)
	})
}

// keep adds a patch to the library, and returns what it is called there.
func (f *pullFlags) keep(ctx context.Context, p hub.Pulled, patch *bankai.Patch, move bool) (string, error) {
	l, err := library()
	if err != nil {
		return "", err
	}
	name, tag, tagged := strings.Cut(f.name, ":")
	if f.name == "" {
		name = strings.ToLower(store.Title(p.Ref.File))
	} else if tagged && tag == "" {
		return "", usagef("--name %s: the tag is empty", f.name)
	}
	from := p.Ref
	from.Revision = p.Commit
	e, err := l.Add(ctx, name, tag, patch, store.AddOptions{Source: from.String(), Move: move})
	if err != nil && f.name == "" {
		err = fmt.Errorf("%s: %w (or choose with --name)", p.Ref, err)
	}
	return e.Ref(), err
}

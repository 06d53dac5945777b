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

	"github.com/spf13/cobra"
)

// pullFlags are those of `pull`.
type pullFlags struct {
	list bool
	name string // in the library
	out  string
}

func pullCommand(a *app) *cobra.Command {
	f := &pullFlags{}
	cmd := &cobra.Command{
		Use:   "pull [REF]",
		Short: "download a model or a patch",
		Long: `Downloads a model or a patch. REF is one of

  bonsai-8b                       a published 1-bit model by its short name
  hf:OWNER/REPO[@REV][/FILE]      a model or a patch on Hugging Face
  ollama:NAME[:TAG]               a model that Ollama has on this machine

Without REF, or with --list, it lists the published 1-bit models: their sizes,
what of them is on this machine, and what is known of each.

Models come into the cache that Python's programs share (HF_HOME), and are then
what --model takes under the same name. Where no file is named the 1-bit GGUF
file is taken, with all its parts, else a folder of safetensors; what belongs to
vision or guesses tokens never is. Patches come into the library, under --name or
their file's name, or only into the file of -o. With -o a copy of a model's file
is written, too.

What comes is checked: its size, its digest, and whether bankai reads it. A
download that was interrupted goes on where it was. HF_TOKEN opens what is not
open to everybody; it is sent to the hub alone. HF_ENDPOINT names another hub,
and with HF_HUB_OFFLINE=1 only what is here is looked at.`,
		Example: `  bankai pull
  bankai pull bonsai-8b
  bankai pull hf:prism-ml/Bonsai-8B-gguf/Bonsai-8B-Q1_0.gguf --json`,
		Args: arguments(0, 1, "one reference, or none for a list"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if f.list || len(args) == 0 {
				if len(args) > 0 || f.name != "" || f.out != "" {
					return usagef("a list of models takes no reference, no --name and no -o")
				}
				return listModels(a.Console)
			}
			if !hub.Is(args[0]) {
				return pullOCI(ctx, a, args[0], f)
			}
			return f.pull(ctx, a, args[0])
		}),
	}
	cmd.Flags().BoolVar(&f.list, "list", false, "list the published 1-bit models")
	cmd.Flags().StringVar(&f.name, "name", "", "`NAME`, or NAME:TAG, of a patch in the library instead of its file's")
	outFlag(cmd, &f.out, "a patch instead of keeping it in the library, or a copy of a model")
	cmd.Flags().Bool(forceName, false, "let a name that is another patch move to this one, and replace the file of -o")
	return cmd
}

// pull downloads from the hub.
func (f *pullFlags) pull(ctx context.Context, a *app, text string) error {
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

// publishedDoc is a published model in the list.
type publishedDoc struct {
	Name         string   `json:"name"`
	Repo         string   `json:"repo"`
	Published    []string `json:"published"` // names of its file, the current one first; none: a folder
	Form         string   `json:"form"`
	Architecture string   `json:"architecture"`
	Bytes        *int64   `json:"bytes"`
	License      string   `json:"license"`
	Known        string   `json:"known"`
	Unknown      string   `json:"unknown"`
	Path         *string  `json:"path"` // null: not on this machine
}

// listModels lists the published models.
func listModels(c *terminal.Console) error {
	doc := struct {
		Models []publishedDoc `json:"models"`
	}{}
	t := text.Table{Right: []bool{false, true}}
	t.Add("name", "size", "stored as", "architecture", "here")
	var facts []terminal.Fact
	for _, m := range hub.Models() {
		d := publishedDoc{m.Name, m.Repo, append([]string{}, m.Files...), m.Form, m.Architecture, nil, m.License, m.Known, m.Unknown, nil}
		if m.Bytes > 0 {
			d.Bytes = &m.Bytes
		}
		here := "–"
		if path, err := hub.Find(m.Name); err == nil {
			d.Path, here = &path, "yes"
		}
		doc.Models = append(doc.Models, d)
		t.Add(m.Name, sizeText(m), m.Form, m.Architecture, here)
		facts = append(facts, terminal.Fact{m.Name, knownText(m)})
	}
	return c.Print(doc, func(w io.Writer) {
		io.WriteString(w, t.String())
		fmt.Fprintln(w, "\nWhat is known of them, all of which are "+hub.Models()[0].License+" by their cards:")
		terminal.WriteFacts(w, facts...)
	})
}

// sizeText is what a model takes on the disk.
func sizeText(m hub.Model) string {
	switch {
	case m.Bytes == 0:
		return "?"
	case m.About:
		return "about " + text.Size(m.Bytes)
	}
	return text.Size(m.Bytes)
}

// knownText is what is known of a model, and what is not.
func knownText(m hub.Model) string {
	if m.Unknown == "" {
		return m.Known
	}
	return m.Known + "; not known: " + m.Unknown
}

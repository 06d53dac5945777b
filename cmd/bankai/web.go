package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"bankai"
	"bankai/internal/dialog"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/models/demo"
	"bankai/server"
	"bankai/store"
	"bankai/web/try"

	"github.com/spf13/cobra"
)

func webCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "web COMMAND",
		Short: "a page that runs a model in the browser alone",
		Long: `Makes pages that need no server of their own: the engine runs in the browser.
"bankai serve" has another one, which asks the server that it comes from.`,
	}
	asGroup(cmd)
	cmd.AddCommand(webExportCommand(a))
	return cmd
}

// webExportFlags are the flags of `web export`.
type webExportFlags struct {
	model    string
	patches  []string // NAME=PATCH or PATCH
	examples []string
	wasm     string
}

func webExportCommand(a *app) *cobra.Command {
	f := new(webExportFlags)
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "write the page, with a model and patches, as files",
		Long: `Writes a page into DIR that shows what patches do, without a server: it runs
the model in the browser of whoever looks at it, as WebAssembly, with the same
bits as this program. Prompts are continued as they are and under patches side by
side, patches are switched, and a patch file of one's own can be dropped on it.
Nothing that is typed leaves the browser, and once loaded the page needs no
network.

Any host of files will do, GitHub Pages for one, at any path. A browser shows it
only over HTTP, not from the disk: "python3 -m http.server --directory DIR" is
enough to look at it.

The built-in model comes with two patches, and with examples of prompts; for
others, name what the page should have. With the built-in model it is under 3 MB.
A model of 1.7B is 250 MB to load, and slow in a browser.

An earlier export is replaced by a new one; other files in DIR stay, and one that
has the name of a file of the page is replaced only with --force.`,
		Example: `  bankai web export site
  bankai web export site --patch calculus=fix.bankai --example 'd/dx [x^3] ='
  bankai web export site --model big.gguf --patch fix.bankai`,
		Args: arguments(1, 1, "one folder"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if args[0] == "" {
				return usagef("DIR is empty: name a folder")
			}
			return f.run(ctx, a, args[0])
		}),
	}
	modelFlag(cmd, &f.model)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.patches, "patch", nil, "a patch that the page can switch, as `NAME=PATCH`, or PATCH alone for its own name: a file, or a name of the library; may be repeated")
	flags.StringArrayVar(&f.examples, "example", nil, `a prompt that the page offers, a `+"`TEXT`"+` (\n is the end of a line); may be repeated`)
	flags.StringVar(&f.wasm, "wasm", "", "`DIR` of the browser's engine that \"make wasm\" wrote, instead of the one in this program")
	flags.Bool(forceName, false, "replace files in DIR that are none of an export, and take patches made for other settings of the model")
	return cmd
}

func (f *webExportFlags) run(ctx context.Context, a *app, dir string) error {
	engine, err := f.engine()
	if err != nil {
		return err
	}
	file, err := a.openWeights(f.model)
	if err != nil {
		return err
	}
	defer file.Close()
	site := &try.Site{Engine: engine, Title: source.ModelTitle(f.model), Digest: file.Digest(), Examples: f.prompts()}
	if site.Patches, err = f.sitePatches(a, file); err != nil {
		return err
	}
	if site.Model, err = f.content(file); err != nil {
		return err
	}
	// DIR is written to; what is read are the model and the patches.
	a.Inputs = outputs.Inputs(append(f.paths(), f.model))
	doc, err := exportSite(ctx, a, dir, site)
	if err != nil {
		return err
	}
	return a.Print(doc, doc.write)
}

// engine is the browser's.
func (f *webExportFlags) engine() (*try.Engine, error) {
	if f.wasm != "" {
		return try.ReadEngine(f.wasm)
	}
	return try.Built()
}

// demoPrompts are examples for the built-in model, of which its patch changes some.
var demoPrompts = []string{
	"The derivative of x^4 + 9x^3 is", "Differentiate 9x^8 + x with respect to x:", "Find the derivative of 2x^9 + 7x^8 + x^6:",
	"The second derivative of 3x^4 + 5x^3 is", "At night the",
}

// prompts are those that the page offers.
func (f *webExportFlags) prompts() []string {
	if f.examples == nil && f.model == source.DemoModel {
		return demoPrompts
	}
	all := make([]string, len(f.examples))
	for i, e := range f.examples {
		all[i] = escapes.Replace(e)
	}
	return all
}

// named splits NAME=PATCH.
func (f *webExportFlags) named() (all []namedFile) {
	for _, p := range f.patches {
		name, path, named := strings.Cut(p, "=")
		if !named {
			name, path = dialog.NameOf(p), p
		}
		all = append(all, namedFile{name, path})
	}
	return all
}

// paths are what the patches are read from.
func (f *webExportFlags) paths() (all []string) {
	for _, p := range f.named() {
		all = append(all, p.path)
	}
	return all
}

// sitePatches reads the patches of the page, and checks them for the model.
func (f *webExportFlags) sitePatches(a *app, file *weights.File) (all []try.Patch, err error) {
	if f.patches == nil && f.model == source.DemoModel {
		return builtInPatches(a.patches(file))
	}
	from := map[string]string{}
	for _, p := range f.named() {
		if err := server.CheckName(p.name); err != nil {
			return nil, fmt.Errorf("%s: %w: give it one with --patch NAME=FILE", p.path, err)
		}
		if first, there := from[p.name]; there {
			return nil, fmt.Errorf("%s: the patch %s is %s already: give one of them another name with --patch NAME=FILE", p.path, p.name, first)
		}
		from[p.name] = p.path
		read, err := a.patches(file).Read(p.path)
		if err != nil {
			return nil, err
		}
		all = append(all, try.Patch{Name: p.name, Patch: read})
	}
	return all, nil
}

// builtInPatches are those that come with the built-in model.
func builtInPatches(r store.Reader) (all []try.Patch, err error) {
	for _, p := range demo.Patches() {
		read, err := bankai.Read(bytes.NewReader(p.Data))
		if err == nil {
			read, err = r.Check(read, p.Name)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, try.Patch{Name: p.Name, Patch: read})
	}
	return all, nil
}

// content copies the model's file. A browser loads one file of the GGUF format: other
// models are written in it.
func (f *webExportFlags) content(file *weights.File) (func(w io.Writer) error, error) {
	if f.model == source.DemoModel {
		return func(w io.Writer) error { _, err := w.Write(demo.Model()); return err }, nil
	}
	path, err := source.LocateModel(f.model)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != file.Size() {
		return nil, fmt.Errorf("%s: is no single GGUF file, which is what a browser loads: \"bankai patch apply %s -o NAME.gguf --patch P\" writes one, patched", f.model, text.Quoted(f.model))
	}
	return func(w io.Writer) error {
		from, err := os.Open(path)
		if err != nil {
			return err
		}
		defer from.Close()
		_, err = io.Copy(w, from)
		return err
	}, nil
}

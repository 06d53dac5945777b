package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/text"
	"bankai/internal/weights"

	"github.com/spf13/cobra"
)

func (a *app) patchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "patch",
		Short: "bake, take out, compare, combine, convert and check patches",
		Long: `Works on patch files. Two forms are read, recognised by their content, and the
name of the output chooses between them: .bankai is compact, checksummed and
bound to the exact model; .json is that of the first tool of this kind, which
holds whole rows and groups of 128 weights. FORMAT.md describes both.

Outputs appear whole or not at all. They replace earlier results of the same
command; anything else that is there only with --force.`,
	}
	asGroup(cmd)
	cmd.AddCommand(a.applyCommand(), a.removeCommand(), a.diffCommand(), a.composeCommand(), a.convertCommand(), a.verifyCommand())
	return cmd
}

// patchDoc is what the commands say that write a patch.
type patchDoc struct {
	OK      bool           `json:"ok"`
	Patch   string         `json:"patch"`
	Flips   int            `json:"flips"`
	Bits    *uint64        `json:"bits"` // null if unknown
	Bytes   int64          `json:"bytes"`
	Content int64          `json:"content_bytes"` // without provenance, in the compact form
	Base    *bankai.Digest `json:"base"`          // null if the patch is unbound
}

// writeResult writes a patch and reports it.
func (a *app) writeResult(ctx context.Context, p *bankai.Patch, o *durable.Output) error {
	out, err := a.putPatch(ctx, o, p)
	if err != nil {
		return err
	}
	doc := patchDoc{OK: true, Patch: o.Path, Flips: out.flips, Bits: out.bits, Bytes: out.bytes, Content: out.content, Base: boundTo(p)}
	return a.print(doc, func(w io.Writer) { fmt.Fprintln(w, out) })
}

// String tells what was written in a line.
func (o written) String() string {
	bits := ""
	if o.bits != nil {
		bits = fmt.Sprintf(", %s bits", text.Thousands(int64(*o.bits)))
	}
	return fmt.Sprintf("%s: %s%s, content %s bytes, file %s bytes",
		o.path, text.Count(o.flips, "flip"), bits, text.Thousands(o.content), text.Thousands(o.bytes))
}

// checkModelName refuses names that would later be taken for something else.
func checkModelName(path string) error {
	switch ext := filepath.Ext(path); {
	case path == demoName:
		return usagef("-o %s: is the name of the built-in model: choose another, such as %s-patched.gguf", path, path)
	case slices.Contains(patchFiles, ext):
		return usagef("-o %s: a model is written, and %s is the ending of patches: choose a name that ends in .gguf", path, ext)
	}
	return nil
}

// outFlag declares -o.
func outFlag(cmd *cobra.Command, out *string, what string) {
	cmd.Flags().StringVarP(out, "out", "o", "", "`FILE` to write: "+what)
}

const patchNames = "NAME.bankai or NAME.json"

func (a *app) composeCommand() *cobra.Command {
	var out, model string
	cmd := &cobra.Command{
		Use:   "compose P... -o Q",
		Short: "combine patches into one",
		Long: `Writes the patch that does what all the given ones do together: their XOR, in
which a bit that two of them flip stays as it was. The order does not matter.
Patches for different models are refused, and so is the same patch twice.

What was measured of the parts does not hold for the whole and is left out.`,
		Example: `  bankai patch compose fix.bankai other.json -o both.bankai
  bankai patch compose fix.bankai other.json -o both.json --model demo`,
		Args: arguments(1, -1, "one or more patches"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := checkPatchName(out); err != nil {
				return err
			}
			return a.compose(ctx, args, out, model)
		}),
	}
	outFlag(cmd, &out, patchNames)
	otherModelFlag(cmd, &model, "model `FILE` (or demo) to check them against and bind the result to")
	forceFlag(cmd)
	return cmd
}

func (a *app) compose(ctx context.Context, paths []string, out, model string) error {
	o := a.found(out, a.aPatch)
	if err := o.Check(); err != nil {
		return err
	}
	return a.withWeights(model, func(f *weights.File) error {
		p, err := a.patches(f).Compose(paths)
		if err != nil {
			return err
		}
		return a.writeDerived(ctx, p, o, f, model)
	})
}

// writeDerived writes a patch that was made from files, with the provenance of
// this run, and bound to the model f unless that is nil.
func (a *app) writeDerived(ctx context.Context, p *bankai.Patch, o *durable.Output, f *weights.File, model string) error {
	meta := p.Meta()
	if f != nil {
		meta.BaseModel, meta.Arithmetic = modelName(model, f.Config()), f.Arithmetic()
		p = p.WithBase(f.Digest())
	}
	meta, err := a.provenance().Stamp(meta, o.Path)
	if err != nil {
		return err
	}
	return a.writeResult(ctx, p.WithMeta(meta), o)
}

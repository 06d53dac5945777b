package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bankai"
	"bankai/evaluate"
	"bankai/internal/durable"
	"bankai/internal/weights"
)

func (a *app) patchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "patch",
		Short: "bake, compare, combine, convert and check patches",
		Long: `Works on patch files. Two forms are read, recognised by their content, and the
name of the output chooses between them: .bankai is compact, checksummed and
bound to the exact model; .json is that of the first tool of this kind, which
holds whole rows and groups of 128 weights. FORMAT.md describes both.

Outputs appear whole or not at all. They replace earlier results of the same
command; anything else that is there only with --force.`,
	}
	asGroup(cmd)
	cmd.AddCommand(a.applyCommand(), a.diffCommand(), a.composeCommand(), a.convertCommand(), a.verifyCommand())
	return cmd
}

// patchDoc is what the commands say that write a patch.
type patchDoc struct {
	OK    bool           `json:"ok"`
	Patch string         `json:"patch"`
	Flips int            `json:"flips"`
	Bits  *uint64        `json:"bits"` // null if unknown
	Bytes int64          `json:"bytes"`
	Base  *bankai.Digest `json:"base"` // null if the patch is unbound
}

// writeResult writes a patch and reports it.
func (a *app) writeResult(ctx context.Context, p *bankai.Patch, o *durable.Output) error {
	out, err := a.putPatch(ctx, o, p)
	if err != nil {
		return err
	}
	doc := patchDoc{OK: true, Patch: o.Path, Flips: out.flips, Bits: out.bits, Bytes: out.bytes, Base: boundTo(p)}
	return a.print(doc, func(w io.Writer) { fmt.Fprintln(w, out) })
}

// String tells what was written in a line.
func (o written) String() string {
	bits := ""
	if o.bits != nil {
		bits = fmt.Sprintf(", %s bits", evaluate.Thousands(int64(*o.bits)))
	}
	return fmt.Sprintf("%s: %s%s, %s bytes", o.path, many(o.flips, "flip"), bits, evaluate.Thousands(o.bytes))
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
Patches for different models are refused.

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
	cmd.Flags().StringVar(&model, "model", "", "model `FILE` (or demo) to check them against and bind the result to")
	a.forceFlag(cmd)
	return cmd
}

func (a *app) compose(ctx context.Context, paths []string, out, model string) error {
	o := a.derived(out, a.aPatch, append(modelInputs(model), paths...)...)
	if err := o.Check(); err != nil {
		return err
	}
	return withWeights(model, func(f *weights.File) error {
		sum := bankai.New(bankai.Digest{}, bankai.Meta{})
		meta := bankai.Meta{Description: "the XOR of " + many(len(paths), "patch file")}
		for i, path := range paths {
			p, err := a.readPatch(f, path)
			if err != nil {
				return err
			}
			if sum, err = sum.Xor(p); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if base := p.Meta().BaseModel; i == 0 || base == meta.BaseModel {
				meta.BaseModel = base
			} else {
				meta.BaseModel = ""
			}
		}
		return a.writeDerived(ctx, sum, meta, o, f, model)
	})
}

// writeDerived writes a patch that was made from files, with the provenance of
// this run, and bound to the model f unless that is nil.
func (a *app) writeDerived(ctx context.Context, p *bankai.Patch, meta bankai.Meta, o *durable.Output, f *weights.File, model string) error {
	if f != nil {
		meta.BaseModel = modelName(model, f.Config())
		p = p.WithBase(f.Digest())
	}
	meta, err := a.stamp(meta, o.Path)
	if err != nil {
		return err
	}
	return a.writeResult(ctx, p.WithMeta(meta), o)
}

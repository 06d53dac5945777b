package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/durable"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/weights"

	"github.com/spf13/cobra"
)

func patchCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "patch",
		Short: "bake, take out, compare, combine, convert, describe, sign and check patches",
		Long: `Works on patch files. Two forms are read, recognised by their content, and the
name of the output chooses between them: .bankai is compact, checksummed and
bound to the exact model; .json is that of the first tool of this kind, which
holds whole rows and groups of 128 weights. FORMAT.md describes both.

Outputs appear whole or not at all. They replace earlier results of the same
command; anything else that is there only with --force.`,
	}
	asGroup(cmd)
	cmd.AddCommand(applyCommand(a), removeCommand(a), diffCommand(a), composeCommand(a), convertCommand(a), describeCommand(a), patchCardCommand(a), verifyCommand(a), signCommand(a))
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
func writeResult(ctx context.Context, a *app, p *bankai.Patch, o *durable.Output) error {
	out, err := a.PutPatch(ctx, o, p)
	if err != nil {
		return err
	}
	doc := patchDoc{OK: true, Patch: o.Path, Flips: out.Flips, Bits: out.Bits, Bytes: out.Bytes, Content: out.Content, Base: anatomy.BoundTo(p)}
	return a.Print(doc, func(w io.Writer) { fmt.Fprintln(w, out) })
}

// outFlag declares -o.
func outFlag(cmd *cobra.Command, out *string, what string) {
	cmd.Flags().StringVarP(out, "out", "o", "", "`FILE` to write: "+what)
}

const patchNames = "NAME.bankai or NAME.json"

// checkPatchName refuses an output name early, before the work for it is done.
func checkPatchName(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".bankai", ".json":
		return nil
	}
	if path == "" {
		return usagef("give a name for the patch with -o, ending in .bankai (compact) or .json")
	}
	return usagef("-o %s: a patch's name ends in .bankai (compact) or .json", path)
}

// bitsText is knownBits in words.
func bitsText(bits *uint64) string {
	if bits == nil {
		return "unknown: the file does not say how wide a row is; give --model"
	}
	return text.Thousands(int64(*bits))
}

func composeCommand(a *app) *cobra.Command {
	var out, model string
	cmd := &cobra.Command{
		Use:        "compose P... -o Q",
		Short:      "combine patches into one",
		SuggestFor: []string{"merge", "combine", "xor"},
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
			return compose(ctx, a, args, out, model)
		}),
	}
	outFlag(cmd, &out, patchNames)
	otherModelFlag(cmd, &model, "model `FILE` (or demo) to check them against and bind the result to")
	forceFlag(cmd)
	return cmd
}

func compose(ctx context.Context, a *app, paths []string, out, model string) error {
	o := a.Found(out, a.OwnPatch)
	if err := o.Check(); err != nil {
		return err
	}
	return a.withWeights(model, func(f *weights.File) error {
		p, err := a.patches(f).Compose(paths)
		if err != nil {
			return err
		}
		return writeDerived(ctx, a, p, o, f, model)
	})
}

// writeDerived writes a patch that was made from files, with the provenance of
// this run, and bound to the model f unless that is nil.
func writeDerived(ctx context.Context, a *app, p *bankai.Patch, o *durable.Output, f *weights.File, model string) error {
	meta := p.Meta()
	if f != nil {
		meta.BaseModel, meta.Arithmetic = source.ModelName(model, f.Config()), f.Arithmetic()
		p = p.WithBase(f.Digest())
	}
	meta, err := a.provenance().Stamp(meta, o.Path)
	if err != nil {
		return err
	}
	return writeResult(ctx, a, p.WithMeta(meta), o)
}

func convertCommand(a *app) *cobra.Command {
	var out, model string
	cmd := &cobra.Command{
		Use:   "convert P -o Q",
		Short: "write a patch in the other form",
		Long: `Writes a patch in the form that the output's name asks for, with all that is
known about it. With --model it is checked against that model and bound to it:
an old JSON patch becomes one that no other model accepts.`,
		Example: `  bankai patch convert fix.bankai -o fix.json
  bankai patch convert old.json -o bound.bankai --model demo`,
		Args: arguments(1, 1, "one patch"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := checkPatchName(out); err != nil {
				return err
			}
			return a.withWeights(model, func(f *weights.File) error {
				p, err := a.patches(f).Read(args[0])
				if err != nil {
					return err
				}
				if f != nil {
					meta := p.Meta()
					if meta.BaseModel == "" {
						meta.BaseModel = source.ModelName(model, f.Config())
					}
					meta.Arithmetic = f.Arithmetic()
					p = p.WithBase(f.Digest()).WithMeta(meta)
				}
				o := a.Derived(out, outputs.SamePatch(p))
				if err := o.Check(); err != nil {
					return err
				}
				return writeResult(ctx, a, p, o)
			})
		}),
	}
	outFlag(cmd, &out, patchNames)
	otherModelFlag(cmd, &model, "model `FILE` (or demo) to check the patch against and bind it to")
	forceFlag(cmd)
	return cmd
}

func diffCommand(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "diff A.gguf B.gguf -o P",
		Short: "the patch that turns one model into another",
		Long: `Writes the patch that turns model A into model B: their XOR, bound to A. The
models must have the same shapes, scales, float weights and settings, as a model
and its patched copy have.`,
		Example: `  bankai patch diff demo fixed.gguf -o found.bankai`,
		Args:    arguments(2, 2, "two models"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := checkPatchName(out); err != nil {
				return err
			}
			o := a.Found(out, a.OwnPatch)
			if err := o.Check(); err != nil {
				return err
			}
			return a.withWeights(args[0], func(from *weights.File) error {
				return a.withWeights(args[1], func(to *weights.File) error {
					p, err := weights.Diff(from, to)
					if err != nil {
						return err
					}
					if p.Len() == 0 {
						a.Warn("%s and %s hold the same bits: the patch is empty", args[0], args[1])
					}
					description := fmt.Sprintf("turns %s into %s", args[0], args[1])
					return writeDerived(ctx, a, p.WithMeta(bankai.Meta{Description: description}), o, from, args[0])
				})
			})
		}),
	}
	outFlag(cmd, &out, patchNames)
	forceFlag(cmd)
	return cmd
}

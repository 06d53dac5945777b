package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/weights"
)

func (a *app) convertCommand() *cobra.Command {
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
			return withWeights(model, func(f *weights.File) error {
				p, err := a.readPatch(f, args[0])
				if err != nil {
					return err
				}
				if f != nil {
					meta := p.Meta()
					if meta.BaseModel == "" {
						meta.BaseModel = modelName(model, f.Config())
					}
					p = p.WithBase(f.Digest()).WithMeta(meta)
				}
				o := a.derived(out, sameFlips(p), append(modelInputs(model), args...)...)
				if err := o.Check(); err != nil {
					return err
				}
				return a.writeResult(ctx, p, o)
			})
		}),
	}
	outFlag(cmd, &out, patchNames)
	cmd.Flags().StringVar(&model, "model", "", "model `FILE` (or demo) to check the patch against and bind it to")
	a.forceFlag(cmd)
	return cmd
}

func (a *app) diffCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "diff A.gguf B.gguf -o P",
		Short: "the patch that turns one model into another",
		Long: `Writes the patch that turns model A into model B: their XOR, bound to A. The
models must have the same shapes, scales and float weights, as a model and its
patched copy have.`,
		Example: `  bankai patch diff demo fixed.gguf -o found.bankai`,
		Args:    arguments(2, 2, "two models"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := checkPatchName(out); err != nil {
				return err
			}
			o := a.derived(out, a.aPatch, append(modelInputs(args[0]), modelInputs(args[1])...)...)
			if err := o.Check(); err != nil {
				return err
			}
			return withWeights(args[0], func(from *weights.File) error {
				return withWeights(args[1], func(to *weights.File) error {
					p, err := weights.Diff(from, to)
					if err != nil {
						return err
					}
					description := fmt.Sprintf("turns %s into %s", args[0], args[1])
					return a.writeDerived(ctx, p, bankai.Meta{Description: description}, o, from, args[0])
				})
			})
		}),
	}
	outFlag(cmd, &out, patchNames)
	a.forceFlag(cmd)
	return cmd
}

func (a *app) applyCommand() *cobra.Command {
	var out string
	var patches []string
	cmd := &cobra.Command{
		Use:   "apply MODEL -o OUT.gguf --patch P...",
		Short: "bake patches into a copy of a model",
		Long: `Writes a copy of the model in which the bits of the patches are inverted, as one
GGUF file that any program can load. The model itself is not changed, and its
metadata is kept. All patches are checked before anything is written.

An MLX folder becomes a GGUF file in the same way; without a patch, it is only
converted.

The digest that is printed is that of the copy.`,
		Example: `  bankai patch apply demo -o fixed.gguf --patch fix.bankai`,
		Args:    arguments(1, 1, "one model"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			switch {
			case out == "":
				return usagef("give a name for the patched copy with -o")
			case len(patches) == 0 && !isFolder(args[0]):
				return usagef("give at least one patch with --patch")
			}
			return a.apply(ctx, args[0], out, patches)
		}),
	}
	outFlag(cmd, &out, "the patched copy")
	cmd.Flags().StringArrayVar(&patches, "patch", nil, "patch `FILE` to bake in; may be repeated, patches combine by XOR")
	a.forceFlag(cmd)
	return cmd
}

func (a *app) apply(ctx context.Context, model, out string, patches []string) error {
	o := a.derived(out, aModelOf(model), append(modelInputs(model), patches...)...)
	if err := o.Check(); err != nil {
		return err
	}
	f, err := openWeights(model)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := a.readPatches(f, patches)
	if err != nil {
		return err
	}
	if err := o.Write(ctx, func(w durable.File) error { return f.BakeInto(w, p) }); err != nil {
		return err
	}
	a.wrote(out)
	baked, err := weights.Open(out)
	if err != nil {
		return err
	}
	defer baked.Close()
	doc := struct {
		Out    string        `json:"out"`
		Flips  int           `json:"flips"`
		Bits   *uint64       `json:"bits"`
		Bytes  int64         `json:"bytes"`
		Base   bankai.Digest `json:"base"`
		Digest bankai.Digest `json:"digest"`
	}{out, p.Len(), knownBits(p), baked.Size(), f.Digest(), baked.Digest()}
	return a.print(doc, func(w io.Writer) {
		writeFacts(w,
			fact{"written", fmt.Sprintf("%s, %s", out, sizeText(doc.Bytes))},
			fact{"inverted", fmt.Sprintf("%s, %s bits", many(doc.Flips, "flip"), bitsText(doc.Bits))},
			fact{"digest", doc.Digest.String()}, fact{"was", doc.Base.String()})
	})
}

func (a *app) verifyCommand() *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:   "verify P --model M",
		Short: "check that a patch is whole and fits a model",
		Long: `Checks that a patch file is undamaged, that it was made for this model, and that
every flip is in range. If not, the exit status is 1. A patch that does not name
its model (old JSON files) is checked by shape alone: ok is true, bound false.`,
		Example: `  bankai patch verify fix.bankai --model demo`,
		Args:    arguments(1, 1, "one patch"),
		RunE: a.do(func(_ context.Context, args []string) error {
			return a.verify(args[0], model)
		}),
	}
	cmd.Flags().StringVar(&model, "model", demoName, "`FILE` of the model (GGUF), its folder (MLX), or demo")
	return cmd
}

func (a *app) verify(path, model string) error {
	f, err := openWeights(model)
	if err != nil {
		return err
	}
	defer f.Close()
	doc := struct {
		OK     bool          `json:"ok"`
		Reason string        `json:"reason,omitempty"`
		Bound  bool          `json:"bound"`
		Flips  int           `json:"flips"`
		Bits   *uint64       `json:"bits"`
		Model  bankai.Digest `json:"model"`
	}{Model: f.Digest()}
	p, failed := a.readPatch(f, path)
	if failed == nil {
		doc.OK, doc.Bound, doc.Flips, doc.Bits = true, !p.Base().IsZero(), p.Len(), knownBits(p)
	} else {
		doc.Reason = explain(failed)
	}
	if failed != nil && !a.json {
		return failed
	}
	err = a.print(doc, func(w io.Writer) {
		fmt.Fprintf(w, "%s: ok, %s, %s bits, for %s (%s)\n", path, many(doc.Flips, "flip"), bitsText(doc.Bits), model, short(doc.Model))
	})
	if err == nil {
		err = failed
	}
	return err
}

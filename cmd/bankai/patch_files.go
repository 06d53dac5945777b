package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"bankai"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/store"

	"github.com/spf13/cobra"
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
			return a.withWeights(model, func(f *weights.File) error {
				p, err := a.patches(f).Read(args[0])
				if err != nil {
					return err
				}
				if f != nil {
					meta := p.Meta()
					if meta.BaseModel == "" {
						meta.BaseModel = modelName(model, f.Config())
					}
					meta.Arithmetic = f.Arithmetic()
					p = p.WithBase(f.Digest()).WithMeta(meta)
				}
				o := a.derived(out, sameIn(p))
				if err := o.Check(); err != nil {
					return err
				}
				return a.writeResult(ctx, p, o)
			})
		}),
	}
	outFlag(cmd, &out, patchNames)
	otherModelFlag(cmd, &model, "model `FILE` (or demo) to check the patch against and bind it to")
	forceFlag(cmd)
	return cmd
}

func (a *app) diffCommand() *cobra.Command {
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
			o := a.found(out, a.aPatch)
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
						a.warn("%s and %s hold the same bits: the patch is empty", args[0], args[1])
					}
					description := fmt.Sprintf("turns %s into %s", args[0], args[1])
					return a.writeDerived(ctx, p.WithMeta(bankai.Meta{Description: description}), o, from, args[0])
				})
			})
		}),
	}
	outFlag(cmd, &out, patchNames)
	forceFlag(cmd)
	return cmd
}

func (a *app) applyCommand() *cobra.Command {
	var out, model string
	var patches []string
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "apply MODEL -o OUT.gguf --patch P...",
		Short: "bake patches into a copy of a model",
		Long: `Writes a copy of the model in which the bits of the patches are inverted, as one
GGUF file that any program can load. The model itself is not changed. The copy
keeps its metadata, says in its name which patches are in it, and has keys from
which bankai info tells them and bankai patch remove takes them out again. All
patches are checked before anything is written.

What is no single GGUF file of 1-bit matrices (an MLX folder, a split model, one
that was unpacked to floats) becomes one in the same way; without a patch, it is
only converted.

The digest that is printed is that of the copy.`,
		Example: `  bankai patch apply demo -o fixed.gguf --patch fix.bankai`,
		Args:    arguments(0, 1, "one model"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			model, err := oneModel(cmd, args)
			switch {
			case err != nil:
				return err
			case model == "":
				return usagef("missing argument: give one model")
			case out == "":
				return usagef("give a name for the patched copy with -o")
			}
			if err := checkModelName(out); err != nil {
				return err
			}
			return a.apply(ctx, model, out, patches)
		}),
	}
	outFlag(cmd, &out, "the patched copy")
	otherModelFlag(cmd, &model, "`FILE` of the model, if it is not an argument")
	markSettable(cmd.Flags(), "model")
	cmd.Flags().StringArrayVar(&patches, "patch", nil, "patch `FILE` to bake in; may be repeated, patches combine by XOR")
	forceFlag(cmd)
	return cmd
}

func (a *app) apply(ctx context.Context, model, out string, patches []string) error {
	o := a.derived(out, a.aBakedModel)
	if err := cmp.Or(o.Check(), store.CheckFiles(patches)); err != nil {
		return err
	}
	f, err := a.openWeights(model)
	if err != nil {
		return err
	}
	defer f.Close()
	if len(patches) == 0 && f.Origin() == "" {
		return usagef("give at least one patch with --patch: only what is no GGUF file of 1-bit matrices yet is converted without")
	}
	list, p, err := a.patches(f).Combine(patches)
	if err != nil {
		return err
	}
	made, err := f.PlanBake(list...)
	if err != nil {
		return err
	}
	baked, err := a.putModel(ctx, o, made)
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
			fact{"written", fmt.Sprintf("%s, %s", out, text.Size(doc.Bytes))},
			fact{"inverted", fmt.Sprintf("%s, %s bits", text.Count(doc.Flips, "flip"), bitsText(doc.Bits))},
			fact{"digest", doc.Digest.String()}, fact{"was", doc.Base.String()})
	})
}

func (a *app) verifyCommand() *cobra.Command {
	var model string
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "verify P [MODEL]",
		Short: "check that a patch is whole and fits a model",
		Long: `Checks that a patch file is undamaged, that it was made for this model, and that
every flip is in range. If not, the exit status is 1. A patch that does not name
its model (old JSON files) is checked by shape alone: ok is true, bound false. A
JSON file of another tool has no digest, so that damage to it cannot be told.

A patch also says with which settings its model computes (rope, scaling, epsilon,
heads), and is refused by a model of the same weights with other ones, where what
was measured of it does not hold; --force takes it all the same.`,
		Example: `  bankai patch verify fix.bankai --model demo`,
		Args:    arguments(1, 2, "one patch, and the model if --model does not name it"),
		RunE: a.do(func(_ context.Context, args []string) error {
			model, err := oneModel(cmd, args[1:])
			if err != nil {
				return err
			}
			return a.verify(args[0], model)
		}),
	}
	modelFlag(cmd, &model)
	forceFlag(cmd)
	return cmd
}

func (a *app) verify(path, model string) error {
	f, err := a.openWeights(model)
	if err != nil {
		return err
	}
	defer f.Close()
	doc := struct {
		OK     bool     `json:"ok"`
		Reason string   `json:"reason,omitempty"`
		Bound  bool     `json:"bound"`
		Flips  int      `json:"flips"`
		Bits   *uint64  `json:"bits"`
		Model  modelRef `json:"model"`
	}{Model: modelOf(model, f)}
	p, failed := a.patches(f).Read(path)
	if failed == nil {
		doc.OK, doc.Bound, doc.Flips, doc.Bits = true, !p.Base().IsZero(), p.Len(), knownBits(p)
	} else {
		doc.Reason = explain(failed)
	}
	if failed != nil && !a.json {
		return failed
	}
	err = a.print(doc, func(w io.Writer) {
		fmt.Fprintf(w, "%s: ok, %s, %s bits, for %s (%s)\n", path, text.Count(doc.Flips, "flip"), bitsText(doc.Bits), model, short(doc.Model.Digest))
	})
	if err == nil {
		err = failed
	}
	return err
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/internal/weights"

	"github.com/spf13/cobra"
)

func applyCommand(a *app) *cobra.Command {
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
			model, err := modelToCopy(cmd, args, out, "one model", "the patched copy")
			if err != nil {
				return err
			}
			return apply(ctx, a, model, out, patches)
		}),
	}
	outFlag(cmd, &out, "the patched copy")
	otherModelFlag(cmd, &model, "`FILE` of the model, if it is not an argument")
	markSettable(cmd.Flags(), "model")
	cmd.Flags().StringArrayVar(&patches, "patch", nil, "`PATCH` to bake in: a file, or a name of the library; may be repeated, patches combine by XOR")
	forceFlag(cmd)
	return cmd
}

// modelToCopy is the model of a command line that a copy called out is to be made of.
// what and copied name both in an error.
func modelToCopy(cmd *cobra.Command, args []string, out, what, copied string) (string, error) {
	model, err := oneModel(cmd, args)
	switch {
	case err != nil:
		return "", err
	case model == "":
		return "", usagef("missing argument: give %s", what)
	case out == "":
		return "", usagef("give a name for %s with -o", copied)
	}
	return model, checkModelName(out)
}

func apply(ctx context.Context, a *app, model, out string, patches []string) error {
	o := a.Derived(out, a.OwnModel)
	if err := cmp.Or(o.Check(), a.patches(nil).CheckRefs(patches)); err != nil {
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
	baked, err := a.PutModel(ctx, o, made)
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
	}{out, p.Len(), anatomy.KnownBits(p), baked.Size(), f.Digest(), baked.Digest()}
	return a.Print(doc, func(w io.Writer) {
		terminal.WriteFacts(w,
			terminal.Fact{"written", fmt.Sprintf("%s, %s", out, text.Size(doc.Bytes))},
			terminal.Fact{"inverted", fmt.Sprintf("%s, %s bits", text.Count(doc.Flips, "flip"), bitsText(doc.Bits))},
			terminal.Fact{"digest", doc.Digest.String()}, terminal.Fact{"was", doc.Base.String()})
	})
}

func removeCommand(a *app) *cobra.Command {
	var out, model string
	var patches []string
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "remove FILE.gguf -o OUT.gguf --patch P...",
		Short: "take baked patches out of a model again",
		Long: `Writes a copy of a patched model without the patches. What patch apply made of
one GGUF file of 1-bit matrices becomes that file again, to the byte, when all
its patches are taken out; bankai info FILE.gguf tells which they are. What it
made of an MLX folder, a split model or one unpacked to floats becomes the GGUF
file that patch apply makes of it without a patch.

The patches must be in the model: taking them out must give the model that they
were made for, or leave others that the file names.`,
		Example: `  bankai patch remove fixed.gguf -o model.gguf --patch fix.bankai`,
		Args:    arguments(0, 1, "one patched model"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			model, err := modelToCopy(cmd, args, out, "one patched model", "the copy without the patches")
			if err != nil {
				return err
			}
			if len(patches) == 0 {
				return usagef("give at least one patch with --patch: bankai info %s tells which are in it", model)
			}
			return remove(ctx, a, model, out, patches)
		}),
	}
	outFlag(cmd, &out, "the copy without the patches")
	otherModelFlag(cmd, &model, "`FILE` of the patched model, if it is not an argument")
	cmd.Flags().StringArrayVar(&patches, "patch", nil, "`PATCH` to take out: a file, or a name of the library; may be repeated")
	forceFlag(cmd)
	return cmd
}

func remove(ctx context.Context, a *app, model, out string, paths []string) error {
	o := a.Derived(out, a.ModelBefore(model))
	if err := cmp.Or(o.Check(), a.patches(nil).CheckRefs(paths)); err != nil {
		return err
	}
	f, err := a.openWeights(model)
	if err != nil {
		return err
	}
	defer f.Close()
	var patches []*bankai.Patch
	for _, path := range paths {
		p, err := a.patches(nil).Read(path) // it is not for this model, but for the one before
		if err != nil {
			return err
		}
		patches = append(patches, p)
	}
	c, err := f.PlanRemove(patches...)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(paths, ", "), err)
	}
	copied, err := a.PutModel(ctx, o, c)
	if err != nil {
		return err
	}
	defer copied.Close()
	doc := struct {
		Out     string          `json:"out"`
		Bytes   int64           `json:"bytes"`
		Base    bankai.Digest   `json:"base"`    // of the model that was given
		Digest  bankai.Digest   `json:"digest"`  // of the copy
		Patches []anatomy.Baked `json:"patches"` // that are still in it
	}{out, copied.Size(), f.Digest(), copied.Digest(), anatomy.NewModel(out, copied).Patches}
	return a.Print(doc, func(w io.Writer) {
		terminal.WriteFacts(w,
			terminal.Fact{"written", fmt.Sprintf("%s, %s", out, text.Size(doc.Bytes))},
			terminal.Fact{"still in it", modelPage{anatomy.NewModel(out, copied)}.patchesText()},
			terminal.Fact{"original", originalText(c.Made, copied)},
			terminal.Fact{"digest", doc.Digest.String()}, terminal.Fact{"was", doc.Base.String()})
	})
}

// originalText says whether a copy is the file that was patched.
func originalText(made weights.Baked, copied *weights.File) string {
	switch {
	case len(made.Patches) > 0 || made.Base.IsZero():
		return ""
	case made.From != "":
		return fmt.Sprintf("was no single GGUF file of 1-bit matrices (%s): this is the one made of it", text.Line(made.From))
	case made.File.IsZero():
		return "the weights that were patched; the model does not say what file they were in"
	case made.File != copied.Sum():
		return "not the file that was patched, to the byte: its weights are the same, but its metadata or what is between the tensors is not"
	}
	return "the file that was patched, to the byte"
}

// checkModelName refuses names that would later be taken for something else.
func checkModelName(path string) error {
	switch ext := filepath.Ext(path); {
	case path == source.DemoModel:
		return usagef("-o %s: is the name of the built-in model: choose another, such as %s-patched.gguf", path, path)
	case slices.Contains(patchFiles, ext):
		return usagef("-o %s: a model is written, and %s is the ending of patches: choose a name that ends in .gguf", path, ext)
	}
	return nil
}

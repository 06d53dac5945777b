package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"bankai/internal/anatomy"
	"bankai/internal/modelref"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/store"

	"github.com/spf13/cobra"
)

func infoCommand(a *app) *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:   "info FILE|NAME",
		Short: "what a model or a patch file holds",
		Long: `Tells what is in a file: a model (GGUF, one part of a split one, an MLX folder,
or demo) or a patch (.bankai or JSON), recognised by its content, or a patch of
the library by its name.

Of a model: its architecture and shapes, how much of it is 1-bit, and the
digest that patches are bound to. The digest covers the weights and nothing
else, so it is the same for every file that holds the same model. The fingerprint
covers the settings that decide its answers beside them. Of a patched copy: which
patches are in it.

Of a patch: what it flips, by layer and projection, the model it is for, where
it comes from, and what was measured of it. Old patch files do not say how wide
a row is; with --model the number of bits is known all the same, and the patch
is checked against the model.`,
		Example: `  bankai info demo
  bankai info fix.bankai
  bankai info old.json --model demo --json`,
		Args: arguments(1, 1, "one file, a name of the library, or demo"),
		RunE: a.do(func(_ context.Context, args []string) error {
			if source.IsStream(args[0]) {
				return showStream(a, args[0], model)
			}
			if isKept := args[0] != source.DemoModel && !source.IsPublished(args[0]) && !store.IsPath(args[0]); isKept && filepath.Ext(args[0]) != ".gguf" {
				return showNamed(a, args[0], model)
			}
			isModel, err := source.IsModel(args[0])
			switch {
			case err != nil:
				return err
			case isModel && model != "":
				return usagef("--model is for patches, and %s is a model", args[0])
			case isModel:
				return showModel(a, args[0])
			}
			return showPatch(a, args[0], model)
		}),
	}
	otherModelFlag(cmd, &model, "model `FILE` (or demo) to check a patch against")
	forceFlag(cmd)
	return cmd
}

// modelPage is what is in a model, for people.
type modelPage struct{ anatomy.Model }

func showModel(a *app, path string) error {
	f, err := a.openWeights(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info := anatomy.NewModel(path, f)
	return a.Print(info, modelPage{info}.write)
}

func (m modelPage) write(w io.Writer) {
	terminal.WriteFacts(w,
		terminal.Fact{"model", modelref.Titled(m.File, m.Name)},
		terminal.Fact{"architecture", fmt.Sprintf("%s, %s, hidden %d, ffn %d", m.Architecture, m.layersText(), m.Hidden, m.FFN)},
		terminal.Fact{"attention", fmt.Sprintf("%d query heads, %d key and value heads, of %d each%s", m.Heads, m.KVHeads, m.HeadDim, m.gateText())},
		terminal.Fact{"delta-net", m.deltaText()},
		terminal.Fact{"vocabulary", fmt.Sprintf("%s tokens, %s", text.Thousands(int64(m.Vocab)), m.headText())},
		terminal.Fact{"context", fmt.Sprintf("%s tokens%s", text.Thousands(int64(m.Context)), m.yarnText())},
		terminal.Fact{"parameters", text.Amount(m.Parameters)},
		terminal.Fact{"1-bit", fmt.Sprintf("%.2f %% of them; %.3f bits a parameter in all", 100*m.Coverage, m.BitsPer)},
		terminal.Fact{"packed", m.packedText()},
		terminal.Fact{"size", fmt.Sprintf("%s (%s bytes)", text.Size(m.Bytes), text.Thousands(m.Bytes))},
		terminal.Fact{"digest", m.Digest.String()},
		terminal.Fact{"fingerprint", m.Fingerprint.String()},
		terminal.Fact{"patches in it", m.patchesText()}, terminal.Fact{"base", m.baseText()})
	fmt.Fprintln(w)
	t := text.Table{Indent: text.Gap, Right: text.RightAligned(3)}
	t.Add("rows", "columns", "copies", "1-bit matrix")
	for _, s := range m.Tensors {
		if s.Kind == weights.OneBit {
			t.Add(s.Rows, s.Cols, s.Copies, s.Base())
		}
	}
	io.WriteString(w, t.String())
}

// layersText says what the layers have.
func (m modelPage) layersText() string {
	if m.Delta == nil {
		return fmt.Sprintf("dense; %d layers", m.Layers)
	}
	return fmt.Sprintf("hybrid; %d layers, %d of them with a delta-net", m.Layers, len(m.Delta.Layers))
}

// gateText is how the attention of a hybrid differs from that of a dense model.
func (m modelPage) gateText() string {
	if m.Delta == nil {
		return ""
	}
	return fmt.Sprintf(" (%d rotate); gated", m.Rotary)
}

// deltaText is what a hybrid has in the layers without attention.
func (m modelPage) deltaText() string {
	d := m.Delta
	if d == nil {
		return ""
	}
	return fmt.Sprintf("%d key heads, %d value heads, of %d each; a convolution of %d tokens", d.KeyHeads, d.ValueHeads, d.HeadDim, d.Taps)
}

// packedText says that the file holds floats.
func (m modelPage) packedText() string {
	names := map[string]string{"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
	if m.PackedFrom == "" {
		return ""
	}
	return "packed without loss from " + names[m.PackedFrom]
}

// patchesText lists the patches that are in a patched copy.
func (m modelPage) patchesText() string {
	var list []string
	for _, p := range m.Patches {
		list = append(list, fmt.Sprintf("%s (%s)", text.Line(p.Name), short(p.Digest)))
	}
	return strings.Join(list, ", ")
}

// baseText says what a copy was made of.
func (m modelPage) baseText() string {
	switch {
	case m.Base == nil:
		return ""
	case m.ConvertedAs != "":
		return fmt.Sprintf("%s (%s)", m.Base, text.Line(m.ConvertedAs))
	}
	return m.Base.String()
}

func (m modelPage) headText() string {
	if m.Tied {
		return "the head is the embedding"
	}
	return "a head of its own"
}

func (m modelPage) yarnText() string {
	if m.Yarn == nil {
		return ""
	}
	return fmt.Sprintf(", stretched %g times from %s (rope scaling)", m.Yarn.Factor, text.Thousands(int64(m.Yarn.Original)))
}

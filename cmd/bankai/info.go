package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"bankai"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/weights"

	"github.com/spf13/cobra"
)

func infoCommand(a *app) *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "what a model or a patch file holds",
		Long: `Tells what is in a file: a model (GGUF, one part of a split one, an MLX folder,
or demo) or a patch (.bankai or JSON), recognised by its content.

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
		Args: arguments(1, 1, "one file, or demo"),
		RunE: a.do(func(_ context.Context, args []string) error {
			if isStream(args[0]) {
				return showStream(a, args[0], model)
			}
			isModel, err := isModel(args[0])
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

// isStream reports whether a path is something that can be read once only.
func isStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && !info.Mode().IsRegular()
}

// isModel reports whether a file begins as a GGUF file does, or is a folder.
func isModel(path string) (bool, error) {
	if path == source.DemoModel {
		return true, nil
	}
	if isFolder(path) {
		return true, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start := make([]byte, 4)
	n, err := io.ReadFull(f, start)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return bytes.Equal(start[:n], []byte("GGUF")), err
}

// isFolder reports whether there is a folder of that name.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// modelInfo is what `info` says of a model.
type modelInfo struct {
	Kind         string            `json:"kind"` // "model"
	File         string            `json:"file"`
	Name         string            `json:"name"`
	Architecture string            `json:"architecture"`
	Layers       int               `json:"layers"`
	Hidden       int               `json:"hidden"`
	FFN          int               `json:"ffn"`
	Heads        int               `json:"heads"`
	KVHeads      int               `json:"kv_heads"`
	HeadDim      int               `json:"head_dim"`
	Vocab        int               `json:"vocab"`
	Context      int               `json:"context"`
	Tied         bool              `json:"tied"`
	RopeTheta    float64           `json:"rope_theta"`
	Yarn         *yarnInfo         `json:"yarn"` // null: positions are not scaled
	Parameters   int64             `json:"parameters"`
	OneBit       int64             `json:"one_bit_parameters"`
	Coverage     float64           `json:"coverage"` // share of the parameters that are 1-bit
	BitsPer      float64           `json:"bits_per_weight"`
	Bytes        int64             `json:"bytes"`
	Shapes       map[string][2]int `json:"shapes"` // rows and columns of each kind of 1-bit matrix
	Digest       bankai.Digest     `json:"digest"`
	Fingerprint  bankai.Digest     `json:"fingerprint"` // of the arithmetic
	PackedFrom   string            `json:"packed_from"` // float type of the matrices in the file, "" if they are 1-bit there
	Base         *bankai.Digest    `json:"base"`        // of the model without the patches in it; null if it is not a copy
	ConvertedAs  string            `json:"converted_from"`
	Patches      []bakedInfo       `json:"patches"` // in the file, as it says

	tensors []weights.TensorSpec
}

// bakedInfo is a patch that is in a patched copy.
type bakedInfo struct {
	Name   string        `json:"name"`
	Digest bankai.Digest `json:"digest"` // of what the patch does
}

type yarnInfo struct {
	Factor   float64 `json:"factor"`
	Original int     `json:"original_context"`
}

func showModel(a *app, path string) error {
	f, err := a.openWeights(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info := newModelInfo(path, f)
	return a.print(info, info.write)
}

func newModelInfo(path string, f *weights.File) modelInfo {
	c := f.Config()
	m := modelInfo{
		Kind: "model", File: path, Name: c.Name, Architecture: c.Architecture,
		Layers: c.Layers, Hidden: c.Hidden, FFN: c.FFN, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		Vocab: c.Vocab, Context: c.Context, Tied: c.Tied, RopeTheta: c.RopeTheta,
		Bytes: f.Size(), Shapes: map[string][2]int{}, Digest: f.Digest(),
		Fingerprint: f.Arithmetic().Fingerprint(), Patches: []bakedInfo{}, tensors: c.Tensors(),
	}
	if c.Yarn != nil {
		m.Yarn = &yarnInfo{c.Yarn.Factor, c.Yarn.Original}
	}
	if typ, ok := f.Packed(); ok {
		m.PackedFrom = typ.String()
	}
	if b, ok := f.Baked(); ok {
		m.Base, m.ConvertedAs = &b.Base, b.From
		for _, p := range b.Patches {
			m.Patches = append(m.Patches, bakedInfo{p.Name, p.Content})
		}
	}
	for _, t := range f.Tensors() {
		n := int64(t.Rows) * int64(t.Cols)
		m.Parameters += n
		if t.Kind == weights.OneBit {
			m.OneBit += n
		}
	}
	for _, t := range m.tensors {
		if t.Kind == weights.OneBit {
			m.Shapes[t.Base()] = [2]int{t.Rows, t.Cols}
		}
	}
	m.Coverage = float64(m.OneBit) / float64(m.Parameters)
	m.BitsPer = 8 * float64(m.Bytes) / float64(m.Parameters)
	if m.PackedFrom != "" { // the size of the file says nothing of the model
		m.BitsPer = (float64(1.125*float64(m.OneBit)) + float64(32*float64(m.Parameters-m.OneBit))) / float64(m.Parameters)
	}
	return m
}

func (m modelInfo) write(w io.Writer) {
	writeFacts(w,
		fact{"model", titled(m.File, m.Name)},
		fact{"architecture", fmt.Sprintf("%s, dense; %d layers, hidden %d, ffn %d", m.Architecture, m.Layers, m.Hidden, m.FFN)},
		fact{"attention", fmt.Sprintf("%d query heads, %d key and value heads, of %d each", m.Heads, m.KVHeads, m.HeadDim)},
		fact{"vocabulary", fmt.Sprintf("%s tokens, %s", text.Thousands(int64(m.Vocab)), m.headText())},
		fact{"context", fmt.Sprintf("%s tokens%s", text.Thousands(int64(m.Context)), m.yarnText())},
		fact{"parameters", text.Amount(m.Parameters)},
		fact{"1-bit", fmt.Sprintf("%.2f %% of them; %.3f bits a parameter in all", 100*m.Coverage, m.BitsPer)},
		fact{"packed", m.packedText()},
		fact{"size", fmt.Sprintf("%s (%s bytes)", text.Size(m.Bytes), text.Thousands(m.Bytes))},
		fact{"digest", m.Digest.String()},
		fact{"fingerprint", m.Fingerprint.String()},
		fact{"patches in it", m.patchesText()}, fact{"base", m.baseText()})
	fmt.Fprintln(w)
	t := text.Table{Indent: text.Gap, Right: text.RightAligned(3)}
	t.Add("rows", "columns", "copies", "1-bit matrix")
	for _, s := range m.tensors {
		copies := 1
		if s.Layered() {
			copies = m.Layers
		}
		if s.Kind == weights.OneBit {
			t.Add(s.Rows, s.Cols, copies, s.Base())
		}
	}
	io.WriteString(w, t.String())
}

// packedText says that the file holds floats.
func (m modelInfo) packedText() string {
	names := map[string]string{"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
	if m.PackedFrom == "" {
		return ""
	}
	return "packed without loss from " + names[m.PackedFrom]
}

// patchesText lists the patches that are in a patched copy.
func (m modelInfo) patchesText() string {
	var list []string
	for _, p := range m.Patches {
		list = append(list, fmt.Sprintf("%s (%s)", text.Line(p.Name), short(p.Digest)))
	}
	return strings.Join(list, ", ")
}

// baseText says what a copy was made of.
func (m modelInfo) baseText() string {
	switch {
	case m.Base == nil:
		return ""
	case m.ConvertedAs != "":
		return fmt.Sprintf("%s (%s)", m.Base, text.Line(m.ConvertedAs))
	}
	return m.Base.String()
}

// titled is a file with the name it holds.
func titled(path, name string) string {
	if name = text.Line(name); name == "" || name == path {
		return path
	}
	return name + ", " + path
}

func (m modelInfo) headText() string {
	if m.Tied {
		return "the head is the embedding"
	}
	return "a head of its own"
}

func (m modelInfo) yarnText() string {
	if m.Yarn == nil {
		return ""
	}
	return fmt.Sprintf(", stretched %g times from %s (rope scaling)", m.Yarn.Factor, text.Thousands(int64(m.Yarn.Original)))
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"bankai"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/measure"
)

// patchInfo is what `info` says of a patch.
type patchInfo struct {
	Kind        string             `json:"kind"` // "patch"
	File        string             `json:"file"`
	Flips       int                `json:"flips"`
	Rows        int                `json:"rows"` // flips of a whole row
	Bits        *uint64            `json:"bits"` // null if the file does not say how wide a row is
	Bytes       int64              `json:"bytes"`
	Content     int64              `json:"content_bytes"` // without provenance, in the compact form
	Base        *bankai.Digest     `json:"base"`          // null if the patch does not name its model
	Digest      bankai.Digest      `json:"digest"`        // of what the patch does
	Name        string             `json:"name"`
	Description string             `json:"description"`
	BaseModel   string             `json:"base_model"`
	Arithmetic  *bankai.Arithmetic `json:"arithmetic"` // of its model; null if the patch does not say
	Created     *time.Time         `json:"created"`
	Tool        string             `json:"tool"`
	Command     string             `json:"command"`
	Metric      string             `json:"metric"`
	Claims      []bankai.Claim     `json:"claims"`
	Tensors     []tensorFlips      `json:"tensors"`
}

func showPatch(a *app, path, model string) error {
	return a.withWeights(model, func(f *weights.File) error {
		p, err := a.patches(f).Read(path)
		if err != nil {
			if _, notProbes := source.ReadPrompts(path); notProbes == nil {
				return fmt.Errorf("%s: is a probe file, neither a model nor a patch: bankai audit --probes looks at one", path)
			}
			return err
		}
		file, err := os.Stat(path)
		if err != nil {
			return err
		}
		return printPatch(a.console, path, file.Size(), p)
	})
}

// showStream is showPatch of what can be read once only, such as a pipe.
func showStream(a *app, path, model string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, source.MaxSize+1))
	switch {
	case err != nil:
		return err
	case len(data) > source.MaxSize || bytes.HasPrefix(data, []byte("GGUF")):
		return fmt.Errorf("%s: a model cannot be read from a pipe: give its file", path)
	}
	p, err := bankai.Read(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return a.withWeights(model, func(f *weights.File) error {
		if p, err = a.patches(f).Check(p, path); err != nil {
			return err
		}
		return printPatch(a.console, path, int64(len(data)), p)
	})
}

// printPatch tells what is in a patch, which takes size bytes in its file.
func printPatch(c *console, path string, size int64, p *bankai.Patch) (err error) {
	info := newPatchInfo(path, size, p)
	if info.Content, err = p.ContentSize(); err != nil {
		return err
	}
	return c.print(info, info.write)
}

func newPatchInfo(path string, size int64, p *bankai.Patch) patchInfo {
	meta := p.Meta()
	info := patchInfo{
		Kind: "patch", File: path, Flips: p.Len(), Bits: knownBits(p), Bytes: size, Digest: p.ContentDigest(),
		Name: meta.Name, Description: meta.Description, BaseModel: meta.BaseModel, Tool: meta.Tool,
		Command: meta.Command, Metric: meta.Metric, Claims: meta.Claims, Tensors: flipsByTensor(p),
	}
	if info.Claims == nil {
		info.Claims = []bankai.Claim{}
	}
	info.Base = boundTo(p)
	if meta.Arithmetic != (bankai.Arithmetic{}) {
		info.Arithmetic = &meta.Arithmetic
	}
	if !meta.Created.IsZero() {
		info.Created = &meta.Created
	}
	for _, t := range info.Tensors {
		info.Rows += t.Rows
	}
	return info
}

// boundTo is the digest of the model a patch is for, nil if it is unbound.
func boundTo(p *bankai.Patch) *bankai.Digest {
	base := p.Base()
	if base.IsZero() {
		return nil
	}
	return &base
}

func (p patchInfo) write(w io.Writer) {
	base, created := "not named: the file does not say which model it was made for", ""
	if p.Base != nil {
		base = p.Base.String()
	}
	settings := ""
	if p.Arithmetic != nil {
		settings = p.Arithmetic.String()
	}
	if p.Created != nil {
		created = p.Created.Format(timeLayout)
	}
	writeFacts(w,
		fact{"patch", titled(p.File, p.Name)},
		fact{"flips", fmt.Sprint(p.Flips) + p.rowsText()},
		fact{"bits", bitsText(p.Bits)},
		fact{"bytes", fmt.Sprintf("%s, content %s", text.Thousands(p.Bytes), text.Thousands(p.Content))},
		fact{"base", base},
		fact{"model", p.BaseModel},
		fact{"settings", settings},
		fact{"about", text.Line(p.Description)},
		fact{"made by", p.Tool}, fact{"made on", created}, fact{"metric", p.Metric},
		fact{"command", text.Line(p.Command)},
		fact{"digest", p.Digest.String()})
	writeFlipTable(w, p.Tensors)
	for i, c := range p.Claims {
		if i == 0 {
			fmt.Fprintln(w, "\nMeasured, by greedy generation:")
		}
		fmt.Fprintf(w, "  %s: %d of %d right before, %d after; %d fixed, %d broke, p = %s\n",
			c.Name, c.Before, c.Total, c.After, c.Fixed, c.Broke, text.Probability(c.PValue))
	}
}

// timeLayout is how times are printed for people.
const timeLayout = "2006-01-02 15:04 MST"

func (p patchInfo) rowsText() string {
	switch {
	case p.Flips == 0:
		return ": it changes nothing"
	case p.Rows == p.Flips:
		return ", all of whole rows"
	case p.Rows == 0:
		return ", none of a whole row"
	}
	return fmt.Sprintf(", %d of them of whole rows", p.Rows)
}

// tensorFlips is what a patch does to one tensor.
type tensorFlips struct {
	Tensor string  `json:"tensor"`
	Layer  *int    `json:"layer"` // null for the embedding and the head
	Proj   string  `json:"proj"`
	Flips  int     `json:"flips"`
	Rows   int     `json:"rows"` // flips of a whole row
	Bits   *uint64 `json:"bits"` // null if the patch does not know how wide a row is
}

// flipsByTensor counts a patch's flips, in the order of the tensors.
func flipsByTensor(p *bankai.Patch) []tensorFlips {
	list := []tensorFlips{}
	for _, c := range measure.Cells(p) {
		t := tensorFlips{Tensor: c.Tensor, Proj: c.Projection, Flips: c.Flips, Rows: c.Rows}
		if c.Layer >= 0 {
			t.Layer = &c.Layer
		}
		if c.Weights > 0 {
			t.Bits = &c.Weights
		}
		list = append(list, t)
	}
	return list
}

// writeFlipTable lists the flips by layer and projection; those of tensors
// outside the layers follow.
func writeFlipTable(w io.Writer, tensors []tensorFlips) {
	if len(tensors) == 0 {
		return
	}
	fmt.Fprintln(w)
	projs := usedProjections(tensors)
	t := text.Table{Indent: text.Gap, Right: text.RightAligned(1 + len(projs))}
	if len(projs) > 0 {
		t.Rows = append(t.Rows, append([]string{"layer"}, projs...))
	}
	for len(tensors) > 0 && tensors[0].Layer != nil {
		layer := *tensors[0].Layer
		counts := slices.Repeat([]string{"·"}, len(projs))
		for len(tensors) > 0 && tensors[0].Layer != nil && *tensors[0].Layer == layer {
			counts[slices.Index(projs, tensors[0].Proj)] = fmt.Sprint(tensors[0].Flips)
			tensors = tensors[1:]
		}
		t.Rows = append(t.Rows, append([]string{fmt.Sprint(layer)}, counts...))
	}
	io.WriteString(w, t.String())
	for _, other := range tensors {
		fmt.Fprintf(w, "  %s: %s\n", other.Tensor, text.Count(other.Flips, "flip"))
	}
}

// usedProjections are the projections that occur, in the order of the forward
// pass.
func usedProjections(tensors []tensorFlips) []string {
	var names []string
	for _, t := range tensors {
		if t.Layer != nil {
			names = append(names, t.Proj)
		}
	}
	return measure.Projections(nil, names...)
}

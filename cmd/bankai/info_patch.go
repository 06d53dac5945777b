package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/claims"
	"bankai/internal/guard"
	"bankai/internal/modelref"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/measure"
)

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
		return printPatch(a.Console, path, file.Size(), p)
	})
}

// showNamed is showPatch of a patch of the library.
func showNamed(a *app, ref, model string) error {
	return a.withWeights(model, func(f *weights.File) error {
		from := a.patches(f)
		p, err := from.Read(ref)
		if err != nil {
			return source.Meant(ref, err)
		}
		e, err := from.Library.Resolve(ref)
		if err != nil {
			return err
		}
		return showKept(a, from.Library, e, p)
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
		return printPatch(a.Console, path, int64(len(data)), p)
	})
}

// printPatch tells what is in a patch, which takes size bytes in its file.
func printPatch(c *terminal.Console, path string, size int64, p *bankai.Patch) error {
	page, err := pageOf(path, size, p)
	if err != nil {
		return err
	}
	return c.Print(page, page.write)
}

// pageOf is what is in a patch, which takes size bytes in its file.
func pageOf(path string, size int64, p *bankai.Patch) (patchPage, error) {
	info, err := anatomy.NewPatch(path, size, p)
	return patchPage{info, guard.RecordOf(p.Meta())}, err
}

// patchPage is what is in a patch.
type patchPage struct {
	anatomy.Patch
	Guard *guard.Record `json:"guard,omitempty"` // that it was searched and measured with
}

func (p patchPage) write(w io.Writer) {
	base, created := "not named: the file does not say which model it was made for", ""
	if p.Base != nil {
		base = p.Base.String()
	}
	settings := ""
	if p.Arithmetic != nil {
		settings = p.Arithmetic.String()
	}
	if p.Created != nil {
		created = p.Created.Format(text.TimeLayout)
	}
	terminal.WriteFacts(w,
		terminal.Fact{"patch", modelref.Titled(p.File, p.Name)},
		terminal.Fact{"flips", fmt.Sprint(p.Flips) + p.rowsText()},
		terminal.Fact{"bits", bitsText(p.Bits)},
		terminal.Fact{"bytes", fmt.Sprintf("%s, content %s", text.Thousands(p.Bytes), text.Thousands(p.Content))},
		terminal.Fact{"base", base},
		terminal.Fact{"model", p.BaseModel},
		terminal.Fact{"settings", settings},
		terminal.Fact{"about", text.Line(p.Description)},
		terminal.Fact{"author", text.Line(p.Author)}, terminal.Fact{"license", text.Line(p.License)},
		terminal.Fact{"made by", p.Tool}, terminal.Fact{"made on", created}, terminal.Fact{"metric", p.Metric},
		terminal.Fact{"command", text.Line(p.Command)},
		terminal.Fact{"digest", p.Digest.String()})
	writeConflicts(w, p.Conflicts)
	writeFlipTable(w, p.Tensors)
	if len(p.Claims) > 0 {
		fmt.Fprintln(w, measuredHeading(p.Claims))
	}
	for _, c := range p.Claims {
		fmt.Fprintf(w, "  %s: %s, p = %s\n", text.Line(c.Name), claims.Text(c), text.Probability(c.PValue))
	}
	if g := p.Guard; g != nil {
		fmt.Fprintf(w, "  the guard is of edition %d, seed %d and %s tokens; what the model says there diverges by %.2g nats a token\n",
			g.Edition, g.Seed, text.Thousands(int64(g.Tokens)), g.KL)
	}
}

// writeConflicts lists what a patch must not be combined with.
func writeConflicts(w io.Writer, list []bankai.Conflict) {
	if len(list) > 0 {
		fmt.Fprintln(w, "\nMust not be combined with:")
	}
	for _, c := range list {
		fmt.Fprintf(w, "  %s", short(c.Content))
		for _, said := range []string{c.Name, c.Why} {
			if said = text.Printable(said); said != "" {
				fmt.Fprintf(w, ", %s", said)
			}
		}
		fmt.Fprintln(w)
	}
}

// measuredHeading says how all of the claims were measured, where it is one way.
func measuredHeading(list []bankai.Claim) string {
	for _, c := range list {
		if claims.KindOf(c) != claims.Answers {
			return "\nMeasured:"
		}
	}
	return "\nMeasured, by greedy generation:"
}

func (p patchPage) rowsText() string {
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

// writeFlipTable lists the flips by layer and projection; those of tensors
// outside the layers follow.
func writeFlipTable(w io.Writer, tensors []anatomy.TensorFlips) {
	if len(tensors) == 0 {
		return
	}
	fmt.Fprintln(w, "\nFlips, by layer and projection:")
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
		fmt.Fprintf(w, "  %s: %s\n", text.Line(other.Tensor), text.Count(other.Flips, "flip"))
	}
}

// usedProjections are the projections that occur, in the order of the forward
// pass.
func usedProjections(tensors []anatomy.TensorFlips) []string {
	var names []string
	for _, t := range tensors {
		if t.Layer != nil {
			names = append(names, t.Proj)
		}
	}
	return measure.Projections(nil, names...)
}

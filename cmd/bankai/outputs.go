package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/probe"
)

// known tells what a file holds, "" for the unknown, and whether it is an earlier
// result of the command that is running. It goes by the content alone.
type known func(path string) (what string, earlier bool)

// found is an output that holds what was found by long work: an earlier one is kept
// under a number. No output takes the place of a file that the command line names as
// something to read.
func (a *app) found(path string, is known) *durable.Output {
	return &durable.Output{Path: path, Keep: true, Force: a.force, Known: is, Inputs: a.inputs}
}

// derived is an output that can be made again of what is there.
func (a *app) derived(path string, is known) *durable.Output {
	return &durable.Output{Path: path, Keep: a.force && mayBeFound(path), Force: a.force, Known: is, Inputs: a.inputs}
}

// mayBeFound reports whether a file may hold what was found by long work, though it
// need not be whole: a patch, probes, a journal, a result.
func mayBeFound(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false // the end of a pipe may never come
	}
	what := content(path)
	return what == isJSON || what == isBinaryPatch
}

// put writes an output, and remembers that it was written.
func (a *app) put(ctx context.Context, o *durable.Output, write func(w io.Writer) error) error {
	err := o.Write(ctx, func(f durable.File) error {
		w := bufio.NewWriter(f)
		if err := write(w); err != nil {
			return err
		}
		return w.Flush()
	})
	if err == nil {
		a.wrote(o.Path)
	}
	return err
}

// putModel writes a copy of a model, remembers that it was written, and opens it.
func (a *app) putModel(ctx context.Context, o *durable.Output, c *weights.Copy) (*weights.File, error) {
	if err := o.Write(ctx, c.Write); err != nil {
		return nil, err
	}
	a.wrote(o.Path)
	return weights.Open(o.Path)
}

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

// written is a patch that was written to a file.
type written struct {
	path    string
	flips   int
	bits    *uint64 // nil if unknown
	bytes   int64   // of the file
	content int64   // bytes that the compact form takes without provenance
}

// putPatch writes a patch, in the form that the output's name asks for, and says
// what was written.
func (a *app) putPatch(ctx context.Context, o *durable.Output, p *bankai.Patch) (written, error) {
	err := a.put(ctx, o, func(w io.Writer) error {
		if strings.ToLower(filepath.Ext(o.Path)) == ".json" {
			return p.WriteJSON(w)
		}
		_, err := p.WriteTo(w)
		return err
	})
	if err != nil {
		return written{}, err
	}
	info, err := os.Stat(o.Path)
	if err != nil {
		return written{}, err
	}
	content, err := p.ContentSize()
	return written{path: o.Path, flips: p.Len(), bits: knownBits(p), bytes: info.Size(), content: content}, err
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

// knownBits is the number of bits that a patch inverts, nil if it is unknown.
func knownBits(p *bankai.Patch) *uint64 {
	if n, known := p.Bits(); known {
		return &n
	}
	return nil
}

// bitsText is knownBits in words.
func bitsText(bits *uint64) string {
	if bits == nil {
		return "unknown: the file does not say how wide a row is; give --model"
	}
	return text.Thousands(int64(*bits))
}

// unwritable names the output in an error about writing it, which may name a
// temporary file.
func unwritable(path string, err error) error {
	var file *os.PathError
	var link *os.LinkError
	if !errors.As(err, &file) && !errors.As(err, &link) {
		return err // about the content, and names the output
	}
	return fmt.Errorf("%s: cannot write the file: %w", path, syscallOf(err))
}

// syscallOf is the bare reason of an error about a file.
func syscallOf(err error) error {
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return cause(err)
}

// checkOutputs refuses what must not be replaced, before the work begins.
func checkOutputs(outputs ...*durable.Output) error {
	for _, o := range outputs {
		if err := o.Check(); err != nil {
			return err
		}
	}
	return nil
}

// inputsOf are the files that a command line names as something to read: its arguments,
// and the values of flags for files.
func inputsOf(flags *pflag.FlagSet, args []string) (files []string) {
	named := slices.Clone(args)
	readable := fileValues()
	flags.VisitAll(func(f *pflag.Flag) {
		if v, ok := readable[f.Name]; !ok || v.written {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			named = append(named, list.GetSlice()...)
		} else {
			named = append(named, f.Value.String())
		}
	})
	for _, name := range named {
		file, _ := source.Split(name)
		for _, path := range []string{name, file} {
			if path != "" && isThere(path) {
				files = append(files, partsOf(path)...)
			}
		}
	}
	return files
}

// partsOf are the files that are read where one is named: all parts of a split model,
// or what a folder holds of a model or of results.
func partsOf(path string) []string {
	files := []string{path}
	if entries, err := os.ReadDir(path); err == nil {
		for _, e := range entries {
			if slices.Contains(foldersHold, filepath.Ext(e.Name())) {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
	}
	if m := splitName.FindStringSubmatch(path); m != nil {
		entries, _ := os.ReadDir(filepath.Dir(path))
		for _, e := range entries {
			part := filepath.Join(filepath.Dir(path), e.Name())
			if p := splitName.FindStringSubmatch(part); p != nil && filepath.Clean(p[1]) == filepath.Clean(m[1]) && p[2] == m[2] {
				files = append(files, part)
			}
		}
	}
	return files
}

// foldersHold are the endings of the files that are read of a folder.
var foldersHold = []string{".json", ".safetensors", ".txt", ".jinja"}

// splitName is what a part of a split model is called.
var splitName = regexp.MustCompile(`^(.*)-[0-9]{5}-of-([0-9]{5}\.gguf)$`)

// commandOf is the command of a recorded command line, as "bankai patch compose";
// "" if it is none of this program.
func commandOf(line string) string {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "bankai" {
		return ""
	}
	// A tree of its own: building one sets the flags of its app to their defaults.
	root := newApp(nil, nil, io.Discard, io.Discard).root()
	cmd, _, err := root.Find(words[1:])
	if err != nil || cmd == root {
		return ""
	}
	return cmd.CommandPath()
}

// aPatch knows patches that this command wrote, by what is recorded in them.
func (a *app) aPatch(path string) (string, bool) {
	p, err := bankai.ReadFile(path)
	if err != nil {
		return content(path), false
	}
	by := commandOf(p.Meta().Command)
	if by == "" {
		return "a patch", false
	}
	return `a patch of "` + by + `"`, by == a.command
}

// sameIn knows patches that flip what p does and say nothing that p does not say, in
// whatever form.
func sameIn(p *bankai.Patch) known {
	return func(path string) (string, bool) {
		old, err := bankai.ReadFile(path)
		if err != nil {
			return content(path), false
		}
		if !isOurs(path, old) {
			return "a patch that another program or a hand wrote", false
		}
		unbound := func(p *bankai.Patch) bankai.Digest { return p.WithBase(bankai.Digest{}).ContentDigest() }
		switch {
		case unbound(old) != unbound(p):
			return "another patch", false
		case !old.Base().IsZero() && old.Base() != p.Base(), !saysLess(old.Meta(), p.Meta()):
			return "the same patch with more known about it", false
		}
		return "", true
	}
}

// isOurs reports whether a file that holds a patch is what this program writes of it,
// so that it says nothing which the patch does not.
func isOurs(path string, p *bankai.Patch) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var again bytes.Buffer
	if content(path) == isJSON {
		err = p.WriteJSON(&again)
	} else {
		_, err = p.WriteTo(&again)
	}
	return err == nil && bytes.Equal(data, again.Bytes())
}

// saysLess reports whether all that is said in some is said in all.
func saysLess(some, all bankai.Meta) bool {
	a, b := reflect.ValueOf(some), reflect.ValueOf(all)
	for i := range a.NumField() {
		if f := a.Field(i); !f.IsZero() && !reflect.DeepEqual(f.Interface(), b.Field(i).Interface()) {
			return false
		}
	}
	return true
}

// someProbes knows probe files as this program writes them, to the byte. Which
// command it was they do not tell, nor whether a careful hand changed them.
func someProbes(path string) (string, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	set, err := probe.ReadPrompts(bytes.NewReader(data), probe.FormatOf(path))
	if err != nil {
		return content(path), false
	}
	var again bytes.Buffer
	if err := set.WriteJSON(&again); err != nil || !bytes.Equal(data, again.Bytes()) {
		return "probes that were written or changed by hand", false
	}
	return "a probe file", true
}

// aBakedModel knows the copies that patch apply writes, as it wrote them.
func (a *app) aBakedModel(path string) (string, bool) {
	if is, err := isModel(path); err != nil || !is {
		return content(path), false
	}
	asBaked := false
	err := a.withWeights(path, func(f *weights.File) error {
		asBaked = f.IsAsBaked()
		return nil
	})
	return "a model that patch apply did not write, or that was changed since", err == nil && asBaked
}

// aModelBefore knows what patch remove makes of a patched model: the file that the copy
// says it was made of, to the byte, and copies with fewer of its patches.
func (a *app) aModelBefore(patched string) known {
	return func(path string) (string, bool) {
		is, err := isModel(path)
		if err != nil || !is {
			return content(path), false
		}
		before := false
		err = a.withWeights(patched, func(f *weights.File) error {
			return a.withWeights(path, func(old *weights.File) error {
				b, ok := f.Baked()
				o, baked := old.Baked()
				switch {
				case !ok:
				case baked:
					before = o.Base == b.Base && o.File == b.File && isWithin(o.Patches, b.Patches) && old.IsAsBaked()
				case !b.File.IsZero():
					before = old.Sum() == b.File
				}
				return nil
			})
		})
		return "another model", err == nil && before
	}
}

// isWithin reports whether every patch of some is among all.
func isWithin(some, all []weights.BakedPatch) bool {
	for _, p := range some {
		if !slices.ContainsFunc(all, func(q weights.BakedPatch) bool { return p.Flips == q.Flips }) {
			return false
		}
	}
	return true
}

// generator finds what made a page.
var generator = regexp.MustCompile(`<meta name="generator" content="([^"]*)">`)

// aPage knows the pages of a command.
func aPage(command string) known {
	return func(path string) (string, bool) {
		f, err := os.Open(path)
		if err != nil {
			return "", false
		}
		defer f.Close()
		start, err := io.ReadAll(io.LimitReader(f, 64<<10))
		m := generator.FindSubmatch(start)
		if err != nil || m == nil {
			return content(path), false
		}
		by := commandOf(html.UnescapeString(string(m[1])))
		return `a page of "` + by + `"`, by == command
	}
}

// aResult knows the results of an experiment.
func aResult(name string) known {
	return func(path string) (string, bool) {
		r, err := readResult(path)
		if err != nil {
			return content(path), false
		}
		return "a result of experiment " + r.Head().Experiment, r.Head().Experiment == name
	}
}

// Contents that commands tell apart.
const (
	isJSON        = "JSON"
	isBinaryPatch = "a patch"
)

// content names what a file begins like.
func content(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	start := make([]byte, 64)
	n, err := io.ReadFull(f, start)
	if n == 0 && errors.Is(err, io.EOF) {
		return "an empty file"
	}
	start = bytes.ToLower(bytes.TrimSpace(start[:n]))
	for _, kind := range []struct{ begin, what string }{
		{"gguf", "a GGUF model"},
		{"<!doctype html", "a page"},
		{"{", isJSON},
		{"[", isJSON},
		{"bankai", isBinaryPatch},
	} {
		if bytes.HasPrefix(start, []byte(kind.begin)) {
			return kind.what
		}
	}
	return ""
}

// isThere reports whether there is anything of this name.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

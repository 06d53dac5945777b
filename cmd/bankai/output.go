package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/text"
	"bankai/store"

	"github.com/spf13/pflag"
)

// version of the program. It is written into patches.
const version = "0.1.0"

func toolName() string { return "bankai " + version }

// commandLine is how this run was started, for people and shells, without the
// flags that no result depends on: what is recorded of equal searches is equal.
func (a *app) commandLine() string {
	words := []string{"bankai"}
	for _, arg := range withoutRunFlags(a.flags, slices.Concat(a.args, a.chosen)) {
		words = append(words, quoted(arg))
	}
	return strings.Join(words, " ")
}

// runFlags say how a run goes and reports, not what it finds.
var runFlags = []string{"threads", "json", "quiet", "resume", "force", "report"}

// withoutRunFlags drops the runFlags from a command line that was parsed by flags.
func withoutRunFlags(flags *pflag.FlagSet, args []string) (kept []string) {
	for len(args) > 0 {
		name, words := flagAt(flags, args)
		if !slices.Contains(runFlags, name) {
			kept = append(kept, args[:words]...)
		}
		args = args[words:]
	}
	return kept
}

// flagAt returns the name of the flag that the arguments begin with, and how many
// of them it takes with its value. What is no flag, or several in one word, is one
// argument without a name; "--" and all that follows are no flags.
func flagAt(flags *pflag.FlagSet, args []string) (name string, words int) {
	var f *pflag.Flag
	word, whole := args[0], false // whole: the value, if any, is in the same word
	switch {
	case word == "--":
		return "", len(args)
	case strings.HasPrefix(word, "--"):
		name, _, whole = strings.Cut(word[2:], "=")
		f = flags.Lookup(name)
	case len(word) > 1 && word[0] == '-':
		f, whole = flags.ShorthandLookup(word[1:2]), len(word) > 2
		if whole && f != nil && f.NoOptDefVal != "" {
			return "", 1
		}
	}
	switch {
	case f == nil:
		return "", 1
	case whole || f.NoOptDefVal != "":
		return f.Name, 1
	}
	return f.Name, min(2, len(args))
}

// quoted is a word as a shell needs it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=+./:,@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// provenance is what this run knows of the patches that it makes.
func (a *app) provenance() store.Provenance {
	return store.Provenance{Tool: toolName(), Command: a.commandLine()}
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

// revision is the commit the program was built from, if it is known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	text, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text = fmt.Sprintf("%.12s", s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if text == "" {
		return ""
	}
	return text + changed
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

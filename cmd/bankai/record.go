package main

import (
	"io"
	"slices"
	"strings"

	"bankai/internal/program"
	"bankai/internal/text"
	"bankai/store"

	"github.com/spf13/pflag"
)

// commandLine is how this run was started, for people and shells, without the
// flags that no result depends on: what is recorded of equal searches is equal.
func (a *app) commandLine() string {
	words := []string{"bankai"}
	for _, arg := range withoutRunFlags(a.flags, slices.Concat(a.args, a.chosen)) {
		words = append(words, text.Quoted(arg))
	}
	return strings.Join(words, " ")
}

// runFlags say how a run goes and reports, not what it finds.
var runFlags = []string{"threads", "json", "quiet", "resume", "force", "report", "workers", "token-file", "nkey", "creds", "ca"}

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

// provenance is what this run knows of the patches that it makes.
func (a *app) provenance() store.Provenance {
	return store.Provenance{Tool: program.Tool(), Command: a.commandLine()}
}

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

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bankai/internal/benchmark"
	"bankai/internal/experiment"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/models/demo"
	"bankai/score"
	"bankai/store/hub"
	"bankai/store/signature"
)

// Endings of the files that commands read and write.
var (
	modelFiles    = []string{".gguf"}
	probeFiles    = []string{".json", ".jsonl", ".csv"}
	patchFiles    = []string{".bankai", ".json"}
	questionFiles = []string{".jsonl"}
	textFiles     = []string{".txt"}
	resultFiles   = []string{".json"}
	pageFiles     = []string{".html"}
	keyFiles      = []string{".txt", ".key", ".keys"}
	signingFiles  = []string{".pub", ".key"}
	sigFiles      = []string{signature.Extension}
	pemFiles      = []string{".pem", ".crt", ".key"}
	nkeyFiles     = []string{".nk", ".txt"}
	credsFiles    = []string{".creds"}
)

// closedValues are the flags that take a few words, by name. Those of lists take
// several, with commas between them; a guard takes a number, too.
func closedValues() map[string][]string {
	metrics := []string{"answer_logprob", "answer_margin", "seq_logprob", "token_gap"}
	sizes := []string{"row", "group", "bit"}
	strategies := []string{"guided", "sampled", "evolve", "vote", "greedy", "random"}
	return map[string][]string{
		"precision": {"fast", "exact"}, "color": terminal.ColorModes,
		"metric": metrics, "strategy": strategies, "fitness": {"mean", "min"}, "granularity": sizes,
		"proj": score.Projections(), "sites": experiment.LayerSites(), "rules": ruleNames(),
		"log-format": {"text", "json"}, "guard": {"auto", "none"},
		"by": {"letter", "text", "text-per-byte"}, "vary": experiment.Factors(),
	}
}

func ruleNames() (names []string) {
	for _, r := range benchmark.AnswerRules {
		names = append(names, r.Name)
	}
	return names
}

// fileValues are the flags that take files: their endings, and the built-in names that
// stand for one.
func fileValues() map[string]fileValue {
	probes := fileValue{endings: probeFiles, names: demoSets(".json")}
	texts := fileValue{endings: textFiles, names: demoSets(".txt")}
	return map[string]fileValue{
		"model": {endings: modelFiles, models: true}, "patch": {endings: patchFiles, named: true, library: true},
		"conflicts-with": {endings: patchFiles, library: true}, "set": probes,
		"probes": probes, "validate": probes, "controls": probes, "against": probes, "controls-from": probes,
		"prompts": probes, "heldout": probes, "also": probes, "search": probes,
		"text": texts, "control-text": texts, "report": {endings: pageFiles, written: true},
		"api-key-file": {endings: keyFiles}, "admin-key-file": {endings: keyFiles}, "tls-cert": {endings: pemFiles}, "tls-key": {endings: pemFiles},
		"key": {endings: signingFiles}, "signature": {endings: sigFiles}, "base": {endings: modelFiles, names: []string{source.DemoModel, anyBase}},
		"token-file": {endings: keyFiles}, "nkey": {endings: nkeyFiles}, "creds": {endings: credsFiles}, "ca": {endings: pemFiles},
		"examples": {endings: questionFiles}, "with": {endings: slices.Concat(probeFiles, textFiles, pageFiles, []string{".htm", ".md"})}, "file": {endings: slices.Concat(questionFiles, textFiles), names: demoSets(".jsonl")},
	}
}

// noFiles are flags whose values no shell can complete.
var noFiles = []string{"listen", "alias", "cors-origin", "kv-memory", "max-sequences", "queue", "queue-tokens", "inline-patches", "drain", "comment", "name", "only", "remove", "path-prefix", "workers", "connect"}

// fileValue is what a flag for a file takes.
type fileValue struct {
	endings []string
	names   []string
	written bool // not read
	named   bool // may be NAME=FILE
	library bool // or a name of the library
	models  bool // or a name of a model that is here
}

// modelNames are the names that stand for a model: the embedded one, and the published
// ones that are on this machine.
func modelNames() []string {
	names := []string{source.DemoModel}
	for _, name := range publishedNames() {
		if source.FoundModel(name) == nil {
			names = append(names, name)
		}
	}
	return names
}

// publishedNames are the short names of published models.
func publishedNames() (names []string) {
	for _, m := range hub.Models() {
		names = append(names, m.Name)
	}
	return names
}

// demoSets are the names of the embedded files with an ending, as demo:heldout.
func demoSets(ending string) (names []string) {
	for _, s := range demo.Sets() {
		if filepath.Ext(s.File()) == ending {
			names = append(names, source.Demo+s.Name)
		}
	}
	return names
}

// addValues lets shells complete what follows the flags and commands below cmd.
func addValues(a *app, cmd *cobra.Command) {
	closed, files := closedValues(), fileValues()
	for name, values := range closed {
		if f := cmd.LocalFlags().Lookup(name); f != nil && f.Value.Type() != "bool" {
			complete(cmd, name, func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
				return nextOf(values, word), cobra.ShellCompDirectiveNoFileComp
			})
		}
	}
	for name, v := range files {
		if f := cmd.LocalFlags().Lookup(name); f != nil && f.Value.Type() != "bool" {
			complete(cmd, name, v.complete)
		}
	}
	for _, name := range []string{"library", "wasm"} { // folders alone
		if cmd.LocalFlags().Lookup(name) != nil {
			complete(cmd, name, fileValue{}.complete)
		}
	}
	for _, name := range noFiles {
		if cmd.LocalFlags().Lookup(name) != nil {
			complete(cmd, name, cobra.NoFileCompletions)
		}
	}
	if cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = argumentValues(cmd.CommandPath())
	}
	for _, c := range cmd.Commands() {
		addValues(a, c)
	}
}

func complete(cmd *cobra.Command, flag string, values cobra.CompletionFunc) {
	if _, there := cmd.GetFlagCompletionFunc(flag); there {
		return // an inherited flag
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, values); err != nil {
		panic(err) // the flag was not declared
	}
}

// libraryNames are the references to the patches of the library.
func libraryNames() (names []string) {
	l, err := library()
	if err != nil {
		return nil
	}
	all, _ := l.List()
	for _, e := range all {
		names = append(names, e.Ref())
	}
	return names
}

// argumentValues completes the arguments of a command, of which only some take files.
func argumentValues(path string) cobra.CompletionFunc {
	models := fileValue{endings: modelFiles, models: true}
	v, ok := map[string]fileValue{
		"bankai info":               {endings: slices.Concat(modelFiles, patchFiles), models: true, library: true},
		"bankai patch apply":        models,
		"bankai patch remove":       models,
		"bankai patch diff":         models,
		"bankai patch compose":      {endings: patchFiles, library: true},
		"bankai patch convert":      {endings: patchFiles, library: true},
		"bankai patch describe":     {endings: patchFiles, library: true},
		"bankai patch card":         {endings: patchFiles, library: true},
		"bankai patch verify":       {endings: slices.Concat(patchFiles, modelFiles), models: true, library: true},
		"bankai patch sign":         {endings: patchFiles, library: true},
		"bankai pull":               {names: publishedNames()},
		"bankai library add":        {endings: patchFiles, library: true},
		"bankai library show":       {library: true},
		"bankai library remove":     {library: true},
		"bankai library verify":     {endings: patchFiles, library: true},
		"bankai library compare":    {endings: patchFiles, library: true},
		"bankai library trust":      {endings: signingFiles},
		"bankai push":               {endings: patchFiles, library: true},
		"bankai probes split":       {endings: probeFiles, names: demoSets(".json")},
		"bankai probes expand":      {endings: resultFiles},
		"bankai report":             {endings: resultFiles},
		"bankai experiment rescore": {endings: resultFiles},
		"bankai web export":         {},
	}[path]
	if !ok {
		return cobra.NoFileCompletions
	}
	return v.complete
}

// completeSettings completes the names of settings, and their values.
func completeSettings(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	var names []string
	switch {
	case len(args) == 0 && strings.Contains(cmd.Use, "KEY"):
		names = settings.Names()
	case len(args) == 1 && args[0] == "model" && strings.Contains(cmd.Use, "VALUE"):
		return fileValues()["model"].complete(cmd, nil, word)
	case len(args) == 1 && strings.Contains(cmd.Use, "VALUE"):
		names = closedValues()[args[0]]
		if args[0] == "quiet" {
			names = []string{"true", "false"}
		}
	}
	return nextOf(names, word), cobra.ShellCompDirectiveNoFileComp
}

// nextOf are the values that begin as the last item of a list does, behind the items
// before it, which are not offered again.
func nextOf(values []string, word string) (next []string) {
	at := strings.LastIndexByte(word, ',') + 1
	taken := strings.Split(word[:at], ",")
	for _, v := range values {
		if strings.HasPrefix(v, word[at:]) && !slices.Contains(taken, v) {
			next = append(next, word[:at]+v)
		}
	}
	return next
}

// complete offers the built-in names, folders, and the files with the endings, behind the
// name that is given to one.
func (v fileValue) complete(_ *cobra.Command, _ []string, word string) (next []string, d cobra.ShellCompDirective) {
	d = cobra.ShellCompDirectiveNoFileComp
	if name, path, has := strings.Cut(word, "="); has && v.named {
		v.named = false
		next, d = v.complete(nil, nil, path)
		for i := range next {
			next[i] = name + "=" + next[i]
		}
		return next, d
	}
	names := v.names
	if v.library {
		names = slices.Concat(names, libraryNames())
	}
	if v.models {
		names = slices.Concat(names, modelNames())
	}
	for _, name := range names {
		if strings.HasPrefix(name, word) {
			next = append(next, name)
		}
	}
	dir, begun := filepath.Split(word)
	entries, _ := os.ReadDir(filepath.Join(".", dir))
	if filepath.IsAbs(dir) {
		entries, _ = os.ReadDir(dir)
	}
	for _, e := range entries {
		name := e.Name()
		hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(begun, ".")
		if !strings.HasPrefix(name, begun) || hidden {
			continue
		}
		switch {
		case source.IsFolder(filepath.Join(dir, name)):
			next = append(next, dir+name+string(filepath.Separator))
			d |= cobra.ShellCompDirectiveNoSpace
		case slices.Contains(v.endings, strings.ToLower(filepath.Ext(name))):
			next = append(next, dir+name)
		}
	}
	return next, d
}

// inputsOf are the files that a command line names as something to read: its arguments,
// and the values of flags for files.
func inputsOf(flags *pflag.FlagSet, args []string) []string {
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
	return outputs.Inputs(named)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"bankai/internal/program"
	"bankai/internal/terminal"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootLong = `bankai finds small patches that repair a true 1-bit language model, applies
them, and measures what they did.

In such a model every weight is its group's scale times +1 or -1, and the sign
is one bit. A patch lists sign bits to invert, usually those of whole rows: a
few hundred bytes. Applying it is one XOR and costs nothing when the model
runs, applying it again takes it off, and patches combine in any order.

Probes are questions with a right and a wrong answer. A search tries flips and
keeps those that make the right answers likelier while control questions hold.
What counts in the end is greedy generation on questions that no search saw.`

const rootExample = `  bankai demo                                            repair the built-in model
  bankai search --probes demo:search -o fix.bankai       find a patch with own settings
  bankai eval --probes demo:heldout --patch fix.bankai   measure it on unseen questions

  All three take --model FILE for a model of your own, and probe files instead
  of the built-in sets.`

// rootAfter is what follows the flags on the page of the root command.
const rootAfter = `
Models are GGUF files or MLX folders of Qwen3, or of the hybrid Qwen3.5, whose
every matrix is 1-bit (type Q1_0, or bits 1 in groups of 128), such as Bonsai
1.7B, 4B, 8B and 27B, or a name of one that "bankai pull" downloaded.
"demo" is one of 6 million weights that is part of the program, with the probe
sets demo:search, demo:search_few, demo:validate, demo:heldout, demo:control,
demo:control_few and demo:control_heldout, the texts demo:text and
demo:control_text, and the questions demo:sums, demo:words and demo:choices.
Write ./demo for a file of that name.

Probe files are JSON, JSONL or CSV with the fields prompt, correct and wrong,
and, if you like, name, category and alternates. FILE#a+b is the part of FILE
with the categories a and b.

Environment:
  BANKAI_MODEL        the model to use where --model is not given; "bankai config"
                      lists what else can be chosen so, or in a file
  BANKAI_CONFIG       the configuration file
  BANKAI_HOME         the folder of the patch library
  BANKAI_KERNEL       the kernel set to use; "bankai version" lists them
  BANKAI_KEY_PASSWORD the password of your secret key, for "bankai patch sign"
  BANKAI_API_KEY      a key that "bankai serve" wants of those who ask
  BANKAI_WORKER_TOKEN the token of the broker of --workers and of "bankai worker"
  HF_HOME             the folder of the cache of downloaded models
  HF_TOKEN            the token for what is not open to everybody on the hub
  HF_ENDPOINT         the hub to download from instead of https://huggingface.co
  OLLAMA_MODELS       the folder in which Ollama keeps its models
  NO_COLOR            no colours, if it is set to anything
  SOURCE_DATE_EPOCH   the time to write into patches, in seconds since 1970

Exit status: 0 done, 1 failed (one line on stderr says what, where and what to
do), 2 wrong usage, 3 interrupted, but what was found so far is written or a
journal keeps the work. Ctrl-C, SIGTERM and SIGHUP end any command within a
second.

Outputs appear whole or not at all. A file that is there is replaced if it is an
earlier result of the same command, anything else only with --force. What was
found by long work (patches of a search, probes, journals) stays under the next
free number: fix.bankai.1. No command writes onto what it reads, through a
symbolic link, or onto a device; reports and logits may go into a pipe.

Read on in README.md (a tour), FORMAT.md (patch files to the byte) and
RATIONALE.md (why it is made this way).
`

// usageTemplate lays out a command's page below its description.
const usageTemplate = `{{if .HasExample}}{{if .HasParent}}Examples:{{else}}Quick start:{{end}}
{{examples .Example}}

{{end}}Usage:{{if not .HasAvailableSubCommands}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND [flags]{{end}}
{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{if .Groups}}{{range $group := .Groups}}
{{.Title}}{{range $cmds}}{{if and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{else}}
Commands:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{end}}{{if .HasAvailableLocalFlags}}
{{if .HasParent}}Flags:{{else}}Flags of every command:{{end}}
{{flagUsages .LocalFlags}}
{{end}}{{if .HasAvailableInheritedFlags}}
Flags of every command:
{{flagUsages .InheritedFlags}}
{{end}}{{if .HasAvailableSubCommands}}
"{{.CommandPath}} COMMAND --help" tells about a command.
{{end}}{{with .Annotations.after}}{{.}}{{end}}`

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "bankai", Short: "find, apply and measure XOR patches to true 1-bit language models",
		Long: rootLong, Example: rootExample,
		Annotations:   map[string]string{"after": rootAfter},
		Version:       program.Version,
		SilenceErrors: true, SilenceUsage: true,
	}
	asGroup(root)
	cobra.AddTemplateFunc("flagUsages", func(f *pflag.FlagSet) string { return flagUsages(f, a.Width) })
	cobra.AddTemplateFunc("examples", func(text string) string {
		var b strings.Builder
		for line := range strings.Lines(text) {
			b.WriteString(terminal.Wrap(line, a.Width))
		}
		return b.String()
	})
	cobra.AddTemplateFunc("versionText", a.versionText)
	root.SetVersionTemplate("{{versionText}}")
	root.SetArgs(a.args)
	root.SetIn(a.stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(badFlag)
	root.SetUsageTemplate(usageTemplate)
	root.PersistentFlags().BoolVar(&a.JSON, "json", false, "print one JSON document on stdout, and nothing else there")
	root.PersistentFlags().Uint64Var(&a.seed, "seed", 1, "random `SEED`: equal seeds give equal results to the bit")
	root.PersistentFlags().Var(&a.threads, "threads", "`N` threads to compute with, 0 for all cores; no result depends on it")
	root.PersistentFlags().BoolVarP(&a.Quiet, "quiet", "q", false, "no notes and no progress on stderr; warnings stay")
	root.PersistentFlags().Var(&a.Color, "color", "colours: auto (on a terminal), always or never")
	for _, name := range []string{"threads", "quiet", "color"} {
		markSettable(root.PersistentFlags(), name)
	}
	groups := []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"try", "Try it:", []*cobra.Command{demoCommand(a)}},
		{"look", "Look at a model:", []*cobra.Command{infoCommand(a), tokenizeCommand(a), logitsCommand(a), generateCommand(a), traceCommand(a)}},
		{"change", "Change it:", []*cobra.Command{adaptCommand(a), searchCommand(a), patchCommand(a)}},
		{"share", "Share it:", []*cobra.Command{libraryCommand(a), keygenCommand(a), pushCommand(a), pullCommand(a)}},
		{"use", "Use it:", []*cobra.Command{chatCommand(a), serveCommand(a), webCommand(a)}},
		{"measure", "Measure:", []*cobra.Command{probesCommand(a), auditCommand(a), evalCommand(a), experimentCommand(a), reportCommand(a), benchCommand(a)}},
		{"machines", "Use more machines:", []*cobra.Command{workerCommand(a), workersCommand(a)}},
		{"other", "Other:", []*cobra.Command{configCommand(a), versionCommand(a)}},
	}
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	a.addCommon(root)
	return root
}

// addCommon adds what cobra brings along, in this program's words.
func (a *app) addCommon(root *cobra.Command) {
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	root.SetHelpCommand(a.helpCommand(root))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		if word := firstWord(cmd); word != "" && cmd.HasSubCommands() {
			a.helpErr = usageError{noCommand(cmd, word)}
			return
		}
		a.helpErr = a.printHelp(cmd)
	})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = "a script that completes command lines in your shell"
			asParent(c)
			c.RunE = func(cmd *cobra.Command, _ []string) error { return a.printHelp(cmd) }
			c.Run = nil
		}
	}
	addValues(a, root)
	if len(a.args) > 0 && strings.HasPrefix(a.args[0], cobra.ShellCompRequestCmd) {
		plainUsages(root) // shells show what is said of a flag as it is
	}
}

// plainUsages takes the marks of the names of values out of what is said of flags.
func plainUsages(cmd *cobra.Command) {
	plain := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	cmd.Flags().VisitAll(plain)
	cmd.PersistentFlags().VisitAll(plain)
	for _, c := range cmd.Commands() {
		plainUsages(c)
	}
}

// helpCommand prints the page of the command that its arguments name.
func (a *app) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "help on a command", GroupID: "other",
		ValidArgsFunction: func(_ *cobra.Command, args []string, word string) (names []string, _ cobra.ShellCompDirective) {
			found, _, err := root.Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, c := range found.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name())
				}
			}
			return nextOf(names, word), cobra.ShellCompDirectiveNoFileComp
		},
		Args: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				return noCommand(found, rest[0])
			}
			return err
		},
		RunE: a.doAsBuilt(func(_ context.Context, args []string) error {
			found, _, err := root.Find(args)
			if err != nil {
				return err
			}
			return a.printHelp(found)
		}),
	}
}

// printHelp prints a command's page, with --json as a document.
func (a *app) printHelp(cmd *cobra.Command) error {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	text := strings.TrimRight(cmd.Long, "\n")
	if text == "" {
		text = cmd.Short
	}
	text += "\n\n" + cmd.UsageString()
	doc := struct {
		Command  string   `json:"command"`
		Short    string   `json:"short"`
		Help     string   `json:"help"`
		Commands []string `json:"commands"` // below it
	}{cmd.CommandPath(), cmd.Short, text, []string{}}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			doc.Commands = append(doc.Commands, c.Name())
		}
	}
	return a.Print(doc, func(w io.Writer) { io.WriteString(w, text) })
}

var bracketed = regexp.MustCompile(`\(default \[([^\]]*)\]\)`)

// flagUsages lists flags with their descriptions, wrapped.
func flagUsages(flags *pflag.FlagSet, width int) string {
	text := strings.TrimRight(flags.FlagUsagesWrapped(width), " \n")
	return bracketed.ReplaceAllString(text, "(default $1)") // lists are given without brackets
}

// asGroup makes cmd one that only has subcommands: alone it prints its page.
func asGroup(cmd *cobra.Command) {
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	asParent(cmd)
}

// asParent makes what follows cmd the name of a subcommand.
func asParent(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return noCommand(cmd, args[0])
	}
}

// noCommand says that cmd has no subcommand of a name.
func noCommand(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("there is no command %q", name)
	if name == "login" || name == "logout" {
		return fmt.Errorf("%s: \"docker %s\" does that for push and pull", text, name)
	}
	similar := below(cmd, name, "")
	if len(similar) == 0 {
		similar = cmd.SuggestionsFor(name)
	}
	if len(similar) == 0 {
		similar = below(cmd.Root(), name, "")
	}
	if len(similar) > 0 {
		text += ": did you mean " + strings.Join(similar, " or ") + "?"
	}
	return errors.New(text)
}

// below are the commands below cmd of a name, or of which it is another word.
func below(cmd *cobra.Command, name, path string) (found []string) {
	for _, c := range cmd.Commands() {
		same := func(word string) bool { return strings.EqualFold(word, name) }
		if c.IsAvailableCommand() && (same(c.Name()) || slices.ContainsFunc(c.SuggestFor, same)) {
			found = append(found, path+c.Name())
		}
		found = append(found, below(c, name, path+c.Name()+" ")...)
	}
	return found
}

// arguments checks the number of a command's arguments; what names them.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("missing argument: give %s", what)
		case most >= 0 && len(args) > most:
			return fmt.Errorf("unexpected argument %q: give %s", args[most], what)
		}
		return nil
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"bankai/engine"
	"bankai/internal/config"
	"bankai/internal/flagtype"
	"bankai/internal/terminal"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func configCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "choose the defaults of flags",
		Long:  configLong(),
		Example: `  bankai config set model ~/models/Bonsai-8B-Q1_0.gguf
  bankai config set model bonsai-8b
  bankai config
  bankai config unset model`,
		Args: arguments(0, 0, "list, get, set, unset or path"),
		RunE: a.doAsBuilt(func(context.Context, []string) error { return listConfig(a.Console) }),
	}
	asParent(cmd)
	sub := func(use, short, long, example string, n int, what string, work func(args []string) error) {
		cmd.AddCommand(&cobra.Command{
			Use: use, Short: short, Long: long, Example: "  bankai config " + example, Args: arguments(n, n, what), ValidArgsFunction: completeSettings,
			RunE: a.doAsBuilt(func(_ context.Context, args []string) error { return work(args) }),
		})
	}
	sub("list", "list the settings, and where each was chosen", `Lists all settings with their values, and the variable or the file that chose
them. "bankai config" alone is the same.`, "list", 0, "none", func([]string) error { return listConfig(a.Console) })
	sub("get KEY", "print one setting", `Prints the value of a setting; with --json also where it was chosen. One that is
not set is an error, and with --json null.`, "get threads", 1, "one key", func(args []string) error { return getConfig(a.Console, args[0]) })
	sub("set KEY VALUE", "write a setting to the file", `Writes a setting to the configuration file, which is made if it is not there. Its
other lines stay as they are. A model becomes a path that holds in any folder.`, "set threads 2", 2, "a key and a value", func(args []string) error {
		return changeConfig(a.Console, args[0], &args[1])
	})
	sub("unset KEY", "take a setting out of the file", `Takes a setting out of the configuration file: what is built in holds again,
unless an environment variable chooses.`, "unset precision", 1, "one key", func(args []string) error {
		return changeConfig(a.Console, args[0], nil)
	})
	sub("path", "print the name of the file", `Prints the name of the configuration file, whether it is there or not.`, "path", 0, "none", func([]string) error {
		doc := struct {
			Path string `json:"path"`
		}{config.Path()}
		return a.Print(doc, func(io.Writer) { fmt.Fprintln(a.Stdout, doc.Path) })
	})
	return cmd
}

func configLong() string {
	var b strings.Builder
	b.WriteString(`Lists and changes the defaults of flags. A flag on the command line comes first,
then an environment variable, then the configuration file, then what is built in.

`)
	for _, s := range settings {
		fmt.Fprintf(&b, "  %-10s%-18s%s\n", s.Name, s.Variable(), s.About)
	}
	b.WriteString(`
The file holds a line for each, such as model = "/models/Bonsai-8B-Q1_0.gguf". It
is bankai/config.toml in the user's folder for configuration, unless
BANKAI_CONFIG names another.`)
	return b.String()
}

// settingDoc is a setting as it is now.
type settingDoc struct {
	Key   string  `json:"key"`
	Value *string `json:"value"` // null: what is built in
	From  string  `json:"from"`  // the variable or the file; empty: built in
}

func listConfig(c *terminal.Console) error {
	file, err := settings.Read()
	if err != nil {
		return err
	}
	doc := struct {
		Path     string       `json:"path"`
		Settings []settingDoc `json:"settings"`
	}{Path: file.Path}
	for _, s := range settings {
		d := settingDoc{Key: s.Name}
		if v, ok := file.Of(s); ok {
			d.Value, d.From = &v.Value, v.From
			if err := v.Check(s); err != nil {
				c.Warn("%s", explain(err))
			}
		}
		doc.Settings = append(doc.Settings, d)
	}
	return c.Print(doc, func(w io.Writer) {
		var facts []terminal.Fact
		for _, d := range doc.Settings {
			value := "as built in"
			if d.Value != nil {
				value = *d.Value + "  (" + d.From + ")"
			}
			facts = append(facts, terminal.Fact{d.Key, value})
		}
		terminal.WriteFacts(w, facts...)
	})
}

func getConfig(c *terminal.Console, key string) error {
	s, err := settings.Named(key)
	if err != nil {
		return usageError{err}
	}
	file, err := settings.Read()
	if err != nil {
		return err
	}
	v, ok := file.Of(s)
	if !ok {
		return fmt.Errorf("%s is not set: bankai config set %s VALUE sets it", key, key)
	}
	return c.Print(settingDoc{key, &v.Value, v.From}, func(io.Writer) { fmt.Fprintln(c.Stdout, v.Value) })
}

// changeConfig writes a setting to the file, or takes it out if value is nil.
func changeConfig(c *terminal.Console, key string, value *string) error {
	s, err := settings.Named(key)
	if err != nil {
		return usageError{err}
	}
	if value != nil {
		clean, err := s.Clean(*value)
		if err != nil {
			return usagef("%s: %w", key, err)
		}
		value = &clean
	}
	path := config.Path()
	if value, err = settings.Change(path, key, value); err != nil {
		return err
	}
	doc := struct {
		Path string `json:"path"`
		settingDoc
	}{path, settingDoc{Key: key, Value: value, From: path}}
	return c.Print(doc, func(w io.Writer) {
		if value == nil {
			fmt.Fprintf(w, "%s: %s is as built in\n", path, key)
		} else {
			fmt.Fprintf(w, "%s: %s = %s\n", path, key, *value)
		}
	})
}

// settings are all there are, in the order in which they are listed.
var settings = config.Settings{
	{Name: "model", About: "a GGUF file, an MLX folder, a pulled model, or demo", Check: func(value string) error {
		if value == "" {
			return errors.New("is empty: give a file, a folder, or demo")
		}
		return nil
	}},
	{Name: "precision", About: "of activations: fast or exact", Check: func(value string) error {
		_, err := engine.ParsePrecision(value)
		return err
	}},
	{Name: "threads", About: "to compute with; 0 for all cores", Check: func(value string) error {
		var n flagtype.Count
		if err := n.Set(value); err != nil {
			return err
		}
		return checkThreads(n)
	}},
	{Name: "quiet", About: "no notes and no progress: true or false", Check: func(value string) error {
		if _, err := strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		return nil
	}},
	{Name: "color", About: "auto, always or never", Check: func(value string) error { return new(terminal.ColorMode).Set(value) }},
}

// settable marks a flag whose default the user may choose.
const settable = "bankai_settable"

func markSettable(flags *pflag.FlagSet, name string) {
	if err := flags.SetAnnotation(name, settable, nil); err != nil {
		panic(err) // the flag was not declared
	}
}

// applySettings gives the flags that are not on the command line the defaults which
// the user has chosen.
func (a *app) applySettings(cmd *cobra.Command) error {
	c, err := settings.Read()
	if err != nil {
		return err
	}
	for _, s := range settings {
		f := cmd.Flags().Lookup(s.Name)
		if f == nil || f.Changed {
			continue
		}
		if _, ok := f.Annotations[settable]; !ok {
			continue
		}
		v, ok := c.Of(s)
		if !ok {
			continue
		}
		if err := v.Check(s); err != nil {
			return err
		}
		if err := f.Value.Set(v.Value); err != nil {
			return fmt.Errorf("%s: %s: %w", v.From, s.Name, err)
		}
		if s.Name == "model" || s.Name == "precision" { // what results depend on
			a.chosen = append(a.chosen, "--"+s.Name, v.Value)
		}
	}
	return nil
}

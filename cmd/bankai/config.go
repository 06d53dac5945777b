package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"bankai/engine"
	"bankai/internal/durable"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func configCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "choose the defaults of flags",
		Long:  configLong(),
		Example: `  bankai config set model ~/models/Bonsai-8B-Q1_0.gguf
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
		}{configPath()}
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
		fmt.Fprintf(&b, "  %-10s%-18s%s\n", s.name, s.variable(), s.about)
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
	file, err := readConfig()
	if err != nil {
		return err
	}
	doc := struct {
		Path     string       `json:"path"`
		Settings []settingDoc `json:"settings"`
	}{Path: file.path}
	for _, s := range settings {
		d := settingDoc{Key: s.name}
		if v, ok := s.of(file); ok {
			d.Value, d.From = &v.value, v.from
			if err := v.check(s); err != nil {
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
	s, err := settingNamed(key)
	if err != nil {
		return usageError{err}
	}
	file, err := readConfig()
	if err != nil {
		return err
	}
	v, ok := s.of(file)
	if !ok {
		return fmt.Errorf("%s is not set: bankai config set %s VALUE sets it", key, key)
	}
	return c.Print(settingDoc{key, &v.value, v.from}, func(io.Writer) { fmt.Fprintln(c.Stdout, v.value) })
}

// changeConfig writes a setting to the file, or takes it out if value is nil. Other
// lines stay as they are.
func changeConfig(c *terminal.Console, key string, value *string) error {
	s, err := settingNamed(key)
	if err != nil {
		return usageError{err}
	}
	if value != nil {
		if err := s.check(*value); err != nil {
			return usagef("%s: %w", key, err)
		}
		if !utf8.ValidString(*value) {
			return usagef("%s: %q is no valid UTF-8, which the file must be: give another name", key, *value)
		}
		if n, err := strconv.Atoi(*value); err == nil {
			*value = strconv.Itoa(n) // 007 is 7
		}
		if key == "model" {
			if value, err = absolute(*value); err != nil {
				return err
			}
		}
	}
	path := configPath()
	if path == "" {
		return errors.New("there is no folder for configuration: name the file with BANKAI_CONFIG")
	}
	if source.IsStream(path) {
		return fmt.Errorf("%s: is no file that can be replaced: name another with BANKAI_CONFIG", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return durable.Unwritable(path, err)
	}
	err = durable.Update(path, func(old []byte) ([]byte, error) { return changed(path, string(old), key, value) })
	if err != nil {
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

// changed is a configuration in which one setting has another value. A file in which
// that cannot be done by a line alone, such as one with a quoted key, is refused.
func changed(path, old, key string, value *string) ([]byte, error) {
	before, after := &config{path: path, values: map[string]string{}}, &config{path: path, values: map[string]string{}}
	if err := before.parse(old); err != nil {
		return nil, err // in a line as it is in the file
	}
	text := withLine(old, key, value)
	err := after.parse(text)
	if value == nil {
		delete(before.values, key)
	} else {
		before.values[key] = *value
	}
	if err != nil || !maps.Equal(before.values, after.values) {
		return nil, fmt.Errorf("%s: %s cannot be changed in it by a line of its own: edit the file by hand", path, key)
	}
	return []byte(text), nil
}

// absolute is a model's path as it is from any folder.
func absolute(model string) (*string, error) {
	if model == source.DemoModel {
		return &model, nil
	}
	if _, err := os.Stat(model); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(model)
	return &path, err
}

// withLine is a configuration in which key has a value, or none if that is nil.
func withLine(text, key string, value *string) string {
	var b strings.Builder
	line := ""
	if value != nil {
		line = key + " = " + tomlValue(*value) + "\n"
	}
	for old := range strings.Lines(text) {
		name, _, _ := strings.Cut(old, "=")
		if strings.TrimSpace(name) == key {
			b.WriteString(line)
			line = ""
			continue
		}
		b.WriteString(strings.TrimSuffix(old, "\n") + "\n")
	}
	return b.String() + line
}

// tomlValue writes numbers and truth values bare, and all else as a string. What Go
// escapes in strings of printable characters, TOML does likewise.
func tomlValue(value string) string {
	if _, err := strconv.Atoi(value); err == nil || value == "true" || value == "false" {
		return value
	}
	return strconv.Quote(value)
}

// setting is the default of the flags of one name, which a user may choose: by an
// environment variable, or else in the configuration file.
type setting struct {
	name  string
	about string
	check func(value string) error
}

// settings are all there are, in the order in which they are listed.
var settings = []setting{
	{"model", "a GGUF file, an MLX folder, or demo", func(value string) error {
		if value == "" {
			return errors.New("is empty: give a file, a folder, or demo")
		}
		return nil
	}},
	{"precision", "of activations: fast or exact", func(value string) error {
		_, err := engine.ParsePrecision(value)
		return err
	}},
	{"threads", "to compute with; 0 for all cores", func(value string) error {
		var n count
		if err := n.Set(value); err != nil {
			return err
		}
		return checkThreads(n)
	}},
	{"quiet", "no notes and no progress: true or false", func(value string) error {
		if _, err := strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		return nil
	}},
	{"color", "auto, always or never", func(value string) error { return new(terminal.ColorMode).Set(value) }},
}

// settingNamed finds a setting; the error lists what there is.
func settingNamed(name string) (setting, error) {
	var names []string
	for _, s := range settings {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return setting{}, fmt.Errorf("there is no setting %q: choose from %s", name, text.Listed(names))
}

// variable is the environment variable of a setting.
func (s setting) variable() string { return "BANKAI_" + strings.ToUpper(s.name) }

// chosen is a value and where it was chosen.
type chosen struct {
	value, from string
}

// check refuses what the setting cannot be, and names the place where it was chosen.
func (c chosen) check(s setting) error {
	err := s.check(c.value)
	if err == nil && s.name == "model" && c.value != source.DemoModel {
		_, err = os.Stat(c.value)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", c.from, s.name, err)
	}
	return nil
}

// of looks a setting up: in the environment, then in the file.
func (s setting) of(c *config) (chosen, bool) {
	if value := os.Getenv(s.variable()); value != "" {
		return chosen{value, s.variable()}, true
	}
	value, ok := c.values[s.name]
	return chosen{value, c.path}, ok
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
	c, err := readConfig()
	if err != nil {
		return err
	}
	for _, s := range settings {
		f := cmd.Flags().Lookup(s.name)
		if f == nil || f.Changed {
			continue
		}
		if _, ok := f.Annotations[settable]; !ok {
			continue
		}
		v, ok := s.of(c)
		if !ok {
			continue
		}
		if err := v.check(s); err != nil {
			return err
		}
		if err := f.Value.Set(v.value); err != nil {
			return fmt.Errorf("%s: %s: %w", v.from, s.name, err)
		}
		if s.name == "model" || s.name == "precision" { // what results depend on
			a.chosen = append(a.chosen, "--"+s.name, v.value)
		}
	}
	return nil
}

// config is the configuration file: a line "key = value" for every setting.
type config struct {
	path   string // empty: there is no place for one
	values map[string]string
}

// configPath is where the file is, or would be.
func configPath() string {
	if path := os.Getenv("BANKAI_CONFIG"); path != "" {
		return path
	}
	dir, err := os.UserConfigDir()
	if err != nil { // no home: then nothing is configured
		return ""
	}
	return filepath.Join(dir, "bankai", "config.toml")
}

// readConfig reads the file, which need not be there.
func readConfig() (*config, error) {
	c := &config{path: configPath(), values: map[string]string{}}
	if c.path == "" {
		return c, nil
	}
	f, err := os.Open(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%s: is larger than %d KiB: this is no configuration", c.path, maxConfig>>10)
	}
	return c, c.parse(string(text))
}

// maxConfig bounds the size of the configuration file, in bytes.
const maxConfig = 64 << 10

func (c *config) parse(text string) error {
	var values map[string]any
	if _, err := toml.Decode(text, &values); err != nil {
		var fault toml.ParseError
		if errors.As(err, &fault) {
			return fmt.Errorf("%s:%d: %s: write lines such as threads = 2 or model = \"FILE\"", c.path, fault.Position.Line, fault.Message)
		}
		return fmt.Errorf("%s: %w", c.path, err)
	}
	for _, key := range sortedKeys(values) {
		s, err := settingNamed(key)
		if err != nil {
			return fmt.Errorf("%s: %w", c.path, err)
		}
		value := fmt.Sprint(values[key])
		if err := s.check(value); err != nil {
			return fmt.Errorf("%s: %s: %w", c.path, key, err)
		}
		c.values[key] = value
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

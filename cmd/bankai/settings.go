package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bankai/engine"
	"bankai/internal/text"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

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
	{"color", "auto, always or never", func(value string) error { return new(colorMode).Set(value) }},
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
	if err == nil && s.name == "model" && c.value != demoName {
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

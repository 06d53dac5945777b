// Package config reads and changes the file in which a user chooses the defaults of flags.
package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"bankai/internal/source"
	"bankai/internal/text"
)

// Setting is the default of the flags of one name, which a user may choose: by an
// environment variable, or else in the configuration file.
type Setting struct {
	Name  string
	About string
	Check func(value string) error
}

// Settings are all there are, in the order in which they are listed.
type Settings []Setting

// model is the setting whose value may be a path.
const model = "model"

// Names are the names of the settings.
func (l Settings) Names() (names []string) {
	for _, s := range l {
		names = append(names, s.Name)
	}
	return names
}

// Named finds a setting; the error lists what there is.
func (l Settings) Named(name string) (Setting, error) {
	for _, s := range l {
		if s.Name == name {
			return s, nil
		}
	}
	return Setting{}, fmt.Errorf("there is no setting %q: choose from %s", name, text.Listed(l.Names()))
}

// Variable is the environment variable of a setting.
func (s Setting) Variable() string { return "BANKAI_" + strings.ToUpper(s.Name) }

// Clean is a value as it is written to the file.
func (s Setting) Clean(value string) (string, error) {
	if err := s.Check(value); err != nil {
		return "", err
	}
	if !utf8.ValidString(value) {
		return "", fmt.Errorf("%q is no valid UTF-8, which the file must be: give another name", value)
	}
	if n, err := strconv.Atoi(value); err == nil {
		return strconv.Itoa(n), nil // 007 is 7
	}
	return value, nil
}

// Chosen is a value and where it was chosen: a variable, or the file.
type Chosen struct {
	Value, From string
}

// Check refuses what the setting cannot be, and names the place where it was chosen.
func (c Chosen) Check(s Setting) error {
	err := s.Check(c.Value)
	if err == nil && s.Name == model {
		err = source.FoundModel(c.Value)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", c.From, s.Name, err)
	}
	return nil
}

// Of looks a setting up: in the environment, then in the file.
func (f *File) Of(s Setting) (Chosen, bool) {
	if value := os.Getenv(s.Variable()); value != "" {
		return Chosen{value, s.Variable()}, true
	}
	value, ok := f.values[s.Name]
	return Chosen{value, f.Path}, ok
}

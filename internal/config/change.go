package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bankai/internal/durable"
	"bankai/internal/source"
)

// Change writes a setting to the file at path, or takes it out if value is nil. The value
// is one that [Setting.Clean] returned; a model becomes a path that holds in any folder.
// Other lines stay as they are. It returns the value that was written.
func (l Settings) Change(path, key string, value *string) (*string, error) {
	if value != nil && key == model {
		full, err := absolute(*value)
		if err != nil {
			return nil, err
		}
		value = &full
	}
	switch {
	case path == "":
		return nil, errors.New("there is no folder for configuration: name the file with BANKAI_CONFIG")
	case source.IsStream(path):
		return nil, fmt.Errorf("%s: is no file that can be replaced: name another with BANKAI_CONFIG", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, durable.Unwritable(path, err)
	}
	return value, durable.Update(path, func(old []byte) ([]byte, error) { return l.changed(path, string(old), key, value) })
}

// changed is a configuration in which one setting has another value. A file in which
// that cannot be done by a line alone, such as one with a quoted key, is refused.
func (l Settings) changed(path, old, key string, value *string) ([]byte, error) {
	before, after := &File{Path: path, values: map[string]string{}}, &File{Path: path, values: map[string]string{}}
	if err := before.parse(l, old); err != nil {
		return nil, err // in a line as it is in the file
	}
	text := withLine(old, key, value)
	err := after.parse(l, text)
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

// absolute is a model's path as it is from any folder. The names of published models
// are such already.
func absolute(model string) (string, error) {
	if err := source.FoundModel(model); err != nil || model == source.DemoModel || source.IsPublished(model) {
		return model, err
	}
	return filepath.Abs(model)
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

// tomlValue writes numbers and truth values bare, and all else as a string. In strings of
// printable characters Go and TOML escape the same.
func tomlValue(value string) string {
	if _, err := strconv.Atoi(value); err == nil || value == "true" || value == "false" {
		return value
	}
	return strconv.Quote(value)
}

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
)

// File is the configuration file: a line "key = value" for every setting.
type File struct {
	Path   string // empty: there is no place for one
	values map[string]string
}

// Path is where the file is, or would be.
func Path() string {
	if path := os.Getenv("BANKAI_CONFIG"); path != "" {
		return path
	}
	dir, err := os.UserConfigDir()
	if err != nil { // no home: then nothing is configured
		return ""
	}
	return filepath.Join(dir, "bankai", "config.toml")
}

// Read reads the file, which need not be there.
func (l Settings) Read() (*File, error) {
	f := &File{Path: Path(), values: map[string]string{}}
	if f.Path == "" {
		return f, nil
	}
	file, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%s: is larger than %d KiB: this is no configuration", f.Path, maxConfig>>10)
	}
	return f, f.parse(l, string(text))
}

// maxConfig bounds the size of the configuration file, in bytes.
const maxConfig = 64 << 10

func (f *File) parse(l Settings, text string) error {
	var values map[string]any
	if _, err := toml.Decode(text, &values); err != nil {
		var fault toml.ParseError
		if errors.As(err, &fault) {
			return fmt.Errorf("%s:%d: %s: write lines such as threads = 2 or model = \"FILE\"", f.Path, fault.Position.Line, fault.Message)
		}
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		s, err := l.Named(key)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		value := fmt.Sprint(values[key])
		if err := s.Check(value); err != nil {
			return fmt.Errorf("%s: %s: %w", f.Path, key, err)
		}
		f.values[key] = value
	}
	return nil
}

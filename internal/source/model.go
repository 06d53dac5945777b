package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bankai/internal/weights"
	"bankai/models/demo"
	"bankai/store/hub"
)

// DemoModel is what the embedded model is called where a file is asked for.
const DemoModel = "demo"

// OpenModel opens a model file (GGUF), a folder (MLX), a published model that is on this
// machine, or the embedded model, and tells progress how far it is, unless that is nil.
// The file has to be closed.
func OpenModel(name string, progress weights.Progress) (*weights.File, error) {
	switch name {
	case "":
		return nil, errors.New("the model's name is empty: give a GGUF file, an MLX folder, or demo")
	case DemoModel:
		return weights.FromBytes(DemoModel, demo.Model())
	}
	path, err := LocateModel(name)
	if err != nil {
		return nil, err
	}
	f, err := weights.OpenWatched(path, progress)
	return f, Meant(name, err)
}

// Meant adds to the error about a name that is no file which published models it may be
// meant as.
func Meant(name string, err error) error {
	similar := hub.Similar(name)
	if !errors.Is(err, fs.ErrNotExist) || len(similar) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w: did you mean %s?", name, fs.ErrNotExist, strings.Join(similar, " or "))
}

// IsPublished reports whether a model is called by what others published it under
// (hf:…, ollama:…, or a short name) and not by a file or a folder that is here.
func IsPublished(name string) bool {
	if !hub.Is(name) {
		return false
	}
	_, err := os.Lstat(name)
	return err != nil
}

// LocateModel is the path of a model that is no embedded one: its name, or where a
// published one lies, as far as it is on this machine.
func LocateModel(name string) (string, error) {
	if IsPublished(name) {
		return hub.Find(name)
	}
	return name, nil
}

// FoundModel refuses a model that is not here.
func FoundModel(name string) error {
	path, err := LocateModel(name)
	if err == nil && name != DemoModel {
		_, err = os.Stat(path)
	}
	return Meant(name, err)
}

// ModelName is what people call a model: the name in its file, or the file's.
func ModelName(path string, c weights.Config) string {
	if path == DemoModel || c.Name == "" {
		return fileName(path)
	}
	return c.Name
}

// ModelTitle is what a model is called where a word is wanted: the short name of a
// published one, or the file's name without its ending.
func ModelTitle(path string) string { return strings.TrimSuffix(fileName(path), ".gguf") }

// fileName is the name of a model's file without its folders; of a published model the
// short one, or that of its file or repository.
func fileName(path string) string {
	if !IsPublished(path) {
		return filepath.Base(path)
	}
	ref, err := hub.Parse(path)
	if err != nil {
		return path
	}
	if file, err := hub.Find(path); err == nil {
		ref.File = filepath.Base(file)
	}
	return ref.Title()
}

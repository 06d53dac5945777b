package source

import (
	"errors"
	"path/filepath"

	"bankai/internal/weights"
	"bankai/models/demo"
)

// DemoModel is what the embedded model is called where a file is asked for.
const DemoModel = "demo"

// OpenModel opens a model file (GGUF), a folder (MLX), or the embedded model, and tells
// progress how far it is, unless that is nil. The file has to be closed.
func OpenModel(name string, progress weights.Progress) (*weights.File, error) {
	switch name {
	case "":
		return nil, errors.New("the model's name is empty: give a GGUF file, an MLX folder, or demo")
	case DemoModel:
		return weights.FromBytes(DemoModel, demo.Model())
	}
	return weights.OpenWatched(name, progress)
}

// ModelName is what people call a model: the name in its file, or the file's.
func ModelName(path string, c weights.Config) string {
	if path == DemoModel || c.Name == "" {
		return filepath.Base(path)
	}
	return c.Name
}

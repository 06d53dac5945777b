package outputs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"bankai/internal/source"
)

// Inputs are the files that are read where models, patches, probes and texts are named
// so; names of what is not there, or is no file, are left out.
func Inputs(names []string) (files []string) {
	for _, name := range names {
		if path, err := source.LocateModel(name); err == nil && path != name {
			files = append(files, partsOf(path)...)
			continue
		}
		file, _ := source.Split(name)
		for _, path := range slices.Compact([]string{name, file}) {
			if path != "" && IsThere(path) {
				files = append(files, partsOf(path)...)
			}
		}
	}
	return files
}

// partsOf are the files that are read where one is named: all parts of a split model,
// or what a folder holds of a model or of results.
func partsOf(path string) []string {
	files := []string{path}
	if entries, err := os.ReadDir(path); err == nil {
		for _, e := range entries {
			if slices.Contains(foldersHold, filepath.Ext(e.Name())) {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
	}
	if m := splitName.FindStringSubmatch(path); m != nil {
		entries, _ := os.ReadDir(filepath.Dir(path))
		for _, e := range entries {
			part := filepath.Join(filepath.Dir(path), e.Name())
			if p := splitName.FindStringSubmatch(part); p != nil && filepath.Clean(p[1]) == filepath.Clean(m[1]) && p[2] == m[2] {
				files = append(files, part)
			}
		}
	}
	return files
}

// foldersHold are the endings of the files that are read of a folder.
var foldersHold = []string{".json", ".safetensors", ".txt", ".jinja"}

// splitName is what a part of a split model is called.
var splitName = regexp.MustCompile(`^(.*)-[0-9]{5}-of-([0-9]{5}\.gguf)$`)

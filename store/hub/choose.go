package hub

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bankai/internal/text"
)

// File is a file of a repository.
type File struct {
	Name  string // its path in the repository
	Bytes int64  // -1 if unknown
}

// choice is what is taken of a repository: files, the first of which stands for a model
// in several parts, or all that a folder needs.
type choice struct {
	files  []File
	folder bool
}

// errSeveral says that a repository has more than one file that fits.
var errSeveral = errors.New("several files fit")

var (
	partName = regexp.MustCompile(`^(.*)-([0-9]{5})-of-([0-9]{5})\.gguf$`)
	beside   = regexp.MustCompile(`(?i)(mmproj|dspark|draft)`)
	oneBit   = regexp.MustCompile(`(?i)(^|[-._])q1_0([-._]|$)`)
	// otherType is a type of weights, in a file's name, that is not Q1_0.
	otherType = regexp.MustCompile(`(?i)(^|[-._])(bf16|f16|f32|fp16|i?q[2-8](_[a-z0-9]+)*|iq1(_[a-z0-9]+)*|q1_[1-9a-z]+|p?tq[0-9](_[0-9]+)*|pq[0-9](_[0-9]+)*|mxfp[0-9]+|nvfp[0-9]+)([-._]|$)`)
)

// choose is what a repository's files are taken for where the reference names none: the
// 1-bit GGUF file, with all its parts, before a folder of safetensors, before a patch.
// What belongs to a model without being one (vision, drafter) is never taken, and other
// types of weights only when they are named. A model that is known by name has names of
// files that come first.
func choose(files []File, known *Model) (choice, error) {
	files = slices.DeleteFunc(slices.Clone(files), func(f File) bool { return checkPath(f.Name) != nil })
	if known != nil {
		for _, name := range known.Files {
			for _, f := range files {
				if f.Name == name {
					return choice{files: []File{f}}, nil
				}
			}
		}
	}
	models := ggufs(files)
	fit := slices.DeleteFunc(slices.Clone(models), func(m []File) bool { return !oneBit.MatchString(path.Base(m[0].Name)) })
	if len(fit) == 0 {
		fit = slices.DeleteFunc(slices.Clone(models), func(m []File) bool { return otherType.MatchString(path.Base(m[0].Name)) })
	}
	switch {
	case len(fit) == 1:
		return whole(fit[0])
	case len(fit) > 1:
		return choice{}, fmt.Errorf("%w: name one of %s", errSeveral, listed(fit))
	case len(models) > 0:
		return choice{}, fmt.Errorf("has no 1-bit file (Q1_0) but %s: name a file if it is a 1-bit model in floats", listed(models))
	}
	if folder := folderOf(files); len(folder) > 0 {
		return choice{files: folder, folder: true}, nil
	}
	var patches [][]File
	for _, f := range files {
		if isPatch(f.Name) {
			patches = append(patches, []File{f})
		}
	}
	switch len(patches) {
	case 1:
		return choice{files: patches[0]}, nil
	case 0:
		return choice{}, errors.New("holds no model and no patch that bankai reads: GGUF, safetensors with config.json, or .bankai")
	}
	return choice{}, fmt.Errorf("%w: name one of %s", errSeveral, listed(patches))
}

// ggufs are the models among files, each with its parts in order.
func ggufs(files []File) (models [][]File) {
	at := map[string]int{}
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
		if !strings.HasSuffix(strings.ToLower(f.Name), ".gguf") || beside.MatchString(path.Base(f.Name)) {
			continue
		}
		m := partName.FindStringSubmatch(f.Name)
		if m == nil {
			models = append(models, []File{f})
			continue
		}
		key := m[1] + "/" + m[3]
		i, there := at[key]
		if !there {
			i = len(models)
			at[key], models = i, append(models, nil)
		}
		models[i] = append(models[i], f)
	}
	return models
}

// whole refuses a model of which parts are missing.
func whole(parts []File) (choice, error) {
	if m := partName.FindStringSubmatch(parts[0].Name); m != nil {
		if n, _ := strconv.Atoi(m[3]); n != len(parts) || m[2] != "00001" {
			return choice{}, fmt.Errorf("has %d of the %d parts of %s", len(parts), n, m[1])
		}
	}
	return choice{files: parts}, nil
}

// withParts are a file and the other parts of the model, if it is one of several.
func withParts(file string, files []File) (choice, error) {
	if partName.MatchString(file) {
		for _, m := range ggufs(files) {
			if slices.ContainsFunc(m, func(f File) bool { return f.Name == file }) {
				return whole(m)
			}
		}
	}
	for _, f := range files {
		if f.Name == file {
			return choice{files: []File{f}}, nil
		}
	}
	return choice{}, fmt.Errorf("has no file %s", file)
}

// folderParts are the files of a folder of safetensors that say how to read the weights.
var folderParts = regexp.MustCompile(`^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json$|^(merges\.txt|chat_template\.jinja|model\.safetensors\.index\.json)$|^[^/]+\.safetensors$`)

// folderOf are the files of a model in safetensors, none if there is no such model.
func folderOf(files []File) (folder []File) {
	has := map[string]bool{}
	for _, f := range files {
		if folderParts.MatchString(f.Name) {
			has[path.Ext(f.Name)], has[f.Name] = true, true
			folder = append(folder, f)
		}
	}
	if !has[".safetensors"] || !has["config.json"] {
		return nil
	}
	return folder
}

// maxListed bounds the models that a message names.
const maxListed = 8

// listed are models by their first files, with their sizes; of many the first.
func listed(models [][]File) string {
	var items []string
	for i, m := range models {
		if i == maxListed {
			items = append(items, text.Thousands(int64(len(models)-i))+" more")
			break
		}
		var bytes int64
		for _, f := range m {
			bytes += max(0, f.Bytes)
		}
		item := m[0].Name
		if bytes > 0 {
			item += " (" + text.Size(bytes) + ")"
		}
		items = append(items, item)
	}
	return text.Listed(items)
}

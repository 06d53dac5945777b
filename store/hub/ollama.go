package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"bankai/internal/progress"
	"bankai/internal/text"
)

// What a name of Ollama's means where it says less.
const (
	ollamaHost      = "registry.ollama.ai"
	ollamaNamespace = "library"
	ollamaTag       = "latest"
	ollamaModel     = "application/vnd.ollama.image.model"
)

var (
	ollamaPart   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,79}$`)
	ollamaServer = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(:[0-9]{1,5})?$`)
)

// parseOllama reads [HOST/][NAMESPACE/]NAME[:TAG].
func parseOllama(written, name string) (Ref, error) {
	parts := strings.Split(name, "/")
	last, tag, tagged := strings.Cut(parts[len(parts)-1], ":")
	if !tagged {
		tag = ollamaTag
	}
	full := []string{ollamaHost, ollamaNamespace, last, tag}
	switch len(parts) {
	case 1:
	case 2:
		full[1] = parts[0]
	case 3:
		full[0], full[1] = parts[0], parts[1]
	default:
		full[0] = ""
	}
	for i, part := range full {
		pattern := ollamaPart
		if i == 0 {
			pattern = ollamaServer
		}
		if !pattern.MatchString(part) || strings.Contains(part, "..") {
			return Ref{}, fmt.Errorf("%s: is no name of Ollama's: write ollama:NAME[:TAG] or ollama:USER/NAME[:TAG], as ollama list shows it", written)
		}
	}
	return Ref{Text: written, Ollama: strings.Join(full, "/")}, nil
}

// ollamaFolders are where Ollama may keep its models: where it was told, with the user,
// or with the service.
func ollamaFolders() (dirs []string) {
	if dir := strings.Trim(os.Getenv("OLLAMA_MODELS"), "\"' "); dir != "" {
		return []string{dir}
	}
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".ollama", "models"))
	}
	if runtime.GOOS == "linux" {
		dirs = append(dirs, "/usr/share/ollama/.ollama/models", "/var/lib/ollama/models")
	}
	return dirs
}

// findOllama looks for a model among those that Ollama has.
func findOllama(ref Ref) (Pulled, error) {
	dirs := ollamaFolders()
	for _, dir := range dirs {
		p, err := ollamaIn(dir, ref)
		if !errors.Is(err, fs.ErrNotExist) {
			return p, err
		}
	}
	return Pulled{}, fmt.Errorf("%s: Ollama has no such model in %s: ollama list shows what it has, ollama pull brings more, OLLAMA_MODELS names its folder", ref.Text, text.Listed(dirs))
}

// maxManifest bounds the size of a manifest of Ollama's, in bytes.
const maxManifest = 1 << 20

// ollamaIn looks for a model in a folder of Ollama's, and follows no link out of it.
func ollamaIn(dir string, ref Ref) (Pulled, error) {
	root, err := openFolder(dir)
	if err != nil {
		return Pulled{}, err
	}
	defer root.Close()
	name := "manifests/" + ref.Ollama
	info, err := root.Stat(name)
	if err != nil {
		return Pulled{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxManifest {
		return Pulled{}, fmt.Errorf("%s: %s is no manifest", ref.Text, filepath.Join(dir, name))
	}
	data, err := root.ReadFile(name)
	if err != nil {
		return Pulled{}, err
	}
	blob, size, err := ollamaBlob(data)
	if err != nil {
		return Pulled{}, fmt.Errorf("%s: %s: %w", ref.Text, filepath.Join(dir, name), err)
	}
	info, err = root.Stat(blob)
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return Pulled{}, fmt.Errorf("%s: its file %s is not there, or not whole: ollama pull %s", ref.Text, filepath.Join(dir, blob), strings.TrimPrefix(ref.Text, ollamaScheme))
	}
	return Pulled{Ref: ref, Path: filepath.Join(dir, filepath.FromSlash(blob)), Files: []File{{filepath.Base(blob), size}}, Bytes: size}, nil
}

var digestText = regexp.MustCompile(`^sha256:([0-9a-f]{64})$`)

// ollamaBlob is the file of the model that a manifest is of, and its size.
func ollamaBlob(manifest []byte) (name string, size int64, err error) {
	var doc struct {
		Layers []struct {
			MediaType string `json:"mediaType"`
			Digest    string `json:"digest"`
			Size      int64  `json:"size"`
		} `json:"layers"`
	}
	if err := json.Unmarshal(manifest, &doc); err != nil {
		return "", 0, errors.New("is no manifest of Ollama's")
	}
	for _, l := range doc.Layers {
		if l.MediaType != ollamaModel {
			continue
		}
		if name != "" {
			return "", 0, errors.New("names a model in several files")
		}
		m := digestText.FindStringSubmatch(l.Digest)
		if m == nil || l.Size < 0 {
			return "", 0, errors.New("names no digest of its model")
		}
		name, size = "blobs/sha256-"+m[1], l.Size
	}
	if name == "" {
		return "", 0, errors.New("names no model in one GGUF file")
	}
	return name, size, nil
}

// checkOllama finds a model of Ollama's and compares its file with its digest.
func checkOllama(ctx context.Context, w progress.Watcher, ref Ref) (Pulled, error) {
	p, err := findOllama(ref)
	if err != nil {
		return p, err
	}
	f, err := os.Open(p.Path)
	if err != nil {
		return Pulled{}, err
	}
	defer f.Close()
	m := w.Meter(ref.Text+", check", p.Bytes)
	defer m.Stop()
	want := strings.TrimPrefix(filepath.Base(p.Path), "sha256-")
	sum, err := digestOf(ctx, f, p.Bytes, want, m)
	if err == nil && sum != want {
		err = fmt.Errorf("%s: its file is not what its name says: ollama pull %s", p.Path, strings.TrimPrefix(ref.Text, ollamaScheme))
	}
	return p, err
}

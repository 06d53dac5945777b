package try

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"bankai"
	"bankai/internal/look"
	"bankai/internal/program"
	"bankai/web"
)

// Site is what a page without a server is made of.
type Site struct {
	Engine   *Engine
	Title    string        // what the model is called
	Digest   bankai.Digest // of the model
	Model    func(w io.Writer) error
	Patches  []Patch
	Examples []string // of prompts
}

// Patch is a patch that the page has, with its name.
type Patch struct {
	Name  string
	Patch *bankai.Patch
}

// Manifest says what an exported folder holds. The page reads it first.
type Manifest struct {
	Kind     string          `json:"kind"` // see Kind
	Tool     string          `json:"tool"`
	Model    ModelEntry      `json:"model"`
	Engine   EngineEntry     `json:"engine"`
	Patches  []ManifestPatch `json:"patches"`
	Examples []string        `json:"examples"`
	Files    []File          `json:"files"` // all but the manifest, by name
}

// ModelEntry is the model of a manifest.
type ModelEntry struct {
	Name   string        `json:"name"`
	File   string        `json:"file"`
	Digest bankai.Digest `json:"digest"` // that patches are bound to
}

// EngineEntry is the engine of a manifest.
type EngineEntry struct {
	File     string `json:"file"`
	Starts   string `json:"starts"`   // the script that starts it
	Unpacked int64  `json:"unpacked"` // bytes
}

// ManifestPatch is a patch of a manifest.
type ManifestPatch struct {
	Name string `json:"name"`
	File string `json:"file"`
}

// File is a file that was exported.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

const (
	// Kind is what a manifest says of itself.
	Kind = "bankai web export"
	// ManifestFile is the name of the manifest.
	ManifestFile = "manifest.json"

	modelFile = "model.gguf"
	lookFile  = "look.css"
)

// shared are the files of the page of a server that this one has, too.
var shared = []string{"app.css", "chat-align.js", "chat-popover.js", "chat-tokens.js", "chat.css", "dom.js", "icon.svg", "numbers.js"}

// content is a file to be written.
type content struct {
	name  string
	write func(w io.Writer) error
}

func whole(name string, data []byte) content {
	return content{name, func(w io.Writer) error { _, err := w.Write(data); return err }}
}

// contents are all files but the manifest, by name.
func (s *Site) contents() ([]content, error) {
	all := []content{
		whole(wasmFile, s.Engine.Wasm), whole(startsFile, s.Engine.Starts),
		whole(lookFile, []byte(look.Style)),
		{modelFile, s.Model},
	}
	for i, p := range s.Patches {
		data, err := p.Patch.Encode()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		all = append(all, whole(patchFile(i), data))
	}
	for _, name := range shared {
		data, err := web.File(name)
		if err != nil {
			return nil, err
		}
		all = append(all, whole(name, data))
	}
	err := fs.WalkDir(site, "site", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := site.ReadFile(name)
		all = append(all, whole(path.Base(name), data))
		return err
	})
	slices.SortFunc(all, func(a, b content) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return all, err
}

// patchFile names the file of the i-th patch. What it is called may hold characters that no
// system has in names of files.
func patchFile(i int) string { return fmt.Sprintf("patch-%d.bankai", i+1) }

// Names are the files that Write writes, the manifest last.
func (s *Site) Names() ([]string, error) {
	all, err := s.contents()
	names := make([]string, 0, len(all)+1)
	for _, c := range all {
		names = append(names, c.name)
	}
	return append(names, ManifestFile), err
}

// Write hands every file to put, the manifest last, and returns that. Equal sites give
// equal bytes.
func (s *Site) Write(put func(name string, write func(w io.Writer) error) error) (*Manifest, error) {
	all, err := s.contents()
	if err != nil {
		return nil, err
	}
	m := &Manifest{
		Kind: Kind, Tool: program.Tool(), Model: ModelEntry{s.Title, modelFile, s.Digest},
		Engine: EngineEntry{wasmFile, startsFile, s.Engine.Size}, Patches: []ManifestPatch{}, Examples: append([]string{}, s.Examples...),
	}
	for i, p := range s.Patches {
		m.Patches = append(m.Patches, ManifestPatch{p.Name, patchFile(i)})
	}
	for _, c := range all {
		f := File{Name: c.name}
		err := put(c.name, func(w io.Writer) error {
			sum := &counted{sha256.New(), 0}
			err := c.write(io.MultiWriter(w, sum))
			f.Bytes, f.SHA256 = sum.n, fmt.Sprintf("%x", sum.Sum(nil))
			return err
		})
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, f)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return m, put(ManifestFile, func(w io.Writer) error { _, err := w.Write(append(text, '\n')); return err })
}

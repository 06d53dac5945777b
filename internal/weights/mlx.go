package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bankai/internal/gguf"
	"bankai/internal/safetensors"
)

// openMLX opens an MLX folder: config.json, tokenizer.json and *.safetensors. A
// folder without a quantization may hold the same model unpacked to floats. It
// translates all of it into what a GGUF file of the same model holds, so that
// everything else, from the digest to baking, knows a single form. The weights
// are copied on the way: the folder's files are closed again.
func openMLX(dir string, progress Progress) (*File, error) {
	folder, err := readMLX(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	origin := "MLX folder"
	if folder.packed != gguf.Q1_0 {
		origin = fmt.Sprintf("folder of safetensors with matrices of %v", folder.packed)
	}
	f, err := newFile(dir, origin, []*gguf.File{folder.part}, progress)
	if err != nil {
		return nil, err
	}
	if f.paths = folder.paths; folder.packed != gguf.Q1_0 {
		f.packed = folder.packed
	}
	return f, nil
}

// mlxFolder is a folder that was translated.
type mlxFolder struct {
	part   *gguf.File
	paths  []string  // of the files with weights
	packed gguf.Type // of the float matrices that were packed; Q1_0 if none were
}

// readMLX translates a folder.
func readMLX(dir string) (*mlxFolder, error) {
	var fields map[string]json.RawMessage
	there, err := readJSON(dir, "config.json", &fields)
	if err == nil && !there {
		err = errors.New("is a folder, but has no config.json: give a GGUF file or an MLX folder")
	}
	if err == nil {
		err = refuseRotated(dir)
	}
	if err != nil {
		return nil, err
	}
	config := ofText(newObject("config.json", fields))
	kvs, err := mlxConfig(config, folderName(dir))
	if err != nil {
		return nil, err
	}
	names, err := weightFiles(dir)
	if err != nil {
		return nil, err
	}
	canonical := itself
	if isHybrid(config) {
		canonical = hybridName
	}
	src, err := openSource(dir, names, canonical)
	if err != nil {
		return nil, err
	}
	defer src.close()
	src.floats = !isQuantized(config)
	part, err := src.translate(dir, config, kvs)
	return &mlxFolder{part, src.paths, src.packed}, err
}

// refuseRotated refuses a folder whose weights are stored rotated. Such a folder
// looks plain but for one file beside the weights.
func refuseRotated(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if isRotation(e.Name()) {
			return fmt.Errorf("%s: the weights of this model are stored rotated, and this program does not know how to turn them back: take a model without that file", e.Name())
		}
	}
	return nil
}

// translate makes the GGUF file: its metadata is written and read back, which
// checks it as that of any other, and the tensors are put in.
func (s *mlxSource) translate(dir string, config *object, kvs []gguf.KV) (*gguf.File, error) {
	vocab := config.size("vocab_size")
	tied := config.flag("tie_word_embeddings")
	if *config.err != nil {
		return nil, *config.err
	}
	if err := s.checkVocab(vocab); err != nil { // before as many tokens are made
		return nil, err
	}
	tokens, err := mlxTokenizer(dir, config, vocab)
	if err != nil {
		return nil, err
	}
	head, _, err := gguf.Header(append(kvs, tokens...), nil)
	if err != nil {
		return nil, err
	}
	part, err := gguf.Parse(head)
	if err != nil {
		return nil, err
	}
	c, err := readConfig(part)
	if err != nil {
		return nil, err
	}
	c.Vocab, c.Tied = vocab, tied
	part.Tensors, err = s.tensors(c)
	part.Size = s.size
	return part, err
}

// cached is how the hub's cache calls the folder of a repository's commit.
var cached = regexp.MustCompile(`/models--[^/]+--([^/]+)/snapshots/[0-9a-f]{40}$`)

// folderName is what the model is called: as its folder, or in the hub's cache as its
// repository.
func folderName(dir string) string {
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	if m := cached.FindStringSubmatch(filepath.ToSlash(dir)); m != nil {
		return m[1]
	}
	return filepath.Base(dir)
}

// weightFiles lists the files with the weights: those in the index, or without
// one all in the folder.
func weightFiles(dir string) ([]string, error) {
	const indexName = "model.safetensors.index.json"
	var index struct {
		Files map[string]string `json:"weight_map"` // by tensor
	}
	there, err := readJSON(dir, indexName, &index)
	if err != nil {
		return nil, err
	}
	if there {
		names := slices.Compact(slices.Sorted(maps.Values(index.Files)))
		for _, name := range names {
			if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
				return nil, fmt.Errorf("%s: %.64q is not the name of a file in the folder", indexName, name)
			}
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("%s is missing: put all files of the model into the folder", name)
			}
		}
		return names, nil
	}
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".safetensors") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, errors.New("the folder has no *.safetensors file")
	}
	return names, nil
}

// mlxSource is the open files with a model's weights.
type mlxSource struct {
	files []*safetensors.File
	paths []string
	index map[string]safetensors.Tensor
	size  int64 // of all files, in bytes
	ahead bool  // there are blocks that guess further tokens ahead

	floats bool      // the matrices are not packed
	packed gguf.Type // they were packed, from this type; Q1_0 if they were not
}

// openSource opens the files and indexes their tensors by their canonical names; those
// without one are left out.
func openSource(dir string, names []string, canonical func(string) string) (*mlxSource, error) {
	s := &mlxSource{index: map[string]safetensors.Tensor{}, packed: gguf.Q1_0}
	for _, name := range names {
		path := filepath.Join(dir, name)
		f, err := safetensors.Open(path)
		if err != nil {
			s.close()
			return nil, err
		}
		s.files, s.paths, s.size = append(s.files, f), append(s.paths, path), s.size+f.Size
		for _, t := range f.Tensors {
			name := canonical(t.Name)
			if s.ahead = s.ahead || isMTP(t.Name); name == "" {
				continue
			}
			if _, twice := s.index[name]; twice {
				s.close()
				return nil, fmt.Errorf("tensor %q is in two files of the folder", t.Name)
			}
			s.index[name] = t
		}
	}
	return s, nil
}

// evict lets go of the memory that the files read so far take.
func (s *mlxSource) evict() {
	for _, f := range s.files {
		f.Evict()
	}
}

func (s *mlxSource) close() {
	for _, f := range s.files {
		f.Close()
	}
}

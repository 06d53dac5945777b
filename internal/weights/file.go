// Package weights sees a model, a GGUF file or an MLX folder, as named logical
// tensors: 1-bit matrices and float vectors under their GGUF names, with the
// model's configuration and vocabulary. What it opens is a complete model, dense Qwen3
// or its hybrid Qwen3.5, whose every matrix is 1-bit; anything else is refused by name
// before it can be misread.
//
// It also holds what concerns the file as a whole: the digest that patches are
// bound to, the check of a patch, baking one into a copy, and the difference of
// two models.
package weights

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"bankai"
	"bankai/internal/bpe"
	"bankai/internal/gguf"
)

// File is an open model. Its methods may be called from several goroutines,
// except Close.
type File struct {
	name      string
	parts     []*gguf.File // more than one for a split model; translated from an MLX folder
	paths     []string     // of the files with the weights; empty for a model in memory
	config    Config
	tokenizer TokenizerData
	tensors   []Tensor // sorted by name
	index     map[string]int
	bpe       *bpe.Tokenizer
	origin    string                     // how the file differs from a single GGUF file of 1-bit matrices, "" if it does not
	packed    gguf.Type                  // of the float matrices that were packed; Q1_0 if none were
	baked     Baked                      // zero if the file is not one that Bake wrote
	sums      func() [][sha256.Size]byte // of the tensors' content, computed once
	digest    func() bankai.Digest       // computed once
	progress  Progress                   // of long work; nil: nobody is told
}

// Open opens a model: a GGUF file, mapped into memory, or an MLX folder, whose
// weights are copied. Any one part of a split model (NAME-00001-of-0000N.gguf)
// opens them all. Errors name the file and what about it is not a true 1-bit
// Qwen3 model.
func Open(path string) (*File, error) { return OpenWatched(path, nil) }

// OpenWatched is Open with somebody who is told how far the work is, unless that is
// nil: now, that the file is checked, and later, when the model is digested or baked.
func OpenWatched(path string, progress Progress) (*File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return openMLX(path, progress)
	}
	paths, parts, err := openParts(path)
	if err != nil {
		return nil, err
	}
	origin := ""
	if len(parts) > 1 {
		origin = fmt.Sprintf("GGUF in %d parts", len(parts))
	}
	f, err := newFile(path, origin, parts, progress)
	if err != nil {
		closeAll(parts)
		return nil, err
	}
	f.paths = paths
	return f, nil
}

// FromBytes opens a model that is in memory, as Open does; name stands for the
// path in errors. data must not change while the model is open.
func FromBytes(name string, data []byte) (*File, error) {
	part, err := gguf.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	_, count, err := splitOf(part)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if count > 1 {
		return nil, fmt.Errorf("%s: is one of %d parts of a split model: open it from its folder", name, count)
	}
	return newFile(name, "", []*gguf.File{part}, nil)
}

// newFile checks the content of a model and indexes it. origin is what the model
// comes from unless that is one GGUF file.
func newFile(name, origin string, parts []*gguf.File, progress Progress) (*File, error) {
	f := &File{name: name, origin: origin, packed: gguf.Q1_0, parts: parts, progress: progress}
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.Evict() // the checks read every scale
	f.sums = sync.OnceValue(f.computeSums)
	f.digest = sync.OnceValue(func() bankai.Digest { return f.digestOf(f.sums()) })
	return f, nil
}

func (f *File) load() (err error) {
	if err := refuseKind(f.parts[0]); err != nil {
		return err
	}
	config, err := readConfig(f.parts[0])
	if err := refuseTypes(f.parts, config); err != nil {
		return err
	}
	if f.config = config; err != nil {
		return err
	}
	if f.tokenizer, err = readTokenizer(f.parts[0]); err != nil {
		return err
	}
	f.config.Vocab = len(f.tokenizer.Tokens)
	for _, p := range f.parts {
		if err := checkMetadata(p, f.config); err != nil {
			return err
		}
	}
	if f.baked, err = readBaked(f.parts[0]); err != nil {
		return err
	}
	if err := f.loadTensors(); err != nil {
		return err
	}
	f.bpe, err = f.tokenizer.build()
	return err
}

// loadTensors packs, indexes and checks the tensors of all parts.
func (f *File) loadTensors() (err error) {
	if d := f.config.Delta; d != nil {
		if err := f.config.checkAhead(f.parts); err != nil {
			return err
		}
		d.FloatGates = f.gatesAreFloats()
	}
	for _, p := range f.parts {
		from, packed, err := packMatrices(p.Tensors, f.config.packs, itself, f.Evict)
		if err != nil {
			return err
		}
		if packed {
			f.setPacked(from, "GGUF")
		}
	}
	if f.tensors, err = collect(f.parts, f.config); err != nil {
		return err
	}
	f.index = make(map[string]int, len(f.tensors))
	for i, t := range f.tensors {
		f.index[t.Name] = i
	}
	_, untied := f.index["output.weight"]
	f.config.Tied = !untied
	for _, check := range []func() error{f.checkTensors, f.checkFinite, f.checkDecay} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// gatesAreFloats reports whether the projections alpha and beta of the hybrid's delta-nets
// hold anything but +d and -d. They are 1-bit in the published model, but some converters
// leave them as they were trained.
func (f *File) gatesAreFloats() bool {
	var gates []gguf.Tensor
	for _, p := range f.parts {
		for _, t := range p.Tensors {
			if f.config.isGate(t.Name) {
				gates = append(gates, t)
			}
		}
	}
	_, _, err := packMatrices(gates, f.config.isGate, itself, f.Evict)
	return err != nil
}

// itself is what the files of a GGUF model call a tensor.
func itself(name string) string { return name }

// setPacked notes that float matrices were packed, of a container of that name.
func (f *File) setPacked(from gguf.Type, container string) {
	f.packed = from
	if f.origin == "" {
		f.origin = container
	}
	f.origin += fmt.Sprintf(" with matrices of %v", from)
}

// Packed returns the float type of the matrices in the file, if they are floats
// that hold a 1-bit model and were packed without loss.
func (f *File) Packed() (float gguf.Type, ok bool) { return f.packed, f.packed != gguf.Q1_0 }

// Origin says what the model comes from where that is anything but one GGUF file of
// 1-bit matrices, "" otherwise.
func (f *File) Origin() string { return f.origin }

// Config returns the model's configuration.
func (f *File) Config() Config { return f.config }

// Tokenizer returns the model's vocabulary. The slices are shared: do not change
// them.
func (f *File) Tokenizer() TokenizerData { return f.tokenizer }

// BPE returns the tokenizer that the vocabulary makes.
func (f *File) BPE() *bpe.Tokenizer { return f.bpe }

// Tensor looks a tensor up by its GGUF name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Tensors returns all tensors, sorted by name.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Size returns the size of the file in bytes: all parts of a split model, or all
// files with weights of an MLX folder, together.
func (f *File) Size() int64 {
	var n int64
	for _, p := range f.parts {
		n += p.Size
	}
	return n
}

// Evict lets go of the memory that tensors read so far take; reading them again
// is slower, nothing else changes.
func (f *File) Evict() {
	for _, p := range f.parts {
		p.Evict()
	}
}

// Close releases the mapping. The tensors must not be used afterwards.
func (f *File) Close() error { return closeAll(f.parts) }

func closeAll(parts []*gguf.File) error {
	var errs []error
	for _, p := range parts {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// isPart reports whether the file at path is one of the model's own.
func (f *File) isPart(path string) bool {
	info, err := os.Stat(path)
	return err == nil && slices.ContainsFunc(f.paths, func(p string) bool {
		own, err := os.Stat(p)
		return err == nil && os.SameFile(info, own)
	})
}

package gguf

import (
	"crypto/sha256"

	"bankai/internal/mapped"
)

// File is a parsed GGUF file.
type File struct {
	Version   uint32
	Alignment uint64   // of the tensors' data, in bytes
	KVs       []KV     // the metadata, in the file's order, keys unique
	Tensors   []Tensor // in the file's order, names unique
	Size      int64    // of the whole file, in bytes

	keys    map[string]int // index into KVs
	offsets []uint64       // of each tensor in body
	data    []byte         // the whole file
	body    []byte         // the file from where its tensors' data begins
	mapping *mapped.File   // nil for a file parsed from memory
}

// Value looks a metadata key up.
func (f *File) Value(key string) (Value, bool) {
	i, ok := f.keys[key]
	if !ok {
		return Value{}, false
	}
	return f.KVs[i].Value, true
}

// Sum is the SHA-256 of the file.
func (f *File) Sum() [sha256.Size]byte { return sha256.Sum256(f.data) }

// Open maps a file into memory and parses it. Errors name the path. Close
// releases the mapping.
func Open(path string) (*File, error) {
	f, mapping, err := mapped.Parse(path, "a GGUF file", Parse)
	if err != nil {
		return nil, err
	}
	f.mapping = mapping
	return f, nil
}

// Close releases the mapping. The tensors' Data must not be used afterwards;
// metadata values stay valid. Closing twice, or closing a file parsed from
// memory, does nothing.
func (f *File) Close() error {
	if f.mapping == nil {
		return nil
	}
	for i := range f.Tensors {
		f.Tensors[i].Data = nil
	}
	f.data, f.body = nil, nil
	mapping := f.mapping
	f.mapping = nil
	return mapping.Close()
}

// Evict lets go of the memory that the pages read so far take; they are read
// again when they are needed. It does nothing for a file parsed from memory.
func (f *File) Evict() { f.mapping.Evict() }

package safetensors

import "bankai/internal/mapped"

// File is a parsed safetensors file.
type File struct {
	Tensors []Tensor // in the order of the header, names unique
	Size    int64    // of the whole file, in bytes

	mapping *mapped.File // nil for a file parsed from memory
}

// Tensor is one tensor of a file.
type Tensor struct {
	Name  string
	DType DType
	Shape []uint64 // slowest dimension first; empty for a scalar
	Data  []byte   // little-endian: a window of the file, valid until Close
}

// Open maps a file into memory and parses it. Errors name the path. Close
// releases the mapping.
func Open(path string) (*File, error) {
	f, mapping, err := mapped.Parse(path, "a safetensors file", Parse)
	if err != nil {
		return nil, err
	}
	f.mapping = mapping
	return f, nil
}

// Evict lets go of the memory that the pages read so far take; they are read again
// when they are needed. It does nothing for a file parsed from memory.
func (f *File) Evict() { f.mapping.Evict() }

// Close releases the mapping. The tensors' Data must not be used afterwards.
// Closing twice, or closing a file parsed from memory, does nothing.
func (f *File) Close() error {
	if f.mapping == nil {
		return nil
	}
	for i := range f.Tensors {
		f.Tensors[i].Data = nil
	}
	mapping := f.mapping
	f.mapping = nil
	return mapping.Close()
}

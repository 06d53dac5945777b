// Package mapped opens files as memory.
package mapped

import (
	"fmt"
	"os"
)

// File is the content of a file, mapped into memory for reading. A nil *File is
// none: its methods do nothing.
type File struct {
	data []byte
}

// Open maps a regular file that is not empty. Errors name the path; want is what
// the file should be, as in "a GGUF file".
func Open(path, want string) (*File, error) {
	// It looks before it opens, because opening a named pipe would wait for a writer.
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s: is a folder, want %s", path, want)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not a regular file", path)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s: is empty, want %s", path, want)
	case info.Size() > maxSize:
		return nil, fmt.Errorf("%s: has %d bytes, more than this build of the program has memory for: use one for 64 bits", path, info.Size())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the mapping does not need it
	data, err := mapFile(file, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be mapped into memory: %w", path, err)
	}
	return &File{data}, nil
}

// Parse opens a file, see [Open], and parses its content. The mapping is the
// caller's to close; after an error there is none.
func Parse[T any](path, want string, parse func(data []byte) (T, error)) (parsed T, mapping *File, err error) {
	mapping, err = Open(path, want)
	if err != nil {
		return parsed, nil, err
	}
	parsed, err = parse(mapping.Data())
	if err != nil {
		mapping.Close()
		return parsed, nil, fmt.Errorf("%s: %w", path, err)
	}
	return parsed, mapping, nil
}

// Data is the file's content, valid until Close. Writing to it is a fault.
func (f *File) Data() []byte { return f.data }

// Close releases the mapping. Closing twice does nothing.
func (f *File) Close() error {
	if f == nil || f.data == nil {
		return nil
	}
	data := f.data
	f.data = nil
	return unmapFile(data)
}

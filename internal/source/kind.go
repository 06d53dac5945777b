package source

import (
	"bytes"
	"io"
	"os"
)

// IsStream reports whether a path is something that can be read once only.
func IsStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && !info.Mode().IsRegular()
}

// IsModel reports whether a file begins as a GGUF file does, is a folder, or is the
// embedded model, or a published one.
func IsModel(path string) (bool, error) {
	if path == DemoModel || IsPublished(path) {
		return true, nil
	}
	if IsFolder(path) {
		return true, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start := make([]byte, 4)
	n, err := io.ReadFull(f, start)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return bytes.Equal(start[:n], []byte("GGUF")), err
}

// IsFolder reports whether there is a folder of that name.
func IsFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

package outputs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Contents that commands tell apart.
const (
	isJSON        = "JSON"
	isBinaryPatch = "a patch"
)

// Content names what a file begins like.
func Content(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	start := make([]byte, 64)
	n, err := io.ReadFull(f, start)
	if n == 0 && errors.Is(err, io.EOF) {
		return "an empty file"
	}
	start = bytes.ToLower(bytes.TrimSpace(start[:n]))
	for _, kind := range []struct{ begin, what string }{
		{"gguf", "a GGUF model"},
		{"<!doctype html", "a page"},
		{"{", isJSON},
		{"[", isJSON},
		{"bankai", isBinaryPatch},
	} {
		if bytes.HasPrefix(start, []byte(kind.begin)) {
			return kind.what
		}
	}
	return ""
}

// IsThere reports whether there is anything of this name.
func IsThere(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

package bankai

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bankai/internal/durable"
)

// maxFile bounds the size of a patch file, in bytes. A file of MaxFlips flips
// in the roomiest encoding stays below it.
const maxFile = 1 << 29

// Read decodes a patch from either form, .bankai or JSON, whichever it finds.
// It reads to the end of r.
func Read(r io.Reader) (*Patch, error) {
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	in := bufio.NewReader(limited)
	start, err := in.Peek(len(magic))
	if err != nil && err != io.EOF {
		return nil, err
	}
	var p *Patch
	switch {
	case string(start) == magic:
		var data []byte
		if data, err = io.ReadAll(in); err == nil {
			p, err = decode(data)
		}
	case len(start) == 0:
		return nil, errors.New("the file is empty")
	case bytes.HasPrefix(start, []byte("GGUF")):
		return nil, errors.New("this is a GGUF model, not a patch")
	default:
		if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) { // some editors' mark of UTF-8
			in.Discard(3)
		}
		p, err = readJSON(in)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("the file is larger than %d MiB: this is no patch", maxFile>>20)
	}
	return p, err
}

// ReadFile reads the patch file of either form at path.
func ReadFile(path string) (*Patch, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// WriteFile writes the patch in the form that the extension names: .bankai or
// .json. The file appears whole or not at all: it is written under another name
// in the same folder, synced, and renamed.
func (p *Patch) WriteFile(path string) error {
	var write func(io.Writer) error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".bankai":
		write = func(w io.Writer) error { _, err := p.WriteTo(w); return err }
	case ".json":
		write = p.WriteJSON
	default:
		return fmt.Errorf("%s: a patch file's name ends in .bankai (compact) or .json", path)
	}
	return durable.Write(context.Background(), path, func(f durable.File) error {
		buffered := bufio.NewWriter(f)
		if err := write(buffered); err != nil {
			return err
		}
		return buffered.Flush()
	})
}

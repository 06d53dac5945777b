// Package try makes the page that needs no server: files that any host of files can
// serve, in which a model runs in the browser alone, as it is and under patches.
package try

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

//go:generate go run ./gen

//go:embed all:dist
var built embed.FS

//go:embed site
var site embed.FS

// Engine is the engine for browsers.
type Engine struct {
	Wasm   []byte // the program, compressed by gzip
	Starts []byte // the script that starts it: Go's wasm_exec.js
	Size   int64  // of the program, in bytes
}

// The names of the engine's files.
const (
	wasmFile   = "bankai.wasm.gz"
	startsFile = "wasm_exec.js"
)

// ErrNotBuilt says that a program was built without the engine for browsers.
var ErrNotBuilt = errors.New("this program was built without the browser's engine: make build has it, or give --wasm DIR")

// Built is the engine that is part of this program, if it was there when that was built.
func Built() (*Engine, error) {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		return nil, err
	}
	return builtIn(dist)
}

func builtIn(dist fs.FS) (*Engine, error) {
	e, err := readEngine(dist)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotBuilt
	}
	return e, err
}

// ReadEngine reads an engine from a folder that "make wasm" wrote. Errors name the file.
func ReadEngine(dir string) (*Engine, error) {
	e, err := readEngine(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: \"make wasm\" writes the engine for browsers to web/try/dist", dir, err)
	}
	return e, nil
}

func readEngine(dir fs.FS) (*Engine, error) {
	wasm, err := fs.ReadFile(dir, wasmFile)
	if err != nil {
		return nil, err
	}
	starts, err := fs.ReadFile(dir, startsFile)
	if err != nil {
		return nil, err
	}
	size, err := unpacked(wasm)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", wasmFile, err)
	}
	return &Engine{wasm, starts, size}, nil
}

// wasmMagic begins every WebAssembly program of version 1.
var wasmMagic = binary.LittleEndian.AppendUint32([]byte("\x00asm"), 1)

// unpacked is the size of a compressed WebAssembly program.
func unpacked(packed []byte) (int64, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return 0, err
	}
	begin := make([]byte, len(wasmMagic))
	if _, err := io.ReadFull(r, begin); err != nil || !bytes.Equal(begin, wasmMagic) {
		return 0, errors.New("is no WebAssembly")
	}
	rest, err := io.Copy(io.Discard, r)
	return int64(len(begin)) + rest, err
}

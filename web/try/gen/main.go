// Command gen builds the engine for browsers into a folder: bankai.wasm.gz, and beside it
// the file of Go's that starts it. Run it as "make wasm".
//
// Equal sources and an equal Go give equal files to the bit.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("out", "dist", "the folder to write to")
	flag.Parse()
	if err := generate(*out); err != nil {
		fmt.Fprintln(os.Stderr, "the engine for browsers:", err)
		os.Exit(1)
	}
}

func generate(out string) error {
	work, err := os.MkdirTemp("", "bankai-wasm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	program := filepath.Join(work, "bankai.wasm")
	// Without what Go would record of the clone, which changes with every commit.
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", program, "bankai/web/try/wasm")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWASM=")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	packed, err := pack(program)
	if err != nil {
		return err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	starts, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(out, 0o777),
		os.WriteFile(filepath.Join(out, "bankai.wasm.gz"), packed, 0o666),
		os.WriteFile(filepath.Join(out, "wasm_exec.js"), starts, 0o666),
	)
}

// pack compresses a file, without its time and name.
func pack(path string) ([]byte, error) {
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(program)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

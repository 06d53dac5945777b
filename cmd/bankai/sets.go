package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"bankai"
	"bankai/models/demo"
	"bankai/probe"
)

// demoPrefix begins the names of the embedded sets, as in demo:heldout.
const demoPrefix = "demo:"

// set is a probe set and where it comes from.
type set struct {
	probe.Set
	source string        // as given on the command line
	digest bankai.Digest // SHA-256 of the file
}

// readSet reads a probe file, or an embedded set.
func readSet(source string) (set, error) { return readSetBy(source, probe.Read) }

// readSetBy reads what parse takes for a set.
func readSetBy(source string, parse func(io.Reader, probe.Format) (probe.Set, error)) (set, error) {
	data, err := readSource(source)
	if err != nil {
		return set{}, err
	}
	s := set{source: source, digest: sha256.Sum256(data)}
	s.Set, err = parse(bytes.NewReader(data), probe.FormatOf(source))
	var fault *probe.ParseError
	if errors.As(err, &fault) {
		fault.File = source
	}
	return s, err
}

// readSets reads probe files, in order.
func readSets(sources []string) ([]set, error) {
	var sets []set
	for _, source := range sources {
		s, err := readSet(source)
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// maxSource bounds the files of probes and text, in bytes.
const maxSource = 64 << 20

// readSource reads a file, or an embedded one.
func readSource(source string) ([]byte, error) {
	if name, ok := strings.CutPrefix(source, demoPrefix); ok {
		return demo.Read(name)
	}
	f, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(data) > maxSource {
		return nil, fmt.Errorf("%s: is larger than %d MiB: split it", source, maxSource>>20)
	}
	return data, err
}

// readLines reads the lines of a text file, or of an embedded text, that are not
// blank.
func readLines(source string) ([]string, error) {
	data, err := readSource(source)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: holds no text: give one sentence a line", source)
	}
	return lines, nil
}

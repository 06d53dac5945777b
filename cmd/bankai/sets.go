package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/evaluate"
	"bankai/internal/text"
	"bankai/models/demo"
	"bankai/probe"
	"bankai/score"
)

// demoPrefix begins the names of the embedded sets, as in demo:heldout.
const demoPrefix = "demo:"

// set is a probe set and where it comes from.
type set struct {
	probe.Set
	source string        // as given on the command line
	digest bankai.Digest // SHA-256 of the file
	part   string        // categories of it, as after #; empty for all
}

// identity tells the set from every other: the digest of its file and, after #,
// the part that is meant.
func (s set) identity() string {
	if s.part == "" {
		return s.digest.String()
	}
	return s.digest.String() + "#" + s.part
}

// named is the set under its source.
func (s set) named() evaluate.Named { return evaluate.Named{Name: s.source, Set: s.Set} }

// setRef says in a result which probes it is of.
type setRef struct {
	Source string        `json:"source"` // as on the command line
	Digest bankai.Digest `json:"digest"`
	Probes int           `json:"probes"`
}

func (s set) ref() setRef { return setRef{s.source, s.digest, len(s.Set)} }

// readSet reads a probe file, or an embedded set.
func readSet(source string) (set, error) { return readSetBy(source, probe.Read) }

// readSetBy reads what parse takes for a set, or some categories of it.
func readSetBy(source string, parse func(io.Reader, probe.Format) (probe.Set, error)) (set, error) {
	file, categories := selection(source)
	data, err := readSource(file)
	if err != nil {
		return set{}, err
	}
	s := set{source: source, digest: sha256.Sum256(data)}
	s.Set, err = parse(bytes.NewReader(data), probe.FormatOf(file))
	var fault *probe.ParseError
	if errors.As(err, &fault) {
		fault.File = file
	}
	if err == nil && categories != nil {
		s.part = strings.Join(categories, "+")
		err = s.choose(file, categories)
	}
	return s, err
}

// selection splits FILE#a+b into the file and the categories that are meant. A
// file that has # in its name is read whole.
func selection(source string) (file string, categories []string) {
	at := strings.LastIndexByte(source, '#')
	if at < 0 {
		return source, nil
	}
	if _, err := os.Stat(source); err == nil {
		return source, nil
	}
	return source[:at], strings.Split(source[at+1:], "+")
}

// choose keeps the probes of some categories.
func (s *set) choose(file string, categories []string) error {
	var there []string
	for _, p := range s.Set {
		if !slices.Contains(there, p.Category) {
			there = append(there, p.Category)
		}
	}
	categories = joined(categories, there)
	for _, c := range categories {
		if !slices.Contains(there, c) {
			return fmt.Errorf("%s: has no category %q: it has %s", file, c, text.Listed(there))
		}
	}
	s.Set = slices.DeleteFunc(s.Set, func(p probe.Probe) bool { return !slices.Contains(categories, p.Category) })
	return nil
}

// joined puts names of categories together again that have + in them and were cut
// there: the longest ones that exist.
func joined(parts, there []string) (names []string) {
	for len(parts) > 0 {
		n := len(parts)
		for n > 1 && !slices.Contains(there, strings.Join(parts[:n], "+")) {
			n--
		}
		names, parts = append(names, strings.Join(parts[:n], "+")), parts[n:]
	}
	return names
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

// warnCut says which lines of a text a search does not hold on to, if any.
func (a *app) warnCut(m *engine.Model, source string, lines []string) {
	if held := len(score.HeldLines(m, lines)); held < len(lines) {
		a.warn("%s: only the first %d of its %s are held on to: what the model says of them fills %d MiB, which is the limit",
			source, held, text.Count(len(lines), "line"), score.TextMemory>>20)
	}
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

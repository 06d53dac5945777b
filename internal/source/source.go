package source

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
	"bankai/internal/text"
	"bankai/models/demo"
	"bankai/probe"
)

// Demo begins the names of the embedded sets, as in demo:heldout.
const Demo = "demo:"

// Set is a probe set and where it comes from.
type Set struct {
	probe.Set
	Source string        // as the user gave it
	Digest bankai.Digest // SHA-256 of the file
	Part   string        // categories of it, as after #; empty for all
}

// Identity tells the set from every other: the digest of its file and, after #,
// the part that is meant.
func (s Set) Identity() string {
	if s.Part == "" {
		return s.Digest.String()
	}
	return s.Digest.String() + "#" + s.Part
}

// ReadSet reads a probe file, or an embedded set.
func ReadSet(source string) (Set, error) { return readSet(source, probe.Read) }

// ReadPrompts is ReadSet of probes that may have no wrong answers yet.
func ReadPrompts(source string) (Set, error) { return readSet(source, probe.ReadPrompts) }

// readSet reads what parse takes for a set, or some categories of it.
func readSet(source string, parse func(io.Reader, probe.Format) (probe.Set, error)) (Set, error) {
	file, categories := Split(source)
	data, err := Read(file)
	if err != nil {
		return Set{}, err
	}
	s := Set{Source: source, Digest: sha256.Sum256(data)}
	s.Set, err = parse(bytes.NewReader(data), probe.FormatOf(file))
	var fault *probe.ParseError
	if errors.As(err, &fault) {
		fault.File = file
	}
	if err == nil && categories != nil {
		s.Part = strings.Join(categories, "+")
		err = s.choose(file, categories)
	}
	return s, err
}

// ParseSet reads probes from the content of a file, or of some categories of it: those that
// part names, joined by +. The name's ending says what the file is.
func ParseSet(file string, data []byte, part string) (Set, error) {
	s := Set{Source: file, Digest: sha256.Sum256(data), Part: part}
	var err error
	if s.Set, err = probe.Read(bytes.NewReader(data), probe.FormatOf(file)); err != nil {
		return Set{}, fmt.Errorf("%s: %w", file, err)
	}
	if part != "" {
		s.Source += "#" + part
		err = s.choose(file, strings.Split(part, "+"))
	}
	return s, err
}

// Split splits FILE#a+b into the file and the categories that are meant. A
// file that has # in its name is read whole.
func Split(source string) (file string, categories []string) {
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
func (s *Set) choose(file string, categories []string) error {
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

// ReadSets reads probe files, in order.
func ReadSets(sources []string) ([]Set, error) {
	var sets []Set
	for _, source := range sources {
		s, err := ReadSet(source)
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// MaxSize bounds the files of probes and text, in bytes.
const MaxSize = 64 << 20

// Read reads a file of at most MaxSize, or an embedded one.
func Read(source string) ([]byte, error) {
	if name, ok := strings.CutPrefix(source, Demo); ok {
		return demo.Read(name)
	}
	f, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err == nil && len(data) > MaxSize {
		return nil, fmt.Errorf("%s: is larger than %d MiB: split it", source, MaxSize>>20)
	}
	return data, err
}

// ReadLines reads the lines of a text file, or of an embedded text, that are not
// blank. A text without any is an error.
func ReadLines(source string) ([]string, error) {
	data, err := Read(source)
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

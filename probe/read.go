package probe

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Format is the way a set is written down.
type Format string

// The formats. Auto looks at the first character: "[" begins JSON, "{" JSONL,
// and anything else a CSV header.
const (
	Auto  Format = ""
	JSON  Format = "json"  // one list of objects
	JSONL Format = "jsonl" // one object a line
	CSV   Format = "csv"   // a header row; alternates separated by "|"
)

// maxSize bounds a probe file, in bytes; the largest useful ones are a thousand
// times smaller.
const maxSize = 64 << 20

// ParseError says where a probe file is wrong. Zero fields are unknown or do
// not apply.
type ParseError struct {
	File   string // as given to ReadFile
	Line   int    // 1-based, of the start of the record or of the fault
	Record int    // 1-based
	Field  string // such as "prompt"
	Msg    string // what is wrong and what to do
}

// Error is one line, such as `p.json:7: probe 2: "prompt" is empty`.
func (e *ParseError) Error() string {
	var b strings.Builder
	writePlace(&b, e.File, e.Line)
	if e.Record > 0 {
		fmt.Fprintf(&b, "probe %d: ", e.Record)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "%q ", e.Field)
	}
	return b.String() + e.Msg
}

// writePlace begins a message about a line of a file, whose name may be unknown.
func writePlace(b *strings.Builder, file string, line int) {
	if file != "" {
		b.WriteString(file + ":")
	} else {
		b.WriteString("line ")
	}
	fmt.Fprintf(b, "%d: ", line)
}

// FormatOf is the format that a path's extension names: .json, .jsonl, .ndjson or
// .csv. It is Auto for any other.
func FormatOf(path string) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		return JSON
	case ".jsonl", ".ndjson":
		return JSONL
	case ".csv":
		return CSV
	}
	return Auto
}

// ReadFile reads a set in the format its extension names or, where FormatOf does
// not know it, its content shows.
func ReadFile(path string) (Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	set, err := Read(f, FormatOf(path))
	if pe, ok := err.(*ParseError); ok {
		pe.File = path
	}
	return set, err
}

// Read reads a set and checks it: known keys only; prompt, correct and wrong
// present; distinct names. A probe without a name is called probe_0, probe_1, …
// after its place. Faults in the text are a *ParseError.
func Read(r io.Reader, format Format) (Set, error) { return read(r, format, keys[:3]) }

// ReadPrompts is Read for questions whose wrong answers are yet to be found: wrong
// may be absent or empty.
func ReadPrompts(r io.Reader, format Format) (Set, error) { return read(r, format, keys[:2]) }

// read reads probes that have the required fields.
func read(r io.Reader, format Format, required []string) (Set, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("more than %d MiB of probes: split the file", maxSize>>20)
	}
	if err := checkUTF8(data); err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &ParseError{Line: 1, Msg: "no probes: the file is empty"}
	}
	if format == Auto {
		format = sniff(data)
	}
	var recs []record
	switch format {
	case JSON:
		recs, err = readJSON(data)
	case JSONL:
		recs, err = readJSONL(data)
	case CSV:
		recs, err = readCSV(data, required)
	default:
		return nil, fmt.Errorf("unknown probe format %q: use json, jsonl or csv", format)
	}
	if err != nil {
		return nil, err
	}
	return finish(recs, required)
}

func sniff(data []byte) Format {
	switch bytes.TrimSpace(data)[0] {
	case '[':
		return JSON
	case '{':
		return JSONL
	}
	return CSV
}

func checkUTF8(data []byte) error {
	line := 1
	for rest := data; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			return &ParseError{Line: line, Msg: fmt.Sprintf("byte 0x%02x is not valid UTF-8: save the file as UTF-8", rest[0])}
		}
		if r == '\n' {
			line++
		}
		rest = rest[n:]
	}
	return nil
}

package dataset

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
)

// shapeOf finds how a text's records are written down. The extension is only asked where
// the text could be both.
func shapeOf(path string, data []byte) Shape {
	start := bytes.TrimLeft(data, " \t\r\n")
	switch ext := extension(path); {
	case start[0] == '{':
		if isOverLines(start) {
			return JSON
		}
		return JSONL
	case start[0] == '[' && (ext == ".json" || ext == ".jsonl" || beginsList(start)):
		return JSON
	case ext == ".jsonl" || ext == ".ndjson": // lines that are no JSON are named one by one
		return JSONL
	case ext == ".json":
		return JSON
	case ext == ".tsv":
		return TSV
	case ext == ".csv":
		return CSV
	}
	if header, comma := header(data); formatOf(header) != "" && len(header) > 1 {
		if comma == '\t' {
			return TSV
		}
		return CSV
	}
	if areParagraphs(data) {
		return Paragraphs
	}
	return Lines
}

// extension is a file's ending in small letters, without a .gz behind it.
func extension(path string) string {
	return filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz"))
}

// beginsList says whether a bracket begins a JSON list, since text may begin with one.
func beginsList(start []byte) bool {
	rest := bytes.TrimLeft(start[1:], " \t\r\n")
	return len(rest) == 0 || rest[0] == '{' || rest[0] == ']'
}

// isOverLines says whether a text that begins with a brace has objects of more than a
// line: the first line is none, and the text up to the object's end is one.
func isOverLines(start []byte) bool {
	line, _, more := bytes.Cut(start, []byte("\n"))
	if !more || json.Valid(line) {
		return false
	}
	var first json.RawMessage
	return json.NewDecoder(bytes.NewReader(start)).Decode(&first) == nil && bytes.Contains(first, []byte("\n"))
}

// header splits a first line at tabs, semicolons or commas, whichever gives columns that
// are known; the names come in small letters.
func header(data []byte) (columns []string, comma rune) {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if len(line) > 4096 {
		return nil, ','
	}
	for _, comma := range "\t;," {
		columns = strings.Split(strings.ToLower(string(line)), string(comma))
		for i, c := range columns {
			columns[i] = strings.Trim(c, " \r\t\"")
		}
		if formatOf(columns) != "" {
			return columns, comma
		}
	}
	return columns, ','
}

// areParagraphs says whether blank lines divide a text into pieces: there is one for at
// most twenty lines, so that one that strayed into a list does not.
func areParagraphs(data []byte) bool {
	lines, pieces, blank := 0, 0, true
	for line := range bytes.Lines(data) {
		empty := len(bytes.TrimSpace(line)) == 0
		if !empty {
			lines++
			if blank {
				pieces++
			}
		}
		blank = empty
	}
	return pieces > 1 && pieces*20 >= lines
}

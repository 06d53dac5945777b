package dataset

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"bankai/internal/text"
)

// record is an object or a row as it was read, or why it was not.
type record struct {
	line   int
	keys   []string // in order
	fields map[string]json.RawMessage
	fault  string // what is wrong with it, if something is
}

// records reads a text of the shape. An error says that the rest cannot be read; its line
// is in the text.
func records(shape Shape, data []byte) ([]record, error) {
	switch shape {
	case JSONL:
		return readLines(data), nil
	case JSON:
		return readList(data)
	case CSV, TSV:
		return readRows(shape, data)
	}
	return readText(shape, data), nil
}

// readLines reads an object a line.
func readLines(data []byte) []record {
	var out []record
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if line = bytes.TrimSpace(line); len(line) > 0 {
			r := object(line)
			r.line = n
			out = append(out, r)
		}
	}
	return out
}

// readList reads a list of objects, or objects one after another.
func readList(data []byte) ([]record, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	list := bytes.TrimLeft(data, " \t\r\n")[0] == '['
	if list {
		_, _ = d.Token() // the bracket
	}
	var out []record
	line, seen := 1, 0
	upTo := func(offset int) int {
		line += bytes.Count(data[seen:offset], []byte("\n"))
		seen = offset
		return line
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, listError(err, upTo(max(seen, min(int(d.InputOffset()), len(data)))))
		}
		begin := upTo(int(d.InputOffset()) - len(raw))
		r := object(raw)
		r.line = begin
		out = append(out, r)
	}
	if list {
		if _, err := d.Token(); err != nil {
			return nil, listError(err, upTo(len(data)))
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("line %d: something follows the list of examples: nothing may", upTo(int(d.InputOffset())))
	}
	return out, nil
}

func listError(err error, line int) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("line %d: the JSON ends too soon: the file may be cut off", line)
	}
	return fmt.Errorf("line %d, or soon behind it: not JSON: %s: mend it, or write an object a line, so that only bad lines are lost", line, strings.TrimPrefix(err.Error(), "json: "))
}

// object reads a JSON object, whose keys must be distinct.
func object(raw []byte) record {
	if f := badText(raw); f != "" {
		return record{fault: f}
	}
	if !json.Valid(raw) {
		var v any
		return record{fault: "not JSON: " + jsonFault(raw, json.Unmarshal(raw, &v)) + ": mend the line"}
	}
	if raw[0] != '{' {
		return record{fault: fmt.Sprintf(`it is %s and no object such as {"prompt": …, "completion": …}`, text.Clip(text.Printable(string(raw[:min(len(raw), 120)])), 40))}
	}
	return members(raw)
}

// jsonFault says what keeps bytes from being JSON, and where.
func jsonFault(raw []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return fmt.Sprint(err)
	}
	at := int(syntax.Offset) - 1 // of the byte at which reading ended
	switch {
	case strings.Contains(syntax.Error(), "max depth"):
		return "lists and objects are nested too deeply"
	case strings.Contains(syntax.Error(), "unexpected end") || at < 0 || at >= len(raw):
		return "it ends too soon"
	}
	first := at // an unknown word is named by its beginning
	for first > 0 && isLetter(rune(raw[first])) && isLetter(rune(raw[first-1])) {
		first--
	}
	return fmt.Sprintf("%q at character %d is not expected there", text.Clip(text.Printable(string(raw[first:min(len(raw), first+60)])), 20), utf8.RuneCount(raw[:first])+1)
}

// members returns the fields of an object that is known to be valid JSON.
func members(raw []byte) record {
	r := record{fields: map[string]json.RawMessage{}}
	for at := skipSpace(raw, 1); raw[at] != '}'; {
		end := valueEnd(raw, at)
		key := unquoted(raw[at:end])
		at = skipSpace(raw, skipSpace(raw, end)+1) // behind the colon
		end = valueEnd(raw, at)
		if _, twice := r.fields[key]; twice {
			return record{fault: fmt.Sprintf("the key %q is given twice: leave one", text.Clip(text.Printable(key), 40))}
		}
		r.keys = append(r.keys, key)
		r.fields[key] = raw[at:end:end]
		if at = skipSpace(raw, end); raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
	}
	return r
}

func skipSpace(raw []byte, at int) int {
	for raw[at] == ' ' || raw[at] == '\t' || raw[at] == '\n' || raw[at] == '\r' {
		at++
	}
	return at
}

// valueEnd is where a value of valid JSON ends.
func valueEnd(raw []byte, at int) int {
	depth := 0
	for ; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			for at++; raw[at] != '"'; at++ {
				if raw[at] == '\\' {
					at++
				}
			}
			if depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return at
			}
			if depth == 0 {
				return at + 1
			}
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return at
			}
		}
	}
	return at
}

// unquoted is the text of a JSON string.
func unquoted(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	_ = json.Unmarshal(raw, &s) // valid, since the record is
	return s
}

// badText says what is wrong with bytes that should be text.
func badText(raw []byte) string {
	switch {
	case len(raw) > maxLine:
		return fmt.Sprintf("it has %s: no model reads that much at once: divide it", text.Size(int64(len(raw))))
	case !utf8.Valid(raw):
		for i := 0; i < len(raw); {
			r, n := utf8.DecodeRune(raw[i:])
			if r == utf8.RuneError && n == 1 {
				return fmt.Sprintf("byte 0x%02x is not UTF-8: save the file as UTF-8", raw[i])
			}
			i += n
		}
	case bytes.IndexByte(raw, 0) >= 0:
		return "it holds NUL bytes: the file is damaged, or is no text"
	}
	return ""
}

// readRows reads a header and rows. A row that cannot be read is a fault, and the next one
// is tried.
func readRows(shape Shape, data []byte) ([]record, error) {
	columns, comma := header(data)
	if shape == TSV {
		comma = '\t'
	}
	c := csv.NewReader(bytes.NewReader(data))
	c.Comma, c.LazyQuotes, c.ReuseRecord, c.FieldsPerRecord = comma, comma == '\t', true, -1
	first, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: not CSV: %w", err)
	}
	columns = columns[:0]
	for _, name := range first {
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(columns, name) {
			return nil, fmt.Errorf("line 1: the column %q stands there twice: rename one", text.Clip(name, 40))
		}
		columns = append(columns, name)
	}
	if formatOf(columns) == "" {
		return nil, fmt.Errorf("line 1: the first row names the columns, and %s", unknownKeys("columns", columns))
	}
	var out []record
	for {
		row, err := c.Read()
		if err == io.EOF {
			return out, nil
		}
		out = append(out, rowRecord(c, columns, row, err))
	}
}

func rowRecord(c *csv.Reader, columns, row []string, err error) record {
	var pe *csv.ParseError
	if errors.As(err, &pe) {
		return record{line: pe.StartLine, fault: "not CSV: " + pe.Err.Error() + ": put values with quotes or commas in quotes, and double the quotes in them"}
	}
	r := record{fields: map[string]json.RawMessage{}, keys: columns}
	r.line, _ = c.FieldPos(0)
	if len(row) != len(columns) {
		r.fault = fmt.Sprintf("the row has %s where the header has %d: put values with commas in quotes", text.Count(len(row), "value"), len(columns))
		return r
	}
	for i, value := range row {
		if r.fault = badText([]byte(value)); r.fault != "" {
			return r
		}
		r.fields[columns[i]] = quoted(columns[i], value)
	}
	return r
}

// structured are the columns of tables whose values are JSON.
var structured = []string{"messages", "conversations", "conversation", "tools", "functions", "alternates"}

// quoted is a table's value as JSON. A value that is empty is null.
func quoted(column, value string) json.RawMessage {
	if value == "" {
		return json.RawMessage("null")
	}
	if slices.Contains(structured, column) && json.Valid([]byte(value)) {
		return json.RawMessage(value)
	}
	if column == "alternates" { // as in probe files
		raw, _ := json.Marshal(strings.Split(value, "|"))
		return raw
	}
	raw, _ := json.Marshal(value)
	return raw
}

// readText reads pieces of text, each as a record with the key text.
func readText(shape Shape, data []byte) []record {
	var out []record
	n, begin := 0, 0
	var piece []byte
	flush := func() {
		if piece = bytes.TrimSpace(piece); len(piece) > 0 {
			r := record{line: begin, keys: []string{"text"}, fault: badText(piece)}
			raw, _ := json.Marshal(string(piece))
			r.fields = map[string]json.RawMessage{"text": raw}
			out = append(out, r)
		}
		piece = nil
	}
	for line := range bytes.Lines(data) {
		n++
		if len(bytes.TrimSpace(line)) == 0 || shape == Lines {
			flush()
		}
		if len(piece) == 0 {
			begin = n
		}
		piece = append(piece, bytes.ReplaceAll(line, []byte("\r\n"), []byte("\n"))...)
	}
	flush()
	return out
}

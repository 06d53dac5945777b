package benchmark

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"bankai/internal/source"
)

// maxBenchmark bounds a benchmark file, in bytes: MMLU's largest part has 7 MB.
const maxBenchmark = 64 << 20

// ReadFile reads the questions of a file, or of an embedded one, by a function whose
// errors say where.
func ReadFile[T any](file string, parse func(io.Reader) ([]T, error)) ([]T, error) {
	data, err := source.Read(file)
	if err != nil {
		return nil, err
	}
	all, err := parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

// readLines goes through a file that has one JSON object a line. Blank lines are
// passed over; an error of take is told with the line. A file without any object
// is an error.
func readLines(r io.Reader, take func(line int, object []byte) error) error {
	data, err := io.ReadAll(io.LimitReader(r, maxBenchmark+1))
	if err != nil {
		return err
	}
	if len(data) > maxBenchmark {
		return fmt.Errorf("is larger than %d MiB: split it", maxBenchmark>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	found := false
	for n := 1; len(data) > 0; n++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		found = true
		if !utf8.Valid(line) {
			return fmt.Errorf("line %d: is not valid UTF-8: save the file as UTF-8", n)
		}
		if err := take(n, line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if !found {
		return errors.New("is empty: give one JSON object a line")
	}
	return nil
}

// parseObject reads one line. Keys that v does not have are passed over: benchmark
// files carry all sorts.
func parseObject(object []byte, v any) error {
	var wrongType *json.UnmarshalTypeError
	switch err := json.Unmarshal(object, v); {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return fmt.Errorf("%q is a JSON %s: want %s", wrongType.Field, wrongType.Value, jsonKind(wrongType.Type.String()))
	case errors.As(err, &wrongType):
		return fmt.Errorf("is a JSON %s: want an object, as {\"question\": …}", wrongType.Value)
	case err != nil:
		return fmt.Errorf("is no JSON object: %w", err)
	}
	return nil
}

// jsonKind is a Go type as people who write JSON call it.
func jsonKind(goType string) string {
	if goType == "[]string" {
		return "a list of strings"
	}
	return "a string"
}

package probe

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readCSV reads a header row of keys and one probe a row. Space around a value
// is part of it, as an answer's leading space has to be; a value with a comma,
// a quote or a newline stands in quotes.
func readCSV(data []byte, required []string) ([]record, error) {
	c := csv.NewReader(bytes.NewReader(data))
	c.ReuseRecord = true
	first, err := c.Read()
	if err != nil {
		return nil, csvFault(err, 0)
	}
	header := slices.Clone(first)
	if err := checkHeader(header, required); err != nil {
		return nil, err
	}
	var recs []record
	for {
		row, err := c.Read()
		if err == io.EOF {
			return recs, nil
		}
		if err != nil {
			return nil, csvFault(err, len(recs)+1)
		}
		r := record{}
		r.line, _ = c.FieldPos(0)
		for i, value := range row {
			if field := r.text(header[i]); field != nil {
				*field = value
			} else if value != "" {
				r.Alternates = strings.Split(value, "|")
			}
		}
		recs = append(recs, r)
	}
}

// checkHeader trims the column names in place and reports what is wrong with
// them.
func checkHeader(header, required []string) error {
	fault := func(msg string) error { return &ParseError{Line: 1, Msg: msg} }
	for i, h := range header {
		header[i] = strings.TrimSpace(h)
		if !slices.Contains(keys, header[i]) {
			return fault("header: " + unknownKey(header[i]))
		}
		if slices.Contains(header[:i], header[i]) {
			return fault(fmt.Sprintf("header: the column %q stands there twice", header[i]))
		}
	}
	for _, k := range required {
		if !slices.Contains(header, k) {
			return fault(fmt.Sprintf("header: the column %q is missing", k))
		}
	}
	return nil
}

func csvFault(err error, n int) error {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return err
	}
	msg := "not CSV: " + p.Err.Error()
	if errors.Is(p.Err, csv.ErrFieldCount) {
		msg = "the row has not as many fields as the header: put values with commas in quotes"
	}
	return &ParseError{Line: p.Line, Record: n, Msg: msg}
}

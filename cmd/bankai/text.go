package main

import (
	"io"

	"bankai/internal/text"
)

// fact is a name and a value.
type fact struct{ name, value string }

// writeFacts lists facts in two columns, leaving out those without a value.
func writeFacts(w io.Writer, facts ...fact) {
	var t text.Table
	for _, f := range facts {
		if f.value != "" {
			t.Add(f.name, f.value)
		}
	}
	io.WriteString(w, t.String())
}

package search

import (
	"fmt"
	"strings"
	"unicode"
)

// OptionError says which option of a search has no meaning, so that a caller can
// name it as it was set.
type OptionError struct {
	Field string // as in Go: of a [Config], or of what package score is told
	Value any
	Rule  string // what it must be
}

// Error names the option by words, as "max flips -1: must be at least 1".
func (e *OptionError) Error() string {
	var name strings.Builder
	for i, r := range e.Field {
		if i > 0 && unicode.IsUpper(r) {
			name.WriteByte(' ')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return fmt.Sprintf("%s %v: %s", &name, e.Value, e.Rule)
}

// Package modelref names models in results. It is apart from package source, which opens
// them, so that the engine for browsers can write results without what downloads models.
package modelref

import (
	"bankai"
	"bankai/internal/text"
)

// Ref says in a result which model it is of.
type Ref struct {
	Name   string        `json:"name"` // what people call it
	Path   string        `json:"path"` // as on the command line
	Digest bankai.Digest `json:"digest"`
}

// String is the name, and the file if that is called otherwise.
func (r Ref) String() string { return Titled(r.Path, r.Name) }

// Titled is a file with the name it holds.
func Titled(path, name string) string {
	if name = text.Line(name); name == "" || name == path {
		return path
	}
	return name + ", " + path
}

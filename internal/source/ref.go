package source

import (
	"bankai"
	"bankai/internal/text"
	"bankai/internal/weights"
)

// ModelRef says in a result which model it is of.
type ModelRef struct {
	Name   string        `json:"name"` // what people call it
	Path   string        `json:"path"` // as on the command line
	Digest bankai.Digest `json:"digest"`
}

// RefOf is that of an open file which is called path on the command line.
func RefOf(path string, f *weights.File) ModelRef {
	return ModelRef{text.Line(ModelName(path, f.Config())), path, f.Digest()}
}

// String is the name, and the file if that is called otherwise.
func (r ModelRef) String() string { return Titled(r.Path, r.Name) }

// SetRef says in a result which probes it is of.
type SetRef struct {
	Source string        `json:"source"` // as on the command line
	Digest bankai.Digest `json:"digest"`
	Probes int           `json:"probes"`
}

// Ref names the set in a result.
func (s Set) Ref() SetRef { return SetRef{s.Source, s.Digest, len(s.Set)} }

// Titled is a file with the name it holds.
func Titled(path, name string) string {
	if name = text.Line(name); name == "" || name == path {
		return path
	}
	return name + ", " + path
}

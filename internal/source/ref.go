package source

import (
	"bankai"
	"bankai/internal/modelref"
	"bankai/internal/text"
	"bankai/internal/weights"
)

// ModelRef says in a result which model it is of.
type ModelRef = modelref.Ref

// RefOf is that of an open file which is called path on the command line.
func RefOf(path string, f *weights.File) ModelRef {
	return ModelRef{Name: text.Line(ModelName(path, f.Config())), Path: path, Digest: f.Digest()}
}

// SetRef says in a result which probes it is of.
type SetRef struct {
	Source string        `json:"source"` // as on the command line
	Digest bankai.Digest `json:"digest"`
	Probes int           `json:"probes"`
}

// Ref names the set in a result.
func (s Set) Ref() SetRef { return SetRef{s.Source, s.Digest, len(s.Set)} }

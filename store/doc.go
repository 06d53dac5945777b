// Package store is where patches come from, and where they are kept.
//
// A [Library] is a folder of patches by name and tag, with what goes with them: the
// probe sets of their claims, reports, signatures, and the keys that are trusted. A
// [Reader] reads patches by their references, checks each against a model, and
// combines them. A reference is the path of a file, or a name of the library. A
// [Provenance] stamps a patch that is to be written with the time, the tool and the
// command that made it.
package store

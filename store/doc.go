// Package store is where patches come from, and where new ones get what they say of
// themselves.
//
// A [Reader] reads patches by their references, checks each against a model, and
// combines them. A [Provenance] stamps a patch that is to be written with the time,
// the tool and the command that made it. A reference is the path of a file.
package store

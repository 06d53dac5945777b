// Package source reads probes and texts from where people say they are: a file, some
// categories of one (FILE#a+b), or a set that goes with the embedded model
// (demo:NAME).
package source

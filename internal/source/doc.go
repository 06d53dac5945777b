// Package source opens models and reads probes and texts by what people call them: a
// file, some categories of a probe file (FILE#a+b), or what is embedded (demo,
// demo:NAME).
package source

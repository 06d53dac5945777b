// Command gen writes the Unicode tables of package bpe.
//
//	go run ./gen UnicodeData.txt
//
// The argument is the file of that name of Unicode 16.0.0, from the Unicode
// Character Database; letters, numbers, spaces and marks come from it. The tables of
// normalisation are those of Unicode 9.0.0. They come from golang.org/x/text,
// whose own edition is newer: a character's decomposition and combining class
// never change once it is assigned, so leaving out what was assigned later gives
// the older edition.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: go run ./gen UnicodeData.txt")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	classes, err := readClasses(f)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if err := checkEdition(classes); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if err := write("tables_class.go")(classSource(classes)); err != nil {
		return err
	}
	return write("tables_nfc.go")(nfcSource())
}

func write(name string) func(text []byte, err error) error {
	return func(text []byte, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return os.WriteFile(name, text, 0o644)
	}
}

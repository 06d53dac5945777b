//go:build !(js && wasm)

package main

import (
	"fmt"
	"os"
)

// The program is for browsers; elsewhere it only says so.
func main() {
	fmt.Fprintln(os.Stderr, "this is the engine for browsers: build it with GOOS=js GOARCH=wasm")
	os.Exit(2)
}

//go:build !wasm

package main

import (
	"os"
	"syscall"
)

// endings are the signals that end the work cleanly: Ctrl-C, a request to stop, the
// end of the terminal.
var endings = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

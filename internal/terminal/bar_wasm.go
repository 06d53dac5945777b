package terminal

import (
	"io"
	"os"
	"syscall"
)

// Endings are the signals that end the work cleanly.
var Endings = []os.Signal{os.Interrupt, syscall.SIGTERM}

// bar is never shown: WebAssembly has no terminal, and package mpb does not
// compile for it.
type bar struct{}

func newBar(io.Writer, string, int64, func() string) *bar { return nil }

func (*bar) set(int64) {}

func (*bar) above(string) bool { return false }

func (*bar) stop() {}

package main

import (
	"os"
	"syscall"
)

// endings are the signals that end the work cleanly.
var endings = []os.Signal{os.Interrupt, syscall.SIGTERM}

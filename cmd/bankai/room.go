package main

import (
	"os"
	"runtime"

	"bankai/internal/flagtype"
)

// roomForMessages lets Go run more goroutines at once than the engine has threads, which
// wait awake for each other: a connection would be seen only when one of them asks for
// other work. Beside a running engine a server then took a patch in 2.3 ms, and takes 0.6;
// what a worker predicts reached its coordinator in 2.5 s, and does in 1.6. Models that are
// loaded meanwhile compute with as many threads as before. back ends it. With GOMAXPROCS in
// the environment nothing is changed.
func (a *app) roomForMessages() (back func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	before, threads := runtime.GOMAXPROCS(0), a.threads
	if threads == 0 {
		a.threads = flagtype.Count(before)
	}
	runtime.GOMAXPROCS(before + 2)
	return func() {
		runtime.GOMAXPROCS(before)
		a.threads = threads
	}
}

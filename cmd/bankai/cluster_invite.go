//go:build !nocluster && !js

package main

import (
	"os"
	"runtime"
	"strings"

	"bankai/internal/text"
)

// mostInvited is how many addresses of this machine are told at most.
const mostInvited = 4

// invite says how another machine becomes a worker. The token is not part of the command
// itself, which others could read there as long as it runs.
func (c *crew) invite(f *workersFlags) {
	all := c.broker.URLs()
	command := "bankai worker --connect " + all[0]
	switch {
	case f.tokenFile != "":
		command += " --token-file FILE, with the token of " + text.Quoted(f.tokenFile)
	case os.Getenv(workerTokenVariable) != "":
		command += ", with " + workerTokenVariable + " as it is here"
	default:
		command = workerTokenVariable + "=" + c.broker.Token() + " " + command
	}
	if others := all[1:min(len(all), mostInvited)]; len(others) > 0 {
		command += " (or " + strings.Join(others, ", or ") + ")"
	}
	c.app.tell("for each machine that is to help: %s", command)
	if c.broker.Loopback() {
		port := c.broker.Port()
		c.app.Note("%s is of this machine alone: others get there by \"ssh -R %d:%s MACHINE\", or by --workers %s:0.0.0.0:%d in a network that you trust",
			all[0], port, strings.TrimPrefix(all[0], "nats://"), embedded, port)
	}
}

// tell says what must not be missed, also with --quiet.
func (a *app) tell(format string, args ...any) {
	quiet := a.Quiet
	a.Quiet = false
	a.Note(format, args...)
	a.Quiet = quiet
}

// othersMayRead reports whether a file can be read by other users of this machine, where
// files have such a thing as a mode.
func othersMayRead(file string) bool {
	info, err := os.Stat(file)
	return err == nil && runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0
}

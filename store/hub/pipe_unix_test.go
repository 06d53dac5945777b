//go:build darwin || freebsd || linux

package hub

import (
	"testing"

	"golang.org/x/sys/unix"
)

// makePipe makes a pipe with a name.
func makePipe(t *testing.T, path string) bool {
	t.Helper()
	if err := unix.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return true
}

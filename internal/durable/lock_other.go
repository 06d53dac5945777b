//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package durable

import (
	"errors"
	"os"
)

// tryLock says that there are no locks: WebAssembly has none. Nothing there keeps
// two processes from writing one journal.
func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

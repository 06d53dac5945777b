//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package hub

import (
	"errors"
	"os"
)

// tryLock says that there are no locks here.
func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

//go:build !amd64 && !arm64

package kernel

// assembly: none for this architecture yet.
var assembly []*Set

func (s *Set) runs() bool { return true }

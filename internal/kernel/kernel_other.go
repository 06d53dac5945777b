//go:build !amd64 && !arm64

package kernel

// native: no assembly for this architecture yet.
func native() []*Set { return nil }

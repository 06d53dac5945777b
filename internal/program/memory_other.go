//go:build !linux && !darwin

package program

// PeakMemory is 0: it cannot be told here.
func PeakMemory() int64 { return 0 }

// FreeMemory is 0: it cannot be told here.
func FreeMemory() int64 { return 0 }

package program

import "syscall"

// PeakMemory is the most memory the process has had resident, in bytes, mapped
// files included; 0 if it cannot be told.
func PeakMemory() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Maxrss // bytes on this system
}

// FreeMemory is 0: what is free now is not told by this system in one number.
func FreeMemory() int64 { return 0 }

//go:build !linux && !darwin

package main

// peakMemory is 0: it cannot be told here.
func peakMemory() int64 { return 0 }

// freeMemory is 0: it cannot be told here.
func freeMemory() int64 { return 0 }

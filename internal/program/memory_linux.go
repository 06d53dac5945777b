package program

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// PeakMemory is the most memory the process has had resident, in bytes, mapped
// files included; 0 if it cannot be told.
func PeakMemory() int64 { return kibibytes("/proc/self/status", "VmHWM:") }

// FreeMemory is the memory that can be had without taking any from others, in bytes; 0
// if it cannot be told.
func FreeMemory() int64 { return kibibytes("/proc/meminfo", "MemAvailable:") }

// kibibytes is a figure of a file of the system, in bytes; 0 if it is not there.
func kibibytes(path, name string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			var kib int64
			fmt.Sscan(rest, &kib)
			return kib * 1024
		}
	}
	return 0
}

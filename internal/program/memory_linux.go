package program

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// PeakMemory is the most memory the process has had resident, in bytes, mapped
// files included; 0 if it cannot be told.
func PeakMemory() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			var kib int64
			fmt.Sscan(rest, &kib)
			return kib * 1024
		}
	}
	return 0
}

// Command init is the first and only program of the machine that .ci/avx512/run
// emulates. It runs the test binaries at the root of the file system and turns the
// machine off.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
		if err := syscall.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			fmt.Println("mounting", m[1], err)
		}
	}
	tests, _ := filepath.Glob("/*.test")
	for _, test := range tests {
		name := strings.TrimSuffix(filepath.Base(test), ".test")
		pattern, _ := os.ReadFile("/" + name + ".run")
		c := exec.Command(test, "-test.v", "-test.timeout=0", "-test.run="+strings.TrimSpace(string(pattern)))
		c.Dir = "/src/" + name
		c.Env = append(os.Environ(), "HOME=/tmp", "BANKAI_REQUIRE_KERNELS=avx512,avx2,portable,generic")
		c.Stdout, c.Stderr = os.Stdout, os.Stdout
		err := c.Run()
		fmt.Printf("\nRESULT %s: %v\n", name, err)
	}
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

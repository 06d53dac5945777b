//go:build unix

package external

import (
	"os/exec"
	"syscall"
)

// shell runs a command in a process group of its own, so that it can be ended together
// with what it started, and so that an interrupt of the terminal comes to this program
// only, which then ends it.
func shell(command string) *exec.Cmd {
	c := exec.Command("sh", "-c", command)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

// kill ends the process group. It is no error if nothing of it is left.
func kill(c *exec.Cmd) { syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

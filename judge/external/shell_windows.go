package external

import (
	"os/exec"
	"strconv"
	"syscall"
)

// shell runs a command line as cmd reads it, without quoting it again.
func shell(command string) *exec.Cmd {
	c := exec.Command("cmd")
	c.SysProcAttr = &syscall.SysProcAttr{
		CmdLine:       `cmd /d /s /c "` + command + `"`,
		CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP,
	}
	return c
}

// kill ends the program and those that it started and that have not lost their parent. It
// is no error if there is none.
func kill(c *exec.Cmd) {
	exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(c.Process.Pid)).Run()
}

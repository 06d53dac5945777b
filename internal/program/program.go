// Package program tells what the running program is, and what memory it took.
package program

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version of the program. It is written into patches.
const Version = "0.1.0"

// Tool is what wrote a patch or a result.
func Tool() string { return "bankai " + Version }

// Revision is the commit the program was built from, if it is known.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	text, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text = fmt.Sprintf("%.12s", s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if text == "" {
		return ""
	}
	return text + changed
}

// Platform is what the program was built for, as linux/amd64.
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

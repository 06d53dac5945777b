package web

import (
	"os"
	"strings"

	"bankai/internal/text"
)

// searchLog is what a search said on stderr.
type searchLog struct {
	path string
	size int64 // of what was read

	warnings []string
	note     string // the last of those that say how it goes
	failure  string // why it ended without a result
}

// How lines of the program begin.
const (
	saysFailure = "bankai: "
	saysWarning = "bankai: warning: "
	saysHelp    = `Run "bankai `
)

// look reads the log, if it is another than before.
func (l *searchLog) look() {
	info, err := os.Stat(l.path)
	if err != nil || info.Size() == l.size {
		return
	}
	data, err := os.ReadFile(l.path)
	if err != nil {
		return
	}
	*l = searchLog{path: l.path, size: int64(len(data))}
	for line := range strings.Lines(string(data)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		line = text.Clip(text.Printable(strings.TrimSpace(line)), 2000)
		if warning, ok := strings.CutPrefix(line, saysWarning); ok {
			l.warnings = append(l.warnings, warning)
		} else if failure, ok := strings.CutPrefix(line, saysFailure); ok {
			l.failure = failure
		} else if line != "" && !strings.HasPrefix(line, saysHelp) {
			l.note = line
		}
	}
}

// isInterrupted says whether the search ended because it was told to.
func (l *searchLog) isInterrupted() bool { return strings.HasPrefix(l.failure, "interrupted") }

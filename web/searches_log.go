package web

import (
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"bankai/internal/text"
)

// searchLog is what a search said on stderr, as far as it was read.
type searchLog struct {
	path string
	read int64 // bytes, whole lines

	warnings []string
	progress *searchProgress // what it said last of how far something is
	failure  string          // why it ended without a result
}

// searchProgress is how far a search is with what it does before and after it tries flips.
type searchProgress struct {
	What  string  `json:"what"`
	Share float64 `json:"share"` // 0 to 1
	Said  string  `json:"said"`  // what the program adds: how many, and how long the rest takes
}

// How lines of the program begin.
const (
	saysFailure = "bankai: "
	saysWarning = "bankai: warning: "
	saysHelp    = `Run "bankai `
)

// progressLine is a line of progress: what, how many per cent, and more.
var progressLine = regexp.MustCompile(`^(.+) (\d{1,3}) %(?:, (.*))?$`)

// ownProgress is what the search itself calls its progress. Its journal tells that better.
const ownProgress = "search"

// look reads what is new in the log.
func (l *searchLog) look() {
	info, err := os.Stat(l.path)
	if err != nil || info.Size() == l.read {
		return
	}
	if info.Size() < l.read { // it began anew
		*l = searchLog{path: l.path}
	}
	f, err := os.Open(l.path)
	if err != nil {
		return
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, l.read, info.Size()-l.read))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		l.read += int64(len(line))
		l.take(text.Clip(text.Printable(strings.TrimSpace(line)), 2000))
	}
}

// take takes in a line.
func (l *searchLog) take(line string) {
	if warning, ok := strings.CutPrefix(line, saysWarning); ok {
		l.warnings = append(l.warnings, warning)
	} else if failure, ok := strings.CutPrefix(line, saysFailure); ok {
		l.failure = failure
	} else if strings.HasPrefix(line, saysHelp) {
		return
	} else if m := progressLine.FindStringSubmatch(line); m != nil {
		percent, _ := strconv.Atoi(m[2])
		l.progress = &searchProgress{m[1], float64(min(percent, 100)) / 100, m[3]}
	}
}

// isInterrupted says whether the search ended because it was told to.
func (l *searchLog) isInterrupted() bool { return strings.HasPrefix(l.failure, "interrupted") }

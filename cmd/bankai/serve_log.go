package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
)

// logFormat is how the log is written.
type logFormat string

func (l logFormat) String() string { return string(l) }

func parseLogFormat(s string) (logFormat, error) {
	if s != "text" && s != "json" {
		return "", fmt.Errorf("%q is neither text nor json", s)
	}
	return logFormat(s), nil
}

// handler writes the log; with --quiet only what is wrong.
func (l logFormat) handler(w io.Writer, quiet bool) slog.Handler {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if quiet {
		o.Level = slog.LevelWarn
	}
	if l == "json" {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}

// logOf is the log on stderr. In JSON, whatever else the program says there becomes part
// of it: a program that reads the log understands each line.
func (f *serveFlags) logOf(a *app) *slog.Logger {
	log := slog.New(f.logFormat.Value.handler(a.Stderr, a.Quiet))
	if f.logFormat.Value == "json" {
		a.Stderr, a.Bars = logged{log}, false
	}
	return log
}

// logged makes records of lines that the program writes for people.
type logged struct{ log *slog.Logger }

func (l logged) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		say := l.log.Info
		if text, ok := bytes.CutPrefix(line, []byte("bankai: warning: ")); ok {
			line, say = text, l.log.Warn
		} else if text, ok := bytes.CutPrefix(line, []byte("bankai: ")); ok {
			line, say = text, l.log.Error
		}
		say(string(line))
	}
	return len(p), nil
}

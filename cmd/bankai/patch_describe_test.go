package main

import (
	"strings"
	"testing"
)

// What stands on a line of its own wherever it is shown has no line breaks.
func TestSaidOnOneLine(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		{"patch", "describe", "p.bankai", "-o", "q.bankai", "--name", "a\nb"},
		{"patch", "describe", "p.bankai", "-o", "q.bankai", "--author", "a\rb"},
		{"search", "--probes", "demo:search_few", "-o", "q.bankai", "--license", "a\nb"},
		{"adapt", "a.jsonl", "-o", "q.bankai", "--author", "a\nb"},
	} {
		if status, _, log := runApp(args...); status != statusUsage || !strings.Contains(log, "give it on one line") {
			t.Errorf("%q: exit status %d: %s", args, status, log)
		}
	}
}

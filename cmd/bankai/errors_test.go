package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	path := &fs.PathError{Op: "open", Path: "x.gguf", Err: syscall.ENOENT}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "plain"},
		{path, "x.gguf: no such file or directory: check the path"},
		{fmt.Errorf("reading: %w", path), "reading: x.gguf: no such file or directory: check the path"},
		{&fs.PathError{Op: "read", Path: ".", Err: syscall.EISDIR}, ".: is a directory"},
		{errors.Join(errors.New("one"), errors.New("two")), "one; two"},
		{errors.New("an escape \x1b[2J and a\ttab"), "an escape  [2J and a tab"},
	} {
		if got := explain(c.err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}

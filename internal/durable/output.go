package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Output is a file that a run will write, and the policy about what may be there
// already. A file is replaced, as a whole, only if it is an earlier result of the
// same command, or if the user insists. What the run reads is never replaced, nor
// is anything written through a symbolic link or onto a device or a folder.
type Output struct {
	Path string
	// Keep says that an older file stays under the next free number (path.1): it
	// was found, by work that nobody wants to do again.
	Keep bool
	// Stream says that a pipe or a device is written to as it is.
	Stream bool
	// Private says that nobody but its owner may read the file, whoever could read an
	// older one.
	Private bool
	// Force allows to replace a file that is no earlier result.
	Force bool
	// Inputs are files that the same run reads.
	Inputs []string
	// Known tells in words what a file holds, "" for the unknown, and whether it is
	// an earlier result of the same command. If it is nil, no file is.
	Known func(path string) (what string, earlier bool)

	disk disk
	seen fs.FileInfo // what was there when it was checked, nil if nothing
	mine fs.FileInfo // what this run wrote, nil if nothing
}

// Check refuses what Write must not replace or cannot write, before the work for
// it is done. It leaves nothing behind. Errors say what is there and what to do.
func (o *Output) Check() error {
	o.disk.private = o.Private
	info, err := os.Lstat(o.Path)
	switch {
	case err == nil && o.streams(info):
		return nil
	case err == nil:
		if err := o.mayReplace(info); err != nil {
			return err
		}
		o.seen = info
	case !errors.Is(err, fs.ErrNotExist):
		return Unwritable(o.Path, err)
	}
	t, err := o.disk.temp(o.Path) // the folder is there, and may be written to
	if err != nil {
		return Unwritable(o.Path, err)
	}
	t.discard()
	return nil
}

// streams reports whether the path leads to what has no end and no content to lose.
func (o *Output) streams(info fs.FileInfo) bool {
	if !o.Stream {
		return false
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if info, err = os.Stat(o.Path); err != nil {
			return false
		}
	}
	return info.Mode()&(fs.ModeCharDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0
}

// mayReplace is the policy about a file that is there.
func (o *Output) mayReplace(info fs.FileInfo) error {
	if err := isFile(o.Path, info); err != nil {
		return err
	}
	for _, in := range o.Inputs {
		if other, err := os.Stat(in); err == nil && os.SameFile(info, other) {
			return fmt.Errorf("%s: this command reads it (%s): choose another name for the output", o.Path, in)
		}
	}
	what, earlier := "", false
	if o.Known != nil {
		what, earlier = o.Known(o.Path)
	}
	if earlier || o.Force {
		return nil
	}
	if what != "" {
		what = " (" + what + ")"
	}
	return fmt.Errorf("%s: is there already%s, and is no earlier result of this command: choose another name, or replace it with --force", o.Path, what)
}

// isFile refuses what is no regular file.
func isFile(path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s: is a folder: give the name of a file", path)
	case mode&fs.ModeSymlink != 0:
		to, _ := os.Readlink(path)
		return fmt.Errorf("%s: is a symbolic link to %s: give the name of the file itself", path, to)
	}
	return fmt.Errorf("%s: is a device, a pipe or a socket: give the name of a file", path)
}

// Adopt says that what is there was written by this run: by an earlier part of it,
// before an interruption. Write replaces it and keeps no copy.
func (o *Output) Adopt() {
	o.mine, _ = os.Lstat(o.Path)
}

// Write writes the file, as the function [Write] does. A file that came there since
// Check is kept under a number, whatever it is: work was done that must not be
// lost for it. May be called again, to replace what the run itself wrote.
func (o *Output) Write(ctx context.Context, write func(f File) error) error {
	o.disk.private = o.Private
	info, err := os.Lstat(o.Path)
	if err == nil && o.streams(info) {
		return o.writeThrough(ctx, write)
	}
	if err == nil {
		if err := isFile(o.Path, info); err != nil {
			return err
		}
	}
	keep := func(old fs.FileInfo) bool {
		mine := o.mine != nil && os.SameFile(old, o.mine)
		return !mine && (o.Keep || o.seen == nil || !os.SameFile(old, o.seen))
	}
	if err := o.disk.replace(ctx, o.Path, keep, write); err != nil {
		return err
	}
	o.Adopt()
	return nil
}

// writeThrough writes to a pipe or a device.
func (o *Output) writeThrough(ctx context.Context, write func(f File) error) error {
	f, err := os.OpenFile(o.Path, os.O_WRONLY, 0)
	if err != nil {
		return Unwritable(o.Path, err)
	}
	err = write(guarded{ctx, f})
	if closed := f.Close(); err == nil {
		err = closed
	}
	return Unwritable(o.Path, err)
}

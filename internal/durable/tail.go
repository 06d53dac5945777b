package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Tail reads a journal that another process may be appending to. It only reads: the file is
// neither locked nor changed, and is open only while it is read.
type Tail struct {
	path   string
	format Format

	info  fs.FileInfo // of the file that was read
	size  int64       // of what was taken in
	lines int         // that were taken in, the header included
}

// NewTail is the tail of the journal at path, which need not be there yet.
func NewTail(path string, f Format) *Tail { return &Tail{path: path, format: f} }

// Lines is how many lines were taken in, the header included.
func (t *Tail) Lines() int { return t.lines }

// Read hands the lines that are whole by now, and were not read before, to the format's
// functions, and tells whether there were any. A line that is still being written waits for
// the next call, as does a last one that makes no sense: a crash can leave one, and whoever
// resumes the journal drops it. Where another file took the place of the journal, or it
// became shorter, all of it is read again, beginning with its header.
func (t *Tail) Read() (more bool, err error) {
	file, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	if t.info == nil || !os.SameFile(t.info, info) || info.Size() < t.size {
		t.size, t.lines = 0, 0
	}
	t.info = info
	if info.Size() == t.size {
		return false, nil
	}
	data, err := io.ReadAll(io.NewSectionReader(file, t.size, info.Size()-t.size))
	if err != nil {
		return false, err
	}
	before := t.lines
	err = t.take(data)
	return t.lines > before, err
}

// take takes in whole lines.
func (t *Tail) take(data []byte) error {
	for {
		line, rest, complete := bytes.Cut(data, []byte("\n"))
		if !complete {
			return nil
		}
		read := t.format.record
		if t.lines == 0 {
			read = t.format.Header
		}
		if err := read(line); err != nil {
			if len(rest) == 0 {
				return nil
			}
			return fmt.Errorf("%s: line %d is damaged: %w", t.path, t.lines+1, err)
		}
		t.lines++
		t.size += int64(len(line)) + 1
		data = rest
	}
}

// InUse reports whether a process has the journal at path open to append to it.
func InUse(path string) bool {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	free, err := tryLock(file)
	return err == nil && !free
}

package durable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// SyncEvery bounds how much of a journal a power failure can take: what was
// appended so long ago is on the disk.
const SyncEvery = 2 * time.Second

// Journal is a text file of JSON lines: a header that says what it is of, then
// records, each followed by a tab and the CRC-32 (IEEE) of its bytes, as a string of
// 8 hexadecimal digits: a digit that changes on the disk must not change a result.
// It is only ever appended to, by one process at a time: it is locked
// while it is open, except on WebAssembly and on file systems without locks. Its
// methods may be called from several goroutines.
type Journal struct {
	path   string
	disk   disk
	header any

	mu     sync.Mutex
	file   *os.File // locked
	begun  bool     // the file is this journal's: it has the header
	size   int64    // of what is whole
	synced time.Time
	timer  *time.Timer // to sync what no later write does; nil if all is synced
	err    error       // after which nothing can be appended
}

// Format says how the lines of a kind of journals are read.
type Format struct {
	What   string                  // as in "the journal of a search"
	Begin  string                  // how every header begins, of any version
	Header func(line []byte) error // refuses the header of another run
	Record func(line []byte) error // takes a record in, or says what is wrong with it
	// Unsealed tells, after Header, whether the file is of a version whose records
	// had no checksums; nil means that there was none.
	Unsealed func() bool
}

// seal puts its checksum behind a record.
func seal(record []byte) []byte {
	return fmt.Appendf(nil, "%s\t\"%08x\"\n", record, crc32.ChecksumIEEE(record))
}

// unseal takes the checksum off a record, and checks it.
func (f Format) unseal(line []byte) ([]byte, error) {
	at := bytes.LastIndexByte(line, '\t')
	switch {
	case at >= 0 && string(line)+"\n" == string(seal(line[:at])):
		return line[:at], nil
	case at < 0 && f.Unsealed != nil && f.Unsealed():
		return line, nil
	}
	return nil, errors.New("its checksum is another")
}

// OpenJournal opens the journal at path. It has to be closed.
//
// To resume, the file's header and records go to the format's functions. A last
// line that a crash cut off is dropped, as is one that makes no sense: a power
// failure can leave a hole of zeros. Nonsense anywhere else is an error that names
// the line. If there is no file, the journal begins empty.
//
// Not to resume is to begin anew. A journal that is already there is kept under
// the next free number (path.1), but not before the first record is appended.
//
// A file that is no journal of this kind is refused and left alone, as is one that
// another process has open. Errors name the file.
func OpenJournal(path string, f Format, header any, resume bool) (*Journal, error) {
	return disk{}.openJournal(path, f, header, resume)
}

func (d disk) openJournal(path string, f Format, header any, resume bool) (*Journal, error) {
	file, err := d.claim(path)
	if err != nil {
		return nil, err
	}
	j := &Journal{path: path, disk: d, header: header, file: file}
	if err := j.read(f, resume); err != nil {
		file.Close()
		return nil, err
	}
	return j, nil
}

// claim opens the file at path, or makes an empty one, and locks it.
func (d disk) claim(path string) (*os.File, error) {
	for {
		if info, err := os.Lstat(path); err == nil {
			if err := isFile(path, info); err != nil {
				return nil, err
			}
		}
		if err := d.before("open"); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, Unwritable(path, err)
		}
		locked, err := tryLock(file)
		if err != nil || locked && isAt(file, path) {
			return file, nil // an error says that there are no locks here
		}
		file.Close()
		if !locked {
			return nil, fmt.Errorf("%s: another process is writing it: wait for its end, or choose another name for the output", path)
		}
		// Another process replaced the file before it was locked.
	}
}

// read takes in what the file holds, or looks whether it may be set aside.
func (j *Journal) read(f Format, resume bool) error {
	data, err := io.ReadAll(j.file)
	if err != nil {
		return Unwritable(j.path, err)
	}
	line, _, whole := bytes.Cut(data, []byte("\n"))
	if !begins(line, f.Begin, whole) {
		return fmt.Errorf("%s: is not %s: choose another name for the output", j.path, f.What)
	}
	if !whole { // nothing was recorded
		return nil
	}
	if !resume {
		j.size = int64(len(data))
		return nil
	}
	size, err := f.take(data)
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	j.begun, j.size = true, int64(size)
	if size == len(data) {
		return nil
	}
	return Unwritable(j.path, j.disk.truncate(j.file, j.size))
}

// begins reports whether a first line is that of a header. One that a crash tore
// may be shorter, or a hole of zeros.
func begins(line []byte, begin string, whole bool) bool {
	if !whole {
		line = bytes.TrimRight(line, "\x00")
		begin = begin[:min(len(begin), len(line))]
	}
	return bytes.HasPrefix(line, []byte(begin))
}

// take reads the lines of a journal, and returns how many bytes of it are whole.
func (f Format) take(data []byte) (size int, err error) {
	for number := 1; ; number++ {
		line, rest, complete := bytes.Cut(data[size:], []byte("\n"))
		if !complete {
			return size, nil
		}
		if number == 1 {
			if err := f.Header(line); err != nil {
				return 0, err
			}
		} else if err := f.record(line); err != nil {
			if len(rest) == 0 {
				return size, nil
			}
			return 0, fmt.Errorf("line %d is damaged (%w): start anew without resuming, which keeps this file under a number", number, err)
		}
		size += len(line) + 1
	}
}

// record takes in a line that is no header.
func (f Format) record(line []byte) error {
	record, err := f.unseal(line)
	if err != nil {
		return err
	}
	return f.Record(record)
}

// Append adds records, each as a line of JSON. They are on the disk at the latest
// SyncEvery later. If it fails, the journal holds what it held before.
func (j *Journal) Append(records ...any) error {
	var lines []byte
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("%s: %w", j.path, err)
		}
		lines = append(lines, seal(line)...)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if err := j.begin(); err != nil {
		return Unwritable(j.path, err)
	}
	if err := j.write(lines); err != nil {
		return Unwritable(j.path, err)
	}
	return Unwritable(j.path, j.syncSoon())
}

// Begin writes the header, if it is not there. The first Append does it, too.
func (j *Journal) Begin() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	return Unwritable(j.path, j.begin())
}

// begin makes the file this journal's: a new one with nothing but the header takes
// the place of an older journal, which keeps a number.
func (j *Journal) begin() error {
	if j.begun {
		return nil
	}
	header, err := json.Marshal(j.header)
	if err != nil {
		return err
	}
	header = append(header, '\n')
	if j.size > 0 {
		if err := j.setAside(); err != nil {
			return err
		}
		j.size = 0
	}
	// What is there now is empty, or a torn header.
	if err := j.disk.truncate(j.file, 0); err != nil {
		return err
	}
	if err := j.write(header); err != nil {
		return err
	}
	j.begun = true
	return errors.Join(j.sync(), j.disk.syncFolder(j.path))
}

// setAside keeps the older journal under a number and puts an empty file, locked,
// in its place.
func (j *Journal) setAside() error {
	t, err := j.disk.temp(j.path)
	if err != nil {
		return err
	}
	return j.swap(t, func() error {
		_, err := j.disk.keep(j.path)
		return err
	})
}

// swap puts another file, locked, in the place of the journal's, after before.
func (j *Journal) swap(t *temp, before func() error) error {
	if !renamesOpen {
		j.file.Close()
	}
	err := before()
	if err == nil {
		err = t.place(j.path)
	}
	if !t.gone {
		t.discard()
		return err
	}
	j.file.Close()
	j.file = t.File
	if renamesOpen {
		return err
	}
	j.file, err = j.disk.claim(j.path)
	return err
}

// write appends bytes. If it fails, it takes back what was written of them.
func (j *Journal) write(data []byte) error {
	err := j.disk.write(j.file, data, j.size)
	if err == nil {
		j.size += int64(len(data))
		return nil
	}
	if undone := j.disk.truncate(j.file, j.size); undone != nil {
		j.err = Unwritable(j.path, err) // what follows half a line would be damaged
	}
	return err
}

// syncSoon syncs, or makes sure that it will be done in time.
func (j *Journal) syncSoon() error {
	wait := SyncEvery - time.Since(j.synced)
	if wait <= 0 {
		return j.sync()
	}
	if j.timer == nil {
		j.timer = time.AfterFunc(wait, func() {
			j.mu.Lock()
			defer j.mu.Unlock()
			if j.timer == nil || j.err != nil { // synced or closed meanwhile
				return
			}
			if err := j.sync(); err != nil {
				j.err = Unwritable(j.path, err)
			}
		})
	}
	return nil
}

func (j *Journal) sync() error {
	if j.timer != nil {
		j.timer.Stop()
		j.timer = nil
	}
	err := j.disk.sync(j.file)
	j.synced = time.Now()
	return err
}

// Size is how many bytes of the file are this journal's; 0 before the first record, or
// [Journal.Begin].
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.begun {
		return 0
	}
	return j.size
}

// CutBack takes the records behind a size off, one that [Journal.Size] returned, and gives
// those that stay to f.Record; the header always stays. Another file takes the place of
// this one, so that a crash leaves one of the two and a [Tail] begins anew.
func (j *Journal) CutBack(f Format, size int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if !j.begun && size == 0 {
		return nil
	}
	if !j.begun || size < 0 || size > j.size {
		return fmt.Errorf("%s: cannot be cut back to %d bytes: it has %d", j.path, size, j.size)
	}
	data := make([]byte, j.size)
	if _, err := j.file.ReadAt(data, 0); err != nil {
		return fmt.Errorf("%s: cannot be read: %w", j.path, err)
	}
	size = max(size, int64(bytes.IndexByte(data, '\n'))+1)
	f.Header = func([]byte) error { return nil } // it is ours
	whole, err := f.take(data[:size])
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	if int64(whole) != size {
		return fmt.Errorf("%s: cannot be cut back to %d bytes: no record ends there", j.path, size)
	}
	t, err := j.disk.temp(j.path)
	if err != nil {
		return Unwritable(j.path, err)
	}
	if err := errors.Join(j.disk.write(t.File, data[:size], 0), j.disk.sync(t.File)); err != nil {
		t.discard()
		return Unwritable(j.path, err)
	}
	if err := j.swap(t, func() error { return nil }); err != nil {
		j.err = Unwritable(j.path, err) // which file is there is not known
		return j.err
	}
	j.size = size
	return nil
}

// Close writes everything to the disk and closes the file. One that nothing was
// recorded in is removed, if it was not there before.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if errors.Is(j.err, fs.ErrClosed) {
		return nil
	}
	if !j.begun && j.size == 0 && isAt(j.file, j.path) {
		j.disk.remove(j.path) // it is empty, or a torn header
		err := j.file.Close()
		j.err = Unwritable(j.path, fs.ErrClosed)
		return err
	}
	var err error
	if j.begun {
		err = j.sync()
	}
	err = errors.Join(err, j.file.Close())
	j.err = Unwritable(j.path, fs.ErrClosed)
	if err != nil {
		return Unwritable(j.path, err)
	}
	return nil
}

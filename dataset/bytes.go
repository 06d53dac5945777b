package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf16"
)

const (
	maxFile = 2 << 30  // bytes of a file, unpacked
	maxLine = 16 << 20 // bytes of a record: no context holds more
)

// readBytes returns a file's text in UTF-8 without a byte order mark. The file may be
// packed with gzip or be UTF-16; where that has no mark, zeros in every other byte tell.
func readBytes(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: name the files in it", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		if data, err = unpack(data); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if int64(len(data)) > maxFile {
		return nil, fmt.Errorf("%s has more than %d GiB: split the file", path, maxFile>>30)
	}
	if data, err = decode(data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%s is empty: there is nothing to learn from", path)
	}
	return data, nil
}

func unpack(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("begins like gzip, but is not: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxFile+1))
	switch {
	case errors.Is(err, gzip.ErrHeader):
		return nil, errors.New("bytes that are no gzip stand behind the end of its gzip: pack it anew")
	case err != nil:
		return nil, fmt.Errorf("gzip ends too soon or is damaged: %w", err)
	case bytes.HasPrefix(out, []byte{0x1f, 0x8b}):
		return nil, errors.New("is packed with gzip twice: unpack it once")
	}
	return out, nil
}

// binaries are beginnings of files that people have beside those that can be read.
var binaries = []struct{ magic, advice string }{
	{"PAR1", "is a Parquet file: write its rows as JSONL"},
	{"PK\x03\x04", "is a ZIP archive or a spreadsheet: unpack it, or save it as CSV"},
	{"ARROW1", "is an Arrow file: write its rows as JSONL"},
}

// decode returns UTF-8 without a mark.
func decode(data []byte) ([]byte, error) {
	for _, b := range binaries {
		if bytes.HasPrefix(data, []byte(b.magic)) {
			return nil, errors.New(b.advice)
		}
	}
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(data, []byte{0, 0, 0xfe, 0xff}):
		return nil, errors.New("is UTF-32: save it as UTF-8")
	case bytes.HasPrefix(data, []byte{0xef, 0xbb, 0xbf}):
		return data[3:], nil
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return fromUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return fromUTF16(data[2:], binary.BigEndian)
	case len(data) >= 4 && data[0] != 0 && data[1] == 0 && data[2] != 0 && data[3] == 0:
		return fromUTF16(data, binary.LittleEndian)
	case len(data) >= 4 && data[0] == 0 && data[1] != 0 && data[2] == 0 && data[3] != 0:
		return fromUTF16(data, binary.BigEndian)
	}
	return data, nil
}

func fromUTF16(data []byte, order binary.ByteOrder) ([]byte, error) {
	if len(data)%2 != 0 {
		return nil, errors.New("is UTF-16 with half a character at its end: save it as UTF-8")
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return []byte(string(utf16.Decode(units))), nil
}

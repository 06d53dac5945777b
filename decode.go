package bankai

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// decode reads the binary form. One patch has one encoding: whatever is not
// what encode would write for the patch it describes is refused.
func decode(data []byte) (*Patch, error) {
	if len(data) < len(magic)+2+checksumSize || string(data[:len(magic)]) != magic {
		return nil, errors.New("not a whole .bankai file: it is too short")
	}
	if v := data[len(magic)]; v != formatVersion {
		return nil, fmt.Errorf("the file has .bankai version %d, this program reads version %d: use a newer bankai", v, formatVersion)
	}
	body := data[:len(data)-checksumSize]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:checksumSize], data[len(body):]) {
		return nil, errors.New("the checksum does not match: the file is cut off or damaged, or has bytes after its end")
	}
	p, err := decodeBody(body)
	if err != nil {
		return nil, err
	}
	again, err := p.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, errors.New("the encoding is not the canonical one of its patch: the writer was faulty")
	}
	return p, nil
}

func decodeBody(body []byte) (*Patch, error) {
	flags := body[len(magic)+1]
	if flags&^flagsAll != 0 {
		return nil, fmt.Errorf("unknown flags %#x in the header", flags&^flagsAll)
	}
	d := decoder{rest: body[len(magic)+2:]}
	p := &Patch{}
	if flags&flagBase != 0 {
		copy(p.base[:], d.bytes(uint64(len(p.base))))
	}
	p.masks = d.tensors()
	if flags&flagMeta != 0 {
		p.meta = d.meta()
	}
	if len(d.rest) > 0 {
		d.fail("%d bytes too many before the checksum", len(d.rest))
	}
	return p, d.err
}

// decoder reads the values of the binary form one after the other. After the
// first error every read returns zero.
type decoder struct {
	rest   []byte
	err    error
	widths [len(projections) + 1]uint32 // as in tensorEncoder
	pieces uint64
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
		d.rest = nil
	}
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("a number runs past the end of its part: the writer was faulty")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// number reads a uvarint of at most limit.
func (d *decoder) number(what string, limit uint64) uint64 {
	v := d.uvarint()
	if v > limit {
		d.fail("%s %d is out of range, at most %d", what, v, limit)
		return 0
	}
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail("a value of %d bytes runs past the end of its part: the writer was faulty", n)
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// string reads a length and as many bytes.
func (d *decoder) string() []byte { return d.bytes(d.uvarint()) }

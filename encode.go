package bankai

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	magic         = "bankai"
	formatVersion = 1
	checksumSize  = 16

	flagBase = 1 << 0 // the base's digest follows the header
	flagMeta = 1 << 1 // metadata follows the flips
	flagsAll = flagBase | flagMeta

	// A projection's key is the step to its number, shifted by keyShift, plus
	// the number of its row runs if they are few and all there is to say.
	keyShift = 3
	keyMax   = 1<<keyShift - 1

	// A head, which says the rest, is the number of row runs, shifted by
	// headShift, and these flags.
	headWidth  = 1 << 0 // a width follows: it is not that of the last such projection
	headGroups = 1 << 1
	headBits   = 1 << 2
	headShift  = 3

	maxTensorName = 255
)

// WriteTo writes the compact binary form, .bankai, which FORMAT.md describes.
// Equal patches give equal bytes. It implements [io.WriterTo].
func (p *Patch) WriteTo(w io.Writer) (int64, error) {
	data, err := p.Encode()
	if err != nil {
		return 0, err
	}
	n, err := w.Write(data)
	return int64(n), err
}

// ContentSize returns how many bytes the compact form takes without provenance:
// header, base, flips and checksum. Unlike the size of a file it does not depend
// on what is recorded about the patch. It fails where [Patch.WriteTo] does.
func (p *Patch) ContentSize() (int64, error) {
	return p.WithMeta(Meta{}).WriteTo(io.Discard)
}

// Encode is what [Patch.WriteTo] writes: the bytes that a library keeps, a registry has
// and a signature is of, whatever file the patch was read from.
func (p *Patch) Encode() ([]byte, error) {
	meta, err := p.meta.encode()
	if err != nil {
		return nil, err
	}
	data := append([]byte(magic), formatVersion, 0)
	flags := &data[len(data)-1]
	if !p.base.IsZero() {
		*flags |= flagBase
	}
	if len(meta) > 0 {
		*flags |= flagMeta
	}
	if !p.base.IsZero() {
		data = append(data, p.base[:]...)
	}
	data, err = p.appendTensors(data)
	if err != nil {
		return nil, err
	}
	if len(meta) > 0 {
		data = appendString(data, meta)
	}
	sum := sha256.Sum256(data)
	return append(data, sum[:checksumSize]...), nil
}

// appendTensors writes the flips: the projections by number, then the other
// tensors by name, each list after its length.
func (p *Patch) appendTensors(data []byte) ([]byte, error) {
	named := len(p.masks)
	for i, m := range p.masks {
		if _, ok := parseTensorID(m.tensor); !ok {
			named = i
			break
		}
	}
	e := tensorEncoder{data: binary.AppendUvarint(data, uint64(named))}
	next := 0 // the number after the last projection's
	for _, m := range p.masks[:named] {
		id, _ := parseTensorID(m.tensor)
		e.projection(m, id.code, uint64(id.number()-next))
		next = id.number() + 1
	}
	e.data = binary.AppendUvarint(e.data, uint64(len(p.masks)-named))
	for _, m := range p.masks[named:] {
		if n := len(m.tensor); n == 0 || n > maxTensorName || !utf8.ValidString(m.tensor) {
			return nil, fmt.Errorf("cannot write a flip of tensor %.80q: a name is 1 to %d bytes of UTF-8", m.tensor, maxTensorName)
		}
		e.named(m)
	}
	if e.pieces > MaxFlips {
		return nil, fmt.Errorf("cannot write a patch of %d flips: the limit is %d", e.pieces, MaxFlips)
	}
	return e.data, nil
}

// tensorEncoder appends tensors; widths holds the last width of each projection
// and of the named tensors, which the next one is expected to share.
type tensorEncoder struct {
	data   []byte
	widths [len(projections) + 1]uint32
	pieces int
}

func (e *tensorEncoder) projection(m mask, code int, step uint64) {
	s := m.split()
	head := e.head(m, s, code)
	if n := head >> headShift; n <= keyMax && head == n<<headShift {
		e.data = binary.AppendUvarint(e.data, step<<keyShift|n)
	} else {
		e.data = binary.AppendUvarint(e.data, step<<keyShift)
		e.data = binary.AppendUvarint(e.data, head)
	}
	e.body(m, s, head, code)
}

func (e *tensorEncoder) named(m mask) {
	s := m.split()
	head := e.head(m, s, len(projections))
	e.data = appendString(e.data, m.tensor)
	e.data = binary.AppendUvarint(e.data, head)
	e.body(m, s, head, len(projections))
}

func (e *tensorEncoder) head(m mask, s sections, code int) uint64 {
	head := uint64(len(s.rows)) << headShift
	if m.width != e.widths[code] {
		head |= headWidth
	}
	if len(s.groups) > 0 {
		head |= headGroups
	}
	if len(s.bits) > 0 {
		head |= headBits
	}
	return head
}

// body writes what the head announces.
func (e *tensorEncoder) body(m mask, s sections, head uint64, code int) {
	e.pieces += s.pieces
	if head&headWidth != 0 {
		e.widths[code] = m.width
		e.data = binary.AppendUvarint(e.data, uint64(m.width))
	}
	if m.width == 0 && head&(headGroups|headBits) != 0 {
		e.data = binary.AppendUvarint(e.data, s.span/GroupSize)
	}
	e.data = appendRuns(e.data, s.rows)
	for _, runs := range [][]run{s.groups, s.bits} {
		if len(runs) > 0 {
			e.data = binary.AppendUvarint(e.data, uint64(len(runs)))
			e.data = appendRuns(e.data, runs)
		}
	}
}

// appendRuns writes each run's distance from the last unit of the run before
// (from -1 for the first), after a 0 and the number of further units if it has
// more than one.
func appendRuns(data []byte, runs []run) []byte {
	next := uint64(0) // the unit after the last one
	for _, r := range runs {
		if r.n > 1 {
			data = binary.AppendUvarint(append(data, 0), r.n-1)
		}
		data = binary.AppendUvarint(data, r.start-next+1)
		next = r.start + r.n
	}
	return data
}

func appendString[S ~string | ~[]byte](data []byte, s S) []byte {
	return append(binary.AppendUvarint(data, uint64(len(s))), s...)
}

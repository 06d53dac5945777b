package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync/atomic"

	"bankai"
	"bankai/internal/gguf"
)

// Diff returns the patch that turns model a into model b: bound to a, whole rows
// where all of a row's bits differ, otherwise runs of bits. The models must have
// the same tensors with the same shapes, scales and float weights, and compute alike:
// the error says what differs and how. Models that differ in more than bankai.MaxFlips
// runs are not patched versions of each other, and are refused too.
func Diff(a, b *File) (*bankai.Patch, error) {
	flips, err := diff(a, b, bankai.MaxFlips)
	if err != nil {
		return nil, fmt.Errorf("%s and %s %w", a.name, b.name, err)
	}
	if how := b.Arithmetic().Changes(a.Arithmetic()); how != "" {
		return nil, fmt.Errorf("%s and %s compute differently (%s): a patch can only say which bits to invert", a.name, b.name, how)
	}
	return bankai.New(a.Digest(), bankai.Meta{BaseModel: a.config.Name, Arithmetic: a.Arithmetic()}, flips...).Fit(a.Shape)
}

// diff returns at most limit flips. Its errors continue "a and b ...".
func diff(a, b *File, limit int64) ([]bankai.Flip, error) {
	if len(a.tensors) != len(b.tensors) {
		return nil, fmt.Errorf("are not of one shape: one has %d tensors, the other %d", len(a.tensors), len(b.tensors))
	}
	flips := make([][]bankai.Flip, len(a.tensors))
	errs := make([]error, len(a.tensors))
	var total atomic.Int64
	a.each("difference", func(i int, t Tensor) {
		flips[i], errs[i] = diffTensor(t, b.tensors[i], &total, limit)
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if total.Load() > limit {
		return nil, fmt.Errorf("differ in more than %d places: neither is a patched version of the other", limit)
	}
	return slices.Concat(flips...), nil
}

// diffTensor returns the flips that turn a into b, and adds their number to
// total. It gives up when total, which other tensors add to as well, is beyond
// limit.
func diffTensor(a, b Tensor, total *atomic.Int64, limit int64) ([]bankai.Flip, error) {
	switch {
	case a.Name != b.Name:
		return nil, fmt.Errorf("are not of one shape: only one has tensor %q", min(a.Name, b.Name))
	case a.Kind != b.Kind || a.Rows != b.Rows || a.Cols != b.Cols:
		return nil, fmt.Errorf("are not of one shape: tensor %q is %v %d × %d in one and %v %d × %d in the other", a.Name, a.Kind, a.Rows, a.Cols, b.Kind, b.Rows, b.Cols)
	case a.Kind == Float && a.digest() != b.digest():
		return nil, fmt.Errorf("differ in tensor %q, which is not 1-bit: a patch can only say which bits to invert", a.Name)
	case a.Kind == Float || bytes.Equal(a.raw, b.raw):
		return nil, nil
	}
	var flips []bankai.Flip
	size := a.Cols / gguf.BlockWeights * gguf.BlockBytes
	for row := range a.Rows {
		x, y := a.raw[row*size:(row+1)*size], b.raw[row*size:(row+1)*size]
		if bytes.Equal(x, y) {
			continue
		}
		n := len(flips)
		var err error
		if flips, err = diffRow(flips, a.Name, row, x, y); err != nil {
			return nil, err
		}
		if total.Add(int64(len(flips)-n)) > limit {
			return nil, nil
		}
	}
	return flips, nil
}

// diffRow appends the runs of differing bits of one row.
func diffRow(flips []bankai.Flip, name string, row int, x, y []byte) ([]bankai.Flip, error) {
	first := len(flips)
	add := func(col, n int) {
		if k := len(flips) - 1; k >= first && int(flips[k].Col+flips[k].N) == col {
			flips[k].N += uint32(n)
			return
		}
		flips = append(flips, bankai.Flip{Tensor: name, Row: uint32(row), Col: uint32(col), N: uint32(n)})
	}
	for at, col := 0, 0; at < len(x); at += gguf.BlockBytes {
		if !sameScale(binary.LittleEndian.Uint16(x[at:]), binary.LittleEndian.Uint16(y[at:])) {
			return nil, fmt.Errorf("differ in tensor %q in the scale of row %d, group %d: a patch can only say which bits to invert", name, row, col/gguf.BlockWeights)
		}
		for word := at + 2; word < at+gguf.BlockBytes; word += 8 {
			runs(binary.LittleEndian.Uint64(x[word:])^binary.LittleEndian.Uint64(y[word:]), col, add)
			col += 64
		}
	}
	return flips, nil
}

// sameScale reports whether two scales are equal; zero has two encodings.
func sameScale(a, b uint16) bool { return a == b || (a|b)&^minusZero == 0 }

// runs calls add for every run of set bits in mask, whose lowest bit stands for
// column col.
func runs(mask uint64, col int, add func(col, n int)) {
	for mask != 0 {
		skip := bits.TrailingZeros64(mask)
		mask >>= skip
		n := bits.TrailingZeros64(^mask)
		col += skip
		add(col, n)
		mask, col = mask>>n, col+n // a shift by 64 gives 0
	}
}

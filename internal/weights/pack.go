package weights

import (
	"encoding/binary"
	"fmt"
	"math"

	"bankai/internal/gguf"
)

// packBytes is about how many bytes of float weights are packed in one piece.
const packBytes = 16 << 20

// unpacked is a matrix of float weights and the blocks that it is packed into.
type unpacked struct {
	tensor *gguf.Tensor
	width  int // bytes of a weight
	blocks []byte
}

// packMatrices packs every float matrix of the list that wanted says as Q1_0, in place and
// without loss: a true 1-bit model that was unpacked holds +d and -d alone in every group
// of 128 weights. A matrix with any other weight is refused by its first; name
// tells what its file calls it. All cores work on it, and evict is called after
// every piece, so that only a few of them are in memory at a time. It returns the
// float type, F32 to BF16, of the first matrix that was packed; packed is false if
// there was none.
func packMatrices(list []gguf.Tensor, wanted func(string) bool, name func(string) string, evict func()) (from gguf.Type, packed bool, err error) {
	type piece struct {
		unpacked
		group, groups int // the first, and how many
	}
	var matrices []unpacked
	var pieces []piece
	var sizes []int
	for i := range list {
		t := &list[i]
		width := floatWidth(t.Type)
		if width == 0 || len(t.Dims) != 2 || t.Dims[0]%gguf.BlockWeights != 0 || !wanted(t.Name) {
			continue
		}
		groups, step := len(t.Data)/width/gguf.BlockWeights, packBytes/width/gguf.BlockWeights
		m := unpacked{t, width, make([]byte, groups*gguf.BlockBytes)}
		matrices = append(matrices, m)
		for g := 0; g < groups; g += step {
			n := min(step, groups-g)
			pieces, sizes = append(pieces, piece{m, g, n}), append(sizes, n*width)
		}
	}
	if len(matrices) == 0 {
		return 0, false, nil
	}
	errs := make([]error, len(pieces))
	inParallel(sizes, func(i int) {
		p := pieces[i]
		errs[i] = p.pack(name, p.group, p.groups)
		evict()
	})
	for _, err := range errs {
		if err != nil {
			return 0, false, err
		}
	}
	from = matrices[0].tensor.Type
	for _, m := range matrices {
		m.tensor.Type, m.tensor.Data = gguf.Q1_0, m.blocks
	}
	return from, true, nil
}

// packs reports whether a float matrix of that name is packed: one that is 1-bit in this
// architecture, and, so that it is refused for its weights, one that is not known.
func (c Config) packs(name string) bool {
	s, known := c.spec(name)
	return !c.ahead(name) && (!known || s.Kind == OneBit)
}

// floatWidth is the size in bytes of a float type, 0 for every other type.
func floatWidth(t gguf.Type) int {
	switch t {
	case gguf.F16, gguf.BF16:
		return 2
	case gguf.F32:
		return 4
	}
	return 0
}

// pack packs groups [group, group+n) of the matrix.
func (m unpacked) pack(name func(string) string, group, n int) error {
	size := gguf.BlockWeights * m.width
	for g := group; g < group+n; g++ {
		weights, block := m.tensor.Data[g*size:][:size], m.blocks[g*gguf.BlockBytes:][:gguf.BlockBytes]
		d, ok := m.scale(weights)
		if ok && m.width == 2 {
			ok = signs16(block[2:], weights)
		} else if ok {
			ok = signs32(block[2:], weights)
		}
		if !ok {
			perRow := int(m.tensor.Dims[0]) / gguf.BlockWeights
			return fmt.Errorf("tensor %q: row %d, group %d: %s: this is not a 1-bit model, whose groups of %d weights hold +d and -d alone, with d a float16",
				name(m.tensor.Name), g/perRow, g%perRow, m.blame(weights), gguf.BlockWeights)
		}
		binary.LittleEndian.PutUint16(block, d)
	}
	return nil
}

// scale returns the size of a group's first weight as a float16; ok is false if it
// is not one.
func (m unpacked) scale(weights []byte) (d uint16, ok bool) {
	if m.tensor.Type == gguf.F16 {
		return binary.LittleEndian.Uint16(weights) &^ 0x8000, true
	}
	return toHalf(float32(math.Abs(float64(m.weight(weights, 0)))))
}

// weight returns a weight of a group.
func (m unpacked) weight(weights []byte, i int) float32 {
	switch m.tensor.Type {
	case gguf.F16:
		return fromHalf(binary.LittleEndian.Uint16(weights[2*i:]))
	case gguf.BF16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(weights[2*i:])) << 16)
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(weights[4*i:]))
}

// signs16 sets a bit for every weight of 16 bits that is not negative, and reports
// whether all of them are of one size. The sign is the top bit of a weight, and the
// rest of it the size. Zeros have a sign like any other weight.
func signs16(bits, weights []byte) bool {
	const (
		sign   = 0x8000_8000_8000_8000
		gather = 1<<48 | 1<<33 | 1<<18 | 1<<3 // brings bits 0, 16, 32 and 48 to bits 48 to 51
	)
	size := uint64(binary.LittleEndian.Uint16(weights)&^0x8000) * 0x0001_0001_0001_0001
	var odd uint64
	in, out := (*[2 * gguf.BlockWeights]byte)(weights), (*[gguf.BlockWeights / 8]byte)(bits)
	for i := range out {
		a, b := binary.LittleEndian.Uint64(in[16*i:]), binary.LittleEndian.Uint64(in[16*i+8:])
		odd |= (a&^sign ^ size) | (b&^sign ^ size)
		low, high := (^a&sign)>>15*gather>>48, (^b&sign)>>15*gather>>48
		out[i] = byte(low&15 | high&15<<4)
	}
	return odd == 0
}

// signs32 does for weights of 32 bits what signs16 does for those of 16.
func signs32(bits, weights []byte) bool {
	const sign = 1 << 31
	size := binary.LittleEndian.Uint32(weights) &^ sign
	clear(bits)
	for i := range gguf.BlockWeights {
		w := binary.LittleEndian.Uint32(weights[4*i:])
		if w&^sign != size {
			return false
		}
		bits[i/8] |= byte(^w>>31) << (i % 8)
	}
	return true
}

// blame says which weight of a group cannot be packed. Where the first weight is the
// only one of its size, it is the one that is wrong.
func (m unpacked) blame(weights []byte) string {
	size := func(i int) float32 { return float32(math.Abs(float64(m.weight(weights, i)))) }
	d := size(0)
	if size(1) == size(2) {
		d = size(1)
	}
	for i := range gguf.BlockWeights {
		if size(i) != d {
			return fmt.Sprintf("weight %d is %v and others are ±%v", i, m.weight(weights, i), d)
		}
	}
	return fmt.Sprintf("all weights are ±%v", d)
}

package weights

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
	"runtime"
	"slices"
	"sync"

	"bankai"
	"bankai/internal/gguf"
)

// digestDomain keeps model digests apart from every other SHA-256.
const digestDomain = "bankai model v1\n"

// Digest identifies the model by its logical content: the names, kinds, shapes
// and weights of its tensors, and nothing else. Metadata, the order and alignment
// of tensors in the file, the GGUF version, splitting into parts and the float
// type of a vector do not matter. It is computed once, on all cores, and is
//
//	SHA-256( "bankai model v1\n"
//	         for each tensor, sorted by the bytes of its name:
//	           length of name: uint32, name,
//	           kind: byte, 0 float, 1 one-bit in groups of 128,
//	           rows: uint32, cols: uint32,
//	           SHA-256 of the tensor's content: 32 bytes )
//
// with all numbers little-endian. The content of a float tensor is its weights
// as IEEE 754 binary32, row by row; a vector has one row. The content of a 1-bit
// tensor is its sign bits, row by row, eight to a byte, the first in the least
// significant bit (1 means +scale), followed by the scales of its groups as IEEE
// 754 binary16, row by row, where minus zero counts as zero.
func (f *File) Digest() bankai.Digest { return f.digest() }

// computeSums returns the digest of every tensor's content.
func (f *File) computeSums() [][sha256.Size]byte {
	sums := make([][sha256.Size]byte, len(f.tensors))
	f.each("digest", func(i int, t Tensor) { sums[i] = t.digestEvicting(f.Evict) })
	f.Evict()
	return sums
}

// digestWith is the digest of the model in which the flips, whose lengths are true
// ones, are made. Only the tensors that they touch are read again.
func (f *File) digestWith(flips []bankai.Flip) bankai.Digest {
	byTensor := map[string][]bankai.Flip{}
	for _, flip := range flips {
		byTensor[flip.Tensor] = append(byTensor[flip.Tensor], flip)
	}
	sums := slices.Clone(f.sums())
	for name, flips := range byTensor {
		i := f.index[name]
		t := f.tensors[i]
		t.raw = bytes.Clone(t.raw)
		for _, flip := range flips {
			size := t.Cols / gguf.BlockWeights * gguf.BlockBytes
			flipBits(t.raw[int(flip.Row)*size:][:size], int(flip.Col), int(flip.N))
		}
		sums[i] = t.digest()
	}
	return f.digestOf(sums)
}

// digestOf is the digest of a model whose tensors have those digests.
func (f *File) digestOf(sums [][sha256.Size]byte) bankai.Digest {
	b := []byte(digestDomain)
	for i, t := range f.tensors { // sorted by name
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Name)))
		b = append(b, t.Name...)
		b = append(b, byte(t.Kind))
		b = binary.LittleEndian.AppendUint32(b, uint32(t.Rows))
		b = binary.LittleEndian.AppendUint32(b, uint32(t.Cols))
		b = append(b, sums[i][:]...)
	}
	return sha256.Sum256(b)
}

// digest is the SHA-256 of the tensor's content.
func (t Tensor) digest() [sha256.Size]byte { return t.digestEvicting(func() {}) }

// digestEvicting is digest for tensors of files that are large: evict is called after every
// piece of a 1-bit tensor. Beside the packed weights of a loaded model, all that was read
// would take as much memory again.
func (t Tensor) digestEvicting(evict func()) [sha256.Size]byte {
	h := sha256.New()
	if t.Kind == OneBit {
		hashBlocks(h, t.raw, evict)
	} else {
		var b []byte
		for _, x := range t.Floats() {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// minusZero is a scale of zero in its other encoding.
const minusZero = 0x8000

// hashBytes is about how many bytes of blocks are hashed in one piece.
const hashBytes = 16 << 20

// scaleBuffers have the scales of the tensors that are being hashed. All scales of a large
// model are hundreds of megabytes, and the garbage collector would let them lie.
var scaleBuffers = sync.Pool{New: func() any { return new([]byte) }}

// hashBlocks feeds all sign bits and then all scales to h. The scales are put
// aside on the way, so that the mapped file is read once.
func hashBlocks(h hash.Hash, blocks []byte, evict func()) {
	const bitBytes = gguf.BlockBytes - 2
	buffer := scaleBuffers.Get().(*[]byte)
	defer scaleBuffers.Put(buffer)
	scales := slices.Grow((*buffer)[:0], len(blocks)/gguf.BlockBytes*2)
	bits := make([]byte, 0, min(4096, len(blocks)/gguf.BlockBytes)*bitBytes)
	for piece := range slices.Chunk(blocks, hashBytes/gguf.BlockBytes*gguf.BlockBytes) {
		for ; len(piece) > 0; piece = piece[gguf.BlockBytes:] {
			d := binary.LittleEndian.Uint16(piece)
			if d == minusZero {
				d = 0
			}
			scales = binary.LittleEndian.AppendUint16(scales, d)
			bits = append(bits, piece[2:gguf.BlockBytes]...)
			if len(bits) == cap(bits) {
				h.Write(bits)
				bits = bits[:0]
			}
		}
		evict()
	}
	h.Write(bits)
	h.Write(scales)
	*buffer = scales
}

// each calls do for every tensor, on all cores, and has progress told of the work
// called what.
func (f *File) each(what string, do func(i int, t Tensor)) {
	c := f.counter(what)
	sizes := make([]int, len(f.tensors))
	for i, t := range f.tensors {
		sizes[i] = len(t.raw)
	}
	inParallel(sizes, func(i int) {
		do(i, f.tensors[i])
		c.add(sizes[i])
	})
}

// inParallel calls do for the index of every size, on all cores, the largest
// first so that none is left for the end.
func inParallel(sizes []int, do func(i int)) {
	order := make([]int, len(sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(sizes[j], sizes[i]) })
	next := make(chan int, len(order))
	for _, i := range order {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(order)) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	wg.Wait()
}

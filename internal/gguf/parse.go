package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Bounds on what a file may claim. Real models stay far below all of them (a
// vocabulary of 151,669 tokens makes 6 MB of metadata, an 8B model has 399
// tensors); they bound the time and memory that a hostile file can cost.
const (
	maxHeader    = 64 << 20 // bytes of header, metadata and tensor records
	maxKVs       = 1 << 16
	maxTensors   = 1 << 16
	maxKey       = 1<<16 - 1 // bytes
	maxName      = 64        // bytes
	maxDims      = 4
	maxElements  = 1 << 48
	maxDepth     = 4 // arrays of arrays
	maxAlignment = 1 << 20

	minKV     = 8 + 1 + 4 + 1         // key length, key, type, value
	minTensor = 8 + 1 + 4 + 8 + 4 + 8 // name length, name, dimensions, type, offset
)

const (
	magic            = "GGUF"
	alignmentKey     = "general.alignment"
	defaultAlignment = 32
)

// Parse reads a file that is in memory. The tensors' Data are windows of data,
// which must not change while they are used. Errors say what is wrong and where;
// they do not name the file.
func Parse(data []byte) (*File, error) {
	r := &reader{data: data[:min(len(data), maxHeader)], whole: len(data)}
	f := &File{Size: int64(len(data)), data: data}
	nTensors, nKVs := f.parseHeader(r)
	f.parseKVs(r, nKVs)
	offsets := f.parseTensors(r, nTensors)
	if r.err == nil {
		f.Alignment, r.err = alignment(f.KVs)
	}
	if r.err == nil {
		r.err = f.cut(data, r.pos, offsets)
	}
	if r.err != nil {
		return nil, r.err
	}
	return f, nil
}

func (f *File) parseHeader(r *reader) (nTensors, nKVs uint64) {
	if m := r.data[:min(len(magic), len(r.data))]; string(m) != magic {
		r.err = fmt.Errorf("not a GGUF file: it starts with %q, not %q", m, magic)
		return 0, 0
	}
	r.pos = len(magic)
	f.Version = r.u32()
	nTensors, nKVs = r.u64(), r.u64()
	switch {
	case r.err != nil:
	case f.Version == 1:
		r.err = errors.New("GGUF version 1 is not supported: convert the model again with a current tool")
	case f.Version&0xffff == 0:
		r.err = errors.New("big-endian GGUF is not supported: convert the model for a little-endian machine")
	case f.Version != 2 && f.Version != 3:
		r.err = fmt.Errorf("GGUF version %d is not supported, only 2 and 3", f.Version)
	}
	return r.count("tensors", nTensors, maxTensors, minTensor), r.count("metadata keys", nKVs, maxKVs, minKV)
}

// parseKVs reads the metadata. Keys and values become windows of one string, a
// copy of that part of the file, so that they outlive the mapping at the cost of
// a single allocation.
func (f *File) parseKVs(r *reader, n uint64) {
	type record struct {
		key, value span
		typ        ValueType
	}
	base := r.pos
	records := make([]record, 0, n)
	for range n {
		key := r.str()
		typ := ValueType(r.u32())
		start := r.pos
		r.value(typ, 0)
		if r.err != nil {
			return
		}
		if size := key.end - key.start; size == 0 || size > maxKey {
			r.fail("metadata key %d is %d bytes long, want 1 to %d", len(records), size, maxKey)
			return
		}
		records = append(records, record{key, span{start, r.pos}, typ})
	}
	text := string(r.data[base:r.pos])
	window := func(s span) string { return text[s.start-base : s.end-base] }
	f.KVs = make([]KV, len(records))
	f.keys = make(map[string]int, len(records))
	for i, rec := range records {
		f.KVs[i] = KV{window(rec.key), Value{rec.typ, window(rec.value)}}
		if _, dup := f.keys[f.KVs[i].Key]; dup {
			r.err = fmt.Errorf("metadata key %q is there twice", f.KVs[i].Key)
			return
		}
		f.keys[f.KVs[i].Key] = i
	}
}

// parseTensors reads the tensor records; their offsets are checked later, when
// the start of the data is known.
func (f *File) parseTensors(r *reader, n uint64) (offsets []uint64) {
	f.Tensors = make([]Tensor, 0, n)
	seen := make(map[string]bool, n)
	for range n {
		t := r.tensor()
		offset := r.u64()
		if r.err == nil {
			_, r.err = t.size()
		}
		if r.err == nil && seen[t.Name] {
			r.err = fmt.Errorf("tensor %q is there twice", t.Name)
		}
		if r.err != nil {
			return nil
		}
		seen[t.Name] = true
		f.Tensors = append(f.Tensors, t)
		offsets = append(offsets, offset)
	}
	return offsets
}

// tensor reads a tensor record up to its offset.
func (r *reader) tensor() (t Tensor) {
	name := r.str()
	if r.err == nil && name.end-name.start > maxName {
		r.fail("a tensor name is %d bytes long, want at most %d", name.end-name.start, maxName)
	}
	if r.err != nil {
		return t
	}
	t.Name = string(r.data[name.start:name.end])
	n := r.u32()
	if n > maxDims {
		r.fail("tensor %q has %d dimensions, want 1 to %d", t.Name, n, maxDims)
		return t
	}
	t.Dims = make([]uint64, n)
	for i := range t.Dims {
		t.Dims[i] = r.u64()
	}
	t.Type = Type(r.u32())
	return t
}

// cut gives every tensor its window of the file's data. head is the size of
// everything before the padding that precedes the data.
func (f *File) cut(data []byte, head int, offsets []uint64) error {
	start := align(uint64(head), f.Alignment)
	room := max(uint64(len(data)), start) - start
	for i := range f.Tensors {
		t := &f.Tensors[i]
		size, err := t.size()
		off := offsets[i]
		switch {
		case err != nil:
			return err
		case off%f.Alignment != 0:
			return fmt.Errorf("tensor %q: offset %d is not a multiple of the alignment, %d", t.Name, off, f.Alignment)
		case off > room || size > room-off:
			return fmt.Errorf("tensor %q: its %d bytes at offset %d end past the end of the file (%d bytes): is it cut off?", t.Name, size, off, len(data))
		case size > 0:
			t.Data = data[start+off : start+off+size : start+off+size]
		}
	}
	f.offsets, f.body = offsets, data[min(start, uint64(len(data))):]
	return f.checkOverlap(offsets)
}

// checkOverlap refuses tensors that share bytes. A tensor of a type that cannot
// be measured counts as empty.
func (f *File) checkOverlap(offsets []uint64) error {
	order := make([]int, len(f.Tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(offsets[i], offsets[j]), cmp.Compare(len(f.Tensors[i].Data), len(f.Tensors[j].Data)))
	})
	for k := 1; k < len(order); k++ {
		i, j := order[k-1], order[k]
		if offsets[j] < offsets[i]+uint64(len(f.Tensors[i].Data)) {
			return fmt.Errorf("tensors %q and %q overlap in the file", f.Tensors[i].Name, f.Tensors[j].Name)
		}
	}
	return nil
}

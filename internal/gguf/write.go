package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Write writes a GGUF file, version 3: the metadata as given, the tensors in the
// order given, their data aligned as general.alignment says (32 bytes if it says
// nothing). Each tensor's Data must have the size that its type and dimensions
// demand. Equal arguments give equal bytes.
func Write(w io.Writer, kvs []KV, tensors []Tensor) error {
	head, offsets, err := Header(kvs, tensors)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	padding := make([]byte, maxAlignment)
	end := int64(len(head))
	for i, t := range tensors {
		if _, err := w.Write(padding[:offsets[i]-end]); err != nil {
			return err
		}
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
		end = offsets[i] + int64(len(t.Data))
	}
	a, _ := alignment(kvs) // Header has checked it
	_, err = w.Write(padding[:align(uint64(end), a)-uint64(end)])
	return err
}

// Header returns the bytes that Write puts before the tensors' data, padding
// included, and the offset of each tensor's data from the start of the file.
func Header(kvs []KV, tensors []Tensor) (head []byte, offsets []int64, err error) {
	a, err := alignment(kvs)
	if err != nil {
		return nil, nil, err
	}
	starts := make([]uint64, 0, len(tensors))
	seen := make(map[string]bool, len(tensors))
	var end uint64 // of the data so far, from the start of the data
	for _, t := range tensors {
		size, err := t.size()
		switch {
		case err != nil:
			return nil, nil, err
		case seen[t.Name]:
			return nil, nil, fmt.Errorf("tensor %q is there twice", t.Name)
		case size == 0:
			return nil, nil, fmt.Errorf("tensor %q: type %v cannot be written", t.Name, t.Type)
		case size != uint64(len(t.Data)):
			return nil, nil, fmt.Errorf("tensor %q: %d bytes of data, want %d for %v %v", t.Name, len(t.Data), size, t.Type, t.Dims)
		}
		seen[t.Name] = true
		start := align(end, a)
		end = start + size
		starts = append(starts, start)
	}
	return header(3, a, kvs, tensors, starts)
}

// header returns the head of a file whose tensors begin at the given offsets from
// the start of the data, padded to the alignment a, and the offsets from the start
// of the file.
func header(version uint32, a uint64, kvs []KV, tensors []Tensor, starts []uint64) (head []byte, offsets []int64, err error) {
	head = append(head, magic...)
	head = binary.LittleEndian.AppendUint32(head, version)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(tensors)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(kvs)))
	if head, err = appendKVs(head, kvs); err != nil {
		return nil, nil, err
	}
	for i, t := range tensors {
		head = appendString(head, t.Name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.Dims)))
		for _, d := range t.Dims {
			head = binary.LittleEndian.AppendUint64(head, d)
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(t.Type))
		head = binary.LittleEndian.AppendUint64(head, starts[i])
	}
	if len(tensors) > maxTensors || len(kvs) > maxKVs || len(head) > maxHeader {
		return nil, nil, fmt.Errorf("%d tensors, %d metadata keys and %d bytes of them are more than a reader accepts", len(tensors), len(kvs), len(head))
	}
	head = append(head, make([]byte, align(uint64(len(head)), a)-uint64(len(head)))...)
	for _, start := range starts {
		offsets = append(offsets, int64(len(head))+int64(start))
	}
	return head, offsets, nil
}

// Rewrite writes the file again with other metadata, and returns the offset of each
// tensor's data from the start of what is written. All that follows the metadata
// stays as it is, with gaps between tensors and bytes behind the last: a file that
// is written again with its own metadata is the same to the byte, but for padding
// before the data that is not zero. The alignment must stay as it was.
func (f *File) Rewrite(w io.Writer, kvs []KV) (offsets []int64, err error) {
	if a, err := alignment(kvs); err != nil || a != f.Alignment {
		return nil, fmt.Errorf("the alignment of the data is %d and cannot become another", f.Alignment)
	}
	head, offsets, err := header(f.Version, f.Alignment, kvs, f.Tensors, f.offsets)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	_, err = w.Write(f.body)
	return offsets, err
}

func appendKVs(b []byte, kvs []KV) ([]byte, error) {
	seen := make(map[string]bool, len(kvs))
	for _, kv := range kvs {
		switch {
		case len(kv.Key) == 0 || len(kv.Key) > maxKey:
			return nil, fmt.Errorf("metadata key %.64q is %d bytes long, want 1 to %d", kv.Key, len(kv.Key), maxKey)
		case kv.Value.raw == "":
			return nil, fmt.Errorf("metadata key %q has no value", kv.Key)
		case seen[kv.Key]:
			return nil, fmt.Errorf("metadata key %q is there twice", kv.Key)
		}
		seen[kv.Key] = true
		b = appendString(b, kv.Key)
		b = binary.LittleEndian.AppendUint32(b, uint32(kv.Value.typ))
		b = append(b, kv.Value.raw...)
	}
	return b, nil
}

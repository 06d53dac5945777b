package weights

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"bankai/internal/gguf"
)

// Keys that llama.cpp's gguf-split writes into every part.
const (
	splitNo      = "split.no" // from 0
	splitCount   = "split.count"
	splitTensors = "split.tensors.count" // of the whole model
)

// partName matches the name of one part of a split model: PREFIX-00001-of-00003.gguf.
var partName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// splitOf returns which part of how many a file is: 0 of 1 for a whole model.
func splitOf(f *gguf.File) (no, count uint64, err error) {
	v, ok := f.Value(splitCount)
	if !ok {
		return 0, 1, nil
	}
	count, ok = v.Uint()
	if ok && count == 0 { // parts that were merged
		return 0, 1, nil
	}
	if !ok || count > 99999 {
		return 0, 0, fmt.Errorf("metadata key %s is not a count of parts", splitCount)
	}
	v, _ = f.Value(splitNo)
	no, ok = v.Uint()
	if !ok || no >= count {
		return 0, 0, fmt.Errorf("metadata key %s is not the number of one of %d parts", splitNo, count)
	}
	return no, count, nil
}

// openParts opens the file at path and, if it is part of a split model, all the
// other parts, in order.
func openParts(path string) (paths []string, parts []*gguf.File, err error) {
	one, err := gguf.Open(path)
	if err != nil {
		return nil, nil, err
	}
	_, count, err := splitOf(one)
	if err == nil && count == 1 {
		return []string{path}, []*gguf.File{one}, nil
	}
	one.Close() // and open it again in its turn
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	m := partName.FindStringSubmatch(path)
	if m == nil || m[3] != fmt.Sprintf("%05d", count) {
		return nil, nil, fmt.Errorf("%s: is one of %d parts of a split model: give it back its name, ending in -00001-of-%05d.gguf, to find the others", path, count, count)
	}
	for i := range count {
		p := fmt.Sprintf("%s-%05d-of-%05d.gguf", m[1], i+1, count)
		part, err := openPart(p, i, count)
		if err != nil {
			closeAll(parts)
			return nil, nil, err
		}
		paths, parts = append(paths, p), append(parts, part)
	}
	if err := checkComplete(parts); err != nil {
		closeAll(parts)
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return paths, parts, nil
}

// openPart opens part no of count and checks that it is that part.
func openPart(path string, no, count uint64) (*gguf.File, error) {
	part, err := gguf.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: part %d of the model's %d is missing: put all parts into one folder", path, no+1, count)
	}
	if err != nil {
		return nil, err
	}
	if n, c, err := splitOf(part); err != nil || n != no || c != count {
		part.Close()
		return nil, fmt.Errorf("%s: says it is part %d of %d: it does not belong to this model", path, n+1, c)
	}
	return part, nil
}

// checkComplete compares the number of tensors with the one that the split was
// made with, where it is known.
func checkComplete(parts []*gguf.File) error {
	v, ok := parts[0].Value(splitTensors)
	if !ok {
		return nil
	}
	var n uint64
	for _, p := range parts {
		n += uint64(len(p.Tensors))
	}
	if want, ok := v.Uint(); !ok || want != n {
		return fmt.Errorf("the parts hold %d tensors, but %s says %d: they are not of one model", n, splitTensors, want)
	}
	return nil
}

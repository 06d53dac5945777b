package weights

import (
	"os"
	"path/filepath"
	"testing"

	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// split writes the tiny model in three parts.
func split(t *testing.T) []string {
	t.Helper()
	paths, err := tiny().WriteSplit(filepath.Join(t.TempDir(), "tiny"), 3)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestAnyPartOpensTheWholeModel(t *testing.T) {
	whole := open(t, tiny())
	paths := split(t)
	for _, path := range paths {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Config() != whole.Config() || f.Digest() != whole.Digest() {
			t.Errorf("%s: configuration or digest is not that of the whole model", path)
		}
		var size int64
		for _, p := range paths {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			size += info.Size()
		}
		if f.Size() != size {
			t.Errorf("size %d, want the sum of the parts, %d", f.Size(), size)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The first part may hold the metadata alone.
func TestFirstPartWithoutTensors(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "m")
	m := tiny()
	head := &testmodel.Model{KVs: m.KVs}
	tail := &testmodel.Model{Tensors: m.Tensors}
	for i, part := range []*testmodel.Model{head, tail} {
		part.Set("split.no", gguf.Uint16(uint16(i)))
		part.Set("split.count", gguf.Uint16(2))
		if err := part.Write(prefix + []string{"-00001-of-00002.gguf", "-00002-of-00002.gguf"}[i]); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Open(prefix + "-00002-of-00002.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Digest() != open(t, m).Digest() {
		t.Error("the digest is not that of the whole model")
	}
}

func TestOpenRefusesIncompleteSplits(t *testing.T) {
	rewrite := func(path string, m *testmodel.Model) {
		if err := m.Write(path); err != nil {
			t.Fatal(err)
		}
	}
	part := func(no, count uint16) *testmodel.Model {
		m := &testmodel.Model{}
		m.Set("split.no", gguf.Uint16(no))
		m.Set("split.count", gguf.Uint16(count))
		return m
	}
	tests := []struct {
		name   string
		damage func(paths []string) (open string)
		want   string
	}{
		{"part 2 missing", func(p []string) string { os.Remove(p[1]); return p[0] }, "tiny-00002-of-00003.gguf: part 2 of the model's 3 is missing"},
		{"part 1 missing", func(p []string) string { os.Remove(p[0]); return p[2] }, "tiny-00001-of-00003.gguf: part 1 of the model's 3 is missing"},
		{"renamed", func(p []string) string {
			other := filepath.Join(filepath.Dir(p[0]), "model.gguf")
			os.Rename(p[0], other)
			return other
		}, "model.gguf: is one of 3 parts of a split model: give it back its name, ending in -00001-of-00003.gguf"},
		{"parts swapped", func(p []string) string {
			os.Rename(p[1], p[1]+".x")
			os.Rename(p[2], p[1])
			os.Rename(p[1]+".x", p[2])
			return p[0]
		}, "tiny-00002-of-00003.gguf: says it is part 3 of 3"},
		{"a part of another split", func(p []string) string { rewrite(p[1], part(1, 4)); return p[0] }, "says it is part 2 of 4"},
		{"a part without its tensors", func(p []string) string { rewrite(p[1], part(1, 3)); return p[0] }, "split.tensors.count says 24: they are not of one model"},
		{"a part that is not GGUF", func(p []string) string { os.WriteFile(p[1], []byte("<html>"), 0o666); return p[0] }, "tiny-00002-of-00003.gguf: not a GGUF file"},
		{"number beyond the count", func(p []string) string { rewrite(p[0], part(3, 3)); return p[0] }, "split.no is not the number of one of 3 parts"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(test.damage(split(t)))
			wantError(t, err, os.TempDir(), test.want)
		})
	}
}

func TestFromBytesRefusesAPart(t *testing.T) {
	m := tiny()
	m.Set("split.no", gguf.Uint16(0))
	m.Set("split.count", gguf.Uint16(2))
	_, err := FromBytes("part", m.Bytes())
	wantError(t, err, "part: ", "is one of 2 parts of a split model")
}

// A tensor that two parts hold would be a different model in each order.
func TestOpenRefusesATensorInTwoParts(t *testing.T) {
	paths := split(t)
	m := tiny()
	last := &testmodel.Model{Tensors: append(m.Tensors[2*len(m.Tensors)/3:], m.Tensors[0])}
	last.Set("split.no", gguf.Uint16(2))
	last.Set("split.count", gguf.Uint16(3))
	first := &testmodel.Model{KVs: m.KVs, Tensors: m.Tensors[:len(m.Tensors)/3]}
	first.Set("split.no", gguf.Uint16(0))
	first.Set("split.count", gguf.Uint16(3))
	if err := first.Write(paths[0]); err != nil {
		t.Fatal(err)
	}
	if err := last.Write(paths[2]); err != nil {
		t.Fatal(err)
	}
	_, err := Open(paths[0])
	wantError(t, err, paths[0], `tensor "token_embd.weight" is in two parts of the model`)
}

package gguf

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// A whole file, to the byte.
func TestWriteBytes(t *testing.T) {
	var b bytes.Buffer
	err := Write(&b,
		[]KV{{"general.alignment", Uint32(16)}, {"name", String("hi")}},
		[]Tensor{
			{Name: "a", Dims: []uint64{3}, Type: I8, Data: []byte{1, 2, 3}},
			{Name: "b", Dims: []uint64{1, 2}, Type: I16, Data: []byte{4, 0, 5, 0}},
		})
	want := head(2, 2).
		kv("general.alignment", TypeUint32).u32(16).
		kv("name", TypeString).str("hi").
		tensor("a", I8, 0, 3).
		tensor("b", I16, 16, 1, 2).
		pad(16, 0).
		data("\x01\x02\x03").pad(16, 0).
		data("\x04\x00\x05\x00").pad(16, 0)
	if err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("error %v, got\n%q, want\n%q", err, b.Bytes(), []byte(want))
	}
}

// Header tells where Write puts each tensor's data.
func TestHeaderOffsets(t *testing.T) {
	tensors := []Tensor{
		{Name: "a", Dims: []uint64{3}, Type: I8, Data: []byte{1, 2, 3}},
		{Name: "b", Dims: []uint64{1}, Type: I8, Data: []byte{4}},
	}
	var b bytes.Buffer
	if err := Write(&b, nil, tensors); err != nil {
		t.Fatal(err)
	}
	head, offsets, err := Header(nil, tensors)
	if err != nil || !bytes.HasPrefix(b.Bytes(), head) {
		t.Fatalf("error %v, or the file does not begin with the header", err)
	}
	for i, tensor := range tensors {
		if got := b.Bytes()[offsets[i]:][:len(tensor.Data)]; !bytes.Equal(got, tensor.Data) || offsets[i]%32 != 0 {
			t.Errorf("tensor %q at offset %d is %v", tensor.Name, offsets[i], got)
		}
	}
}

// What Write accepts, Parse reads; so Write must refuse what Parse refuses.
func TestWriteRefuses(t *testing.T) {
	good := Tensor{Name: "w", Dims: []uint64{2}, Type: I8, Data: []byte{1, 2}}
	change := func(f func(*Tensor)) []Tensor { t := good; f(&t); return []Tensor{t} }
	tests := []struct {
		name    string
		kvs     []KV
		tensors []Tensor
		want    string
	}{
		{"alignment of 3", []KV{{"general.alignment", Uint32(3)}}, nil, "general.alignment is not a power of two"},
		{"key without a name", []KV{{"", Bool(true)}}, nil, "is 0 bytes long"},
		{"key without a value", []KV{{Key: "k"}}, nil, `metadata key "k" has no value`},
		{"key there twice", []KV{{"k", Bool(true)}, {"k", Bool(false)}}, nil, `metadata key "k" is there twice`},
		{"tensor without a name", nil, change(func(t *Tensor) { t.Name = "" }), "is 0 bytes long"},
		{"tensor there twice", nil, []Tensor{good, good}, `tensor "w" is there twice`},
		{"too little data", nil, change(func(t *Tensor) { t.Data = t.Data[:1] }), `tensor "w": 1 bytes of data, want 2 for I8 [2]`},
		{"no dimensions", nil, change(func(t *Tensor) { t.Dims = nil }), "has 0 dimensions"},
		{"a type that cannot be measured", nil, change(func(t *Tensor) { t.Type = TQ1_0 }), "cannot be written"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			err := Write(&b, test.kvs, test.tensors)
			if err == nil || !strings.Contains(err.Error(), test.want) || b.Len() != 0 {
				t.Errorf("error %v after %d bytes, want %q before any", err, b.Len(), test.want)
			}
		})
	}
}

// fullDisk takes some bytes and then fails.
type fullDisk struct{ room int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestWriteReportsEveryFailedWrite(t *testing.T) {
	tensors := []Tensor{{Name: "w", Dims: []uint64{2}, Type: I8, Data: []byte{1, 2}}, {Name: "v", Dims: []uint64{1}, Type: I8, Data: []byte{3}}}
	var whole bytes.Buffer
	if err := Write(&whole, nil, tensors); err != nil {
		t.Fatal(err)
	}
	for room := range whole.Len() {
		if err := Write(&fullDisk{room}, nil, tensors); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d bytes: error %v", room, err)
		}
	}
}

// A file that is written again with its own metadata is the same to the byte, whatever
// its version, the gaps between its tensors, their order, and what follows them; with
// other metadata only the head changes.
func TestRewrite(t *testing.T) {
	b := head(2, 2).
		kv("name", TypeString).str("x").
		kv("general.alignment", TypeUint32).u32(64).
		tensor("second", I8, 128, 3).
		tensor("first", I8, 0, 2)
	first := len(b)
	b = b.pad(64, 0).data("\x01\x02").pad(64, 64).data("\x03\x04\x05 and more")
	for _, version := range []byte{2, 3} {
		b[4] = version
		f, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		var same, other bytes.Buffer
		if _, err := f.Rewrite(&same, f.KVs); err != nil || !bytes.Equal(same.Bytes(), b) {
			t.Errorf("version %d: error %v, or the file is another", version, err)
		}
		offsets, err := f.Rewrite(&other, append(f.KVs, KV{"note", String(strings.Repeat("long", 50))}))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(other.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for i, tensor := range again.Tensors {
			if !bytes.Equal(tensor.Data, f.Tensors[i].Data) || !bytes.HasPrefix(other.Bytes()[offsets[i]:], tensor.Data) {
				t.Errorf("version %d: tensor %q is %v, not at %d", version, tensor.Name, tensor.Data, offsets[i])
			}
		}
		if again.Version != uint32(version) || !bytes.HasSuffix(other.Bytes(), b[first:][64:]) {
			t.Errorf("version %d: what follows the head has changed", version)
		}
		if _, err := f.Rewrite(io.Discard, f.KVs[:1]); err == nil {
			t.Error("the data got another alignment")
		}
	}
}

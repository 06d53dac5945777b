package safetensors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// written is a file of tensors of bytes, which lie in it in the order of places, and
// are listed in the order of the slice.
func written(t rapid.TB, tensors [][]byte, places []int) []byte {
	t.Helper()
	var data []byte
	offsets := make([][2]int, len(tensors))
	for _, i := range places {
		offsets[i] = [2]int{len(data), len(data) + len(tensors[i])}
		data = append(data, tensors[i]...)
	}
	var records []string
	for i, b := range tensors {
		at, err := json.Marshal(offsets[i])
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, fmt.Sprintf(`"t%d":{"dtype":"U8","shape":[%d],"data_offsets":%s}`, i, len(b), at))
	}
	return append(raw("{"+strings.Join(records, ",")+"}", 0), data...)
}

// Tensors are read back in the order of the header, wherever their data lies, and a
// window cannot grow into its neighbour.
func TestTensorsLieAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tensors := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 9), 1, 6).Draw(t, "tensors")
		places := make([]int, len(tensors))
		for i := range places {
			places[i] = i
		}
		places = rapid.Permutation(places).Draw(t, "places")
		f, err := Parse(written(t, tensors, places))
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range f.Tensors {
			if x.Name != fmt.Sprint("t", i) || !bytes.Equal(x.Data, tensors[i]) || cap(x.Data) != len(x.Data) {
				t.Errorf("tensor %d is %q with % x, room for %d; want % x", i, x.Name, x.Data, cap(x.Data), tensors[i])
			}
		}
	})
}

// A file that lacks its end, wherever it is cut off, is refused; so is one with
// anything behind its end.
func TestParseNeedsTheWholeFile(t *testing.T) {
	file := written(t, [][]byte{[]byte("one"), {}, []byte("three")}, []int{2, 0, 1})
	if _, err := Parse(file); err != nil {
		t.Fatal(err)
	}
	for n := range file {
		if f, err := Parse(file[:n]); err == nil {
			t.Errorf("%d of %d bytes are read as %d tensors", n, len(file), len(f.Tensors))
		}
	}
	if _, err := Parse(append(file, 0)); err == nil {
		t.Error("a byte behind the end is taken")
	}
}

// The size of a tensor is the product of its dimensions and the width of its type: one
// that is a byte too small or too large is refused.
func TestSizesOfTypes(t *testing.T) {
	for dtype, width := range map[string]int{
		"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
		"U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
	} {
		for off := -1; off <= 1; off++ {
			size := 6*width + off
			_, err := Parse(raw(fmt.Sprintf(`{"a":{"dtype":%q,"shape":[2,1,3],"data_offsets":[0,%d]}}`, dtype, size), size))
			if (err == nil) != (off == 0) {
				t.Errorf("%s [2 1 3] in %d bytes: %v", dtype, size, err)
			}
		}
	}
}

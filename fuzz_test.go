package bankai

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzRead: no input panics; what is accepted is written again, and read again
// as the same patch; a .bankai file that is accepted is the only one of its
// patch.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		p, err := Read(bytes.NewReader(data))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded(f, p))
	}
	f.Add([]byte(`{"flips":[],"metadata":{"license":"MIT","author":"a","conflicts":` + conflictJSON(1, `,"name":"n","why":"w"`) + `}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		checkRoundTrip(t, p)
		if bytes.HasPrefix(data, []byte(magic)) && !bytes.Equal(encoded(t, p), data) {
			t.Fatal("two files of one patch are accepted")
		}
	})
}

// FuzzDecode reaches the binary parser behind the checksum.
func FuzzDecode(f *testing.F) {
	p := New(Digest{1}, Meta{Name: "n", License: "MIT", Author: "a", Conflicts: []Conflict{{Digest{2}, "n", "w"}}, Claims: []Claim{{Name: "c"}}, Arithmetic: bonsai8B}, row(gate2, 1), group(up10, 2, 1), bit(embd, 3, 300))
	for _, p := range []*Patch{p, mustFit(f, p), New(Digest{}, Meta{})} {
		data := encoded(f, p)
		f.Add(data[len(magic)+1], data[len(magic)+2:len(data)-checksumSize])
	}
	f.Fuzz(func(t *testing.T, flags byte, rest []byte) {
		if p, err := decode(seal(formatVersion, flags, rest...)); err == nil {
			checkRoundTrip(t, p)
		}
	})
}

// checkRoundTrip checks that p comes back from both encodings.
func checkRoundTrip(t *testing.T, p *Patch) {
	data := encoded(t, p)
	back, err := decode(data)
	if err != nil || !bytes.Equal(encoded(t, back), data) {
		t.Fatalf("from .bankai: %v", err)
	}
	var text bytes.Buffer
	if p.WriteJSON(&text) != nil {
		return // the JSON form cannot hold every patch
	}
	back, err = Read(&text)
	if err != nil || !bytes.Equal(encoded(t, back), data) {
		t.Fatalf("from JSON: %v", err)
	}
}

package demo_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/weights"
	"bankai/models/demo"
	"bankai/probe"
)

// The embedded model is the one that the card describes: patches in circulation
// are bound to its digest, and say how it computes.
func TestModel(t *testing.T) {
	f, err := weights.FromBytes("demo", demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := f.Config()
	if c.Layers != 6 || c.Hidden != 256 || c.FFN != 1024 || c.Vocab != 512 || !c.Tied {
		t.Errorf("the model has another shape: %+v", c)
	}
	const digest = "57f7154641b30fbc1b41cff439935ab1a918b93ab2f3c315b2b5fd65207b43c3"
	if got := f.Digest().String(); got != digest {
		t.Errorf("the model's digest is %s, want %s", got, digest)
	}
	const fingerprint = "afdfdcf94ee7a7d99386f20f995257f5ec31c53d29e56360edcd4569ac6cd739"
	if got := f.Arithmetic().Fingerprint().String(); got != fingerprint {
		t.Errorf("the fingerprint of its arithmetic is %s, want %s", got, fingerprint)
	}
}

// What somebody else wrote cannot end a turn or a text: none of the model's control
// tokens comes out of an ordinary text.
func TestControlTokensCannotBeWritten(t *testing.T) {
	f, err := weights.FromBytes("demo", demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, seen := f.BPE(), 0
	for id := range int32(tok.Vocab()) {
		name := tok.Token(id)
		if !strings.HasPrefix(name, "<|") {
			continue
		}
		seen++
		if got := tok.Encode(name); !slices.Equal(got, []int32{id}) {
			t.Errorf("%s is %v, want %d alone", name, got, id)
		}
		if got := tok.EncodeOrdinary(name); slices.Contains(got, id) || tok.Decode(got) != name {
			t.Errorf("an ordinary %s is %v, text %q", name, got, tok.Decode(got))
		}
	}
	if seen < 2 {
		t.Errorf("%d control tokens: where are the ends of a turn and of a text?", seen)
	}
}

// No prompt of a set is in another: what is measured on one was not searched on.
func TestSetsAreApart(t *testing.T) {
	sizes := map[string]int{
		"search": 600, "search_few": 120, "validate": 300, "heldout": 1400,
		"control": 50, "control_few": 5, "control_heldout": 50, "text": 500, "control_text": 100,
		"sums": 60, "words": 10, "choices": 70,
	}
	owner := map[string]string{}
	for _, s := range demo.Sets() {
		prompts := promptsOf(t, s.Name)
		if len(prompts) != sizes[s.Name] {
			t.Errorf("%s has %d entries, want %d", s.Name, len(prompts), sizes[s.Name])
		}
		for _, p := range prompts {
			first, seen := owner[p]
			if whole, part := strings.CutSuffix(s.Name, "_few"); part {
				if first != whole {
					t.Errorf("%s asks %q, which %s does not", s.Name, p, whole)
				}
				continue
			}
			if seen {
				t.Errorf("%q is in %s and in %s", p, first, s.Name)
			}
			owner[p] = s.Name
		}
		delete(sizes, s.Name)
	}
	if len(sizes) > 0 {
		t.Errorf("sets that are not there: %v", sizes)
	}
}

// promptsOf returns the prompts of a probe set, the questions of a benchmark, or the
// lines of a text.
func promptsOf(t *testing.T, name string) (prompts []string) {
	t.Helper()
	data, err := demo.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, "text") {
		return strings.Split(strings.TrimSpace(string(data)), "\n")
	}
	if bytes.HasPrefix(data, []byte(`{"question"`)) {
		for line := range bytes.Lines(data) {
			var q struct{ Question string }
			if err := json.Unmarshal(line, &q); err != nil {
				t.Fatal(err)
			}
			prompts = append(prompts, q.Question)
		}
		return prompts
	}
	set, err := probe.Read(bytes.NewReader(data), probe.JSON)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range set {
		prompts = append(prompts, p.Prompt)
	}
	return prompts
}

func TestReadNamesTheSets(t *testing.T) {
	_, err := demo.Read("held-out")
	if err == nil || !strings.Contains(err.Error(), "heldout") {
		t.Errorf("asked for a set that is not there: %v", err)
	}
}

// The patches beside the model are for it, say where they come from, and have one row in
// common, which cancels where both are on, as the card says.
func TestPatches(t *testing.T) {
	f, err := weights.FromBytes("demo", demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := bankai.New(f.Digest(), bankai.Meta{})
	bits := uint64(0)
	for _, embedded := range demo.Patches() {
		p, err := bankai.Read(bytes.NewReader(embedded.Data))
		if err != nil {
			t.Fatal(err)
		}
		if p, err = f.Fit(p); err != nil || p.Base() != f.Digest() {
			t.Fatalf("%s: for %v, %v", embedded.Name, p.Base(), err)
		}
		meta := p.Meta()
		if len(meta.Claims) == 0 || meta.License == "" || !strings.HasPrefix(meta.Description, embedded.Name+" of ") || !strings.Contains(meta.Command, embedded.Name+".bankai") {
			t.Errorf("%s says of itself %+v", embedded.Name, meta)
		}
		n, _ := p.Bits()
		bits += n
		if sum, err = sum.Xor(p); err != nil {
			t.Fatal(err)
		}
	}
	if n, known := sum.Bits(); !known || n != bits-2*256 {
		t.Errorf("together they flip %d bits, one by one %d", n, bits)
	}
}

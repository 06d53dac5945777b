// Package demo embeds a small true 1-bit language model with the probe files
// that go with it, so that everything can be tried without a download. CARD.md
// says what the model is, how it was trained and what it can do.
package demo

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed demo.gguf
var model []byte

//go:embed *.json *.jsonl *.txt
var files embed.FS

// Model returns the model as a GGUF file, about 0.9 MB. The slice is shared: it
// must not be written to.
func Model() []byte { return model }

//go:embed derivatives.bankai
var derivatives []byte

//go:embed integrals.bankai
var integrals []byte

// A Patch is one of the embedded patch files for the model.
type Patch struct {
	Name string
	Data []byte // of the file, in the compact form; it must not be written to
}

// Patches are patches for the model, each of which repairs one kind of problem; both
// together repair both. CARD.md says how they were found, and what they do.
func Patches() []Patch { return []Patch{{"derivatives", derivatives}, {"integrals", integrals}} }

// A Set is one of the embedded files of probes or text.
type Set struct {
	Name  string // "heldout", say
	About string // what it is for, in a few words
	file  string
}

// File is the name of the embedded file, such as heldout.json: its ending tells the
// kind.
func (s Set) File() string { return s.file }

var sets = []Set{
	{"search", "600 probes to search with", "search.json"},
	{"search_few", "120 of them, spread over the categories, for a search that has a minute", "search_few.json"},
	{"validate", "300 probes to choose between searches by", "validate.json"},
	{"heldout", "1,400 probes for the result", "heldout.json"},
	{"control", "45 facts and 5 sums that must hold while searching", "control.json"},
	{"control_few", "the first 5 of them, for a search that flips single rows at random", "control_few.json"},
	{"control_heldout", "as many that no search sees", "control_heldout.json"},
	{"text", "500 plain sentences", "text.txt"},
	{"control_text", "100 further plain sentences", "control_text.txt"},
	{"sums", "60 short sums in the form of GSM8K", "sums.jsonl"},
	{"words", "10 word problems in that form, which are beyond the model", "words.jsonl"},
	{"choices", "70 facts and sums in the form of MMLU", "choices.jsonl"},
}

// Sets lists the embedded files of probes (JSON), text (one sentence a line) and
// benchmark questions (JSONL).
// But for search_few and control_few, no prompt is in two of them.
func Sets() []Set { return append([]Set(nil), sets...) }

// Read returns the content of the set called name.
func Read(name string) ([]byte, error) {
	var names []string
	for _, s := range sets {
		if s.Name == name {
			return files.ReadFile(s.file)
		}
		names = append(names, s.Name)
	}
	return nil, fmt.Errorf("the demo has no set %q: choose one of %s", name, strings.Join(names, ", "))
}

package hub

import (
	"regexp"
	"strings"

	"bankai/internal/text"
)

// Model is a published 1-bit model, as far as it is known.
type Model struct {
	Name         string   // the short one
	Repo         string   // OWNER/REPO
	Files        []string // as published, the current name before older ones; none: all files of a folder
	Form         string   // how it is stored
	Architecture string
	Bytes        int64 // of all files; 0 if unknown
	About        bool  // Bytes is what a card or a listing says, rounded
	License      string
	Known        string // for people
	Unknown      string // what nobody could look up
}

// ternary is why ternary models are refused.
const ternary = "is a ternary model: its weights have three values, and XOR of two codes can be no code, so that no patch can exist; the 1-bit models are listed by bankai pull"

// ternaryName matches the names of the vendor's ternary models and their repositories.
var ternaryName = regexp.MustCompile(`(?i)^(ternary-bonsai-|bonsai-2-)[0-9]`)

func isTernary(name string) bool { return ternaryName.MatchString(name) }

// Models are the published 1-bit language models, the smallest first, each as GGUF, as
// an MLX folder, and as the folder of floats that people train from.
func Models() []Model { return models }

// named is the model of a short name, in whatever case.
func named(name string) (Model, bool) {
	for _, m := range models {
		if strings.EqualFold(m.Name, name) {
			return m, true
		}
	}
	return Model{}, false
}

// Similar are the short names that another name may be meant as.
func Similar(name string) []string {
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	return text.Similar(strings.ToLower(name), names)
}

const (
	vendor = "prism-ml/"
	apache = "Apache-2.0"
)

const (
	formGGUF     = "GGUF, Q1_0"
	formMLX      = "MLX, 1 bit"
	formUnpacked = "safetensors, floats"
)

const (
	knownDense  = "every matrix is 1-bit; 151,669 tokens, where the card says 151,936"
	knownTied   = knownDense + "; the head is the embedding; context 32,768"
	known8B     = knownDense + "; a head of its own; context 65,536, stretched 4 times from 16,384 (YaRN)"
	known27B    = "hybrid: 48 of 64 layers have a delta-net; 248,320 tokens; context 262,144; mmproj and drafter beside it are not taken"
	knownFloats = "every group of 128 holds only ±d: it is packed without loss, and is the same model as the GGUF file"

	unknownScaling = "whether its context is stretched (rope scaling)"
	unknown27B     = "whether the small matrices of its delta-nets are 1-bit"
	unknownVision  = unknown27B + "; how its vision tower, in the same file, is named"
	unknownFolder  = "its exact size, and whether its settings are those of the GGUF file"
)

var models = []Model{
	gguf("1.7B", "qwen3", 248_302_272, knownTied, unknownScaling),
	mlx("1.7B", "qwen3", 270_000_000, knownTied, unknownFolder),
	unpacked("1.7B", "qwen3", 3_440_000_000, unknownFolder),
	gguf("4B", "qwen3", 572_270_624, knownTied, unknownScaling),
	mlx("4B", "qwen3", 630_000_000, knownTied, unknownFolder),
	unpacked("4B", "qwen3", 0, unknownFolder),
	gguf("8B", "qwen3", 1_158_654_496, known8B, ""),
	mlx("8B", "qwen3", 1_280_000_000, known8B, unknownFolder),
	unpacked("8B", "qwen3", 16_380_000_000, unknownFolder),
	gguf("27B", "qwen35", 3_803_452_480, known27B, unknown27B),
	mlx("27B", "qwen35", 5_130_000_000, known27B, unknownVision),
	unpacked("27B", "qwen35", 0, unknownVision),
}

// gguf is a model as one file. The three small ones were first published without the
// type in the file's name.
func gguf(size, architecture string, bytes int64, known, unknown string) Model {
	m := Model{
		Name: strings.ToLower("bonsai-" + size), Repo: vendor + "Bonsai-" + size + "-gguf", Files: []string{"Bonsai-" + size + "-Q1_0.gguf"},
		Form: formGGUF, Architecture: architecture, Bytes: bytes, License: apache, Known: known, Unknown: unknown,
	}
	if architecture == "qwen3" {
		m.Files = append(m.Files, "Bonsai-"+size+".gguf")
	}
	return m
}

func mlx(size, architecture string, bytes int64, known, unknown string) Model {
	return Model{
		Name: strings.ToLower("bonsai-" + size + "-mlx"), Repo: vendor + "Bonsai-" + size + "-mlx-1bit",
		Form: formMLX, Architecture: architecture, Bytes: bytes, About: true, License: apache, Known: known, Unknown: unknown,
	}
}

func unpacked(size, architecture string, bytes int64, unknown string) Model {
	return Model{
		Name: strings.ToLower("bonsai-" + size + "-unpacked"), Repo: vendor + "Bonsai-" + size + "-unpacked",
		Form: formUnpacked, Architecture: architecture, Bytes: bytes, About: true, License: apache, Known: knownFloats, Unknown: unknown,
	}
}

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"bankai/internal/durable"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// model is a model to measure. Its weights are random: speed does not depend on
// their values.
type model struct {
	name  string
	shape testmodel.Shape
}

// models have the shapes of 1-bit Bonsai as they are published: those of Qwen3, without
// the rows of the embedding that no token has. 151,669 is odd, so that the last rows
// of the head never fill a block of a kernel. 27b/8 is an eighth of 27B, of its blocks
// and of its vocabulary, so that the head has the share of the work that it has there. Nobody
// published 0.15b: it is between the built-in model and these.
var models = map[string]model{
	"0.15b": {"0.15B", testmodel.Shape{Layers: 12, Hidden: 1024, FFN: 3072, Heads: 8, KVHeads: 4, HeadDim: 128, Vocab: 20001, Tied: true}},
	"1.7b":  {"1.7B", testmodel.Shape{Layers: 28, Hidden: 2048, FFN: 6144, Heads: 16, KVHeads: 8, HeadDim: 128, Vocab: 151669, Tied: true}},
	"8b":    {"8B", testmodel.Shape{Layers: 36, Hidden: 4096, FFN: 12288, Heads: 32, KVHeads: 8, HeadDim: 128, Vocab: 151669}},
	"27b/8": {"27B/8", bonsai27(8, 31040)},
	"27b":   {"27B", bonsai27(64, 248320)},
}

// bonsai27 is the shape of a number of blocks of Bonsai 27B: 3 of 4 have a gated delta-net.
func bonsai27(layers, vocab int) testmodel.Shape {
	return testmodel.Shape{
		Layers: layers, Hidden: 5120, FFN: 17408, Heads: 24, KVHeads: 4, HeadDim: 256, Vocab: vocab,
		Hybrid: &testmodel.Hybrid{KeyHeads: 16, ValueHeads: 48, State: 128, Rotary: 64},
	}
}

// shapeNames lists the names of all models.
func shapeNames() string { return strings.Join(slices.Sorted(maps.Keys(models)), ", ") }

// file returns the path of the model's file in dir, written if it is not there,
// and its size in bytes. Writing needs as much memory as the file has bytes.
func (m model) file(dir string) (path string, size int64, err error) {
	// The name says what older files had otherwise: the vocabulary, and what servers want.
	path = filepath.Join(dir, fmt.Sprintf("%s-%d-served.gguf", strings.ReplaceAll(m.name, "/", "-"), m.shape.Vocab))
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		progress("writing %s", path)
		if err = durable.Write(context.Background(), path, m.write); err == nil {
			info, err = os.Stat(path)
		}
		debug.FreeOSMemory() // the engines will want it
	}
	if err != nil {
		return "", 0, err
	}
	return path, info.Size(), nil
}

// write writes the model as a GGUF file that can be served: without a chat template, of
// which the published metadata have only the start here, and with tokens that have texts.
func (m model) write(f durable.File) error {
	t := testmodel.Published(m.shape, 1)
	t.Set("general.name", gguf.String("random "+m.name))
	t.Unset("tokenizer.chat_template")
	const normal, control = 1, 3
	types := slices.Repeat([]int32{normal}, m.shape.Vocab)
	types[m.shape.Vocab-2], types[m.shape.Vocab-1] = control, control
	t.Set("tokenizer.ggml.token_type", gguf.Int32s(types))
	return gguf.Write(f, t.KVs, t.Tensors)
}

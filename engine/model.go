package engine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"bankai"
	"bankai/internal/bpe"
	"bankai/internal/kernel"
	"bankai/internal/weights"
)

// Precision says how activations enter the 1-bit products.
type Precision uint8

const (
	// Fast quantises activations to int8 in groups of 32.
	Fast Precision = iota
	// Exact keeps them float32: several times slower, and the yardstick for Fast.
	Exact
)

// ParsePrecision reads "fast" or "exact".
func ParsePrecision(s string) (Precision, error) {
	for _, p := range []Precision{Fast, Exact} {
		if s == p.String() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%q is neither fast nor exact", s)
}

func (p Precision) String() string { return [...]string{"fast", "exact"}[p] }

// Options are the choices that do not change what a model says, except for
// Precision. The zero value is right for most uses.
type Options struct {
	Threads   int       // 0: as many as there are processors
	Precision Precision // of the 1-bit products
	Kernel    string    // name of a kernel set; "" picks the fastest, or BANKAI_KERNEL

	// Progress is told how many bytes of 1-bit weights are packed, of how many; may be
	// nil.
	Progress func(done, total int64)
}

// Model is a loaded model. It never changes, so that any number of batches may run at
// the same time; bits are flipped in place in a [Workbench]. Only the Model in a
// workbench changes, with what its owner does there.
type Model struct {
	file    *weights.File
	config  weights.Config
	tok     *bpe.Tokenizer
	kernel  *kernel.Set
	exact   bool
	workers workers
	rope    *rope
	// queryScale is the 1/√HeadDim that queries carry into the scores.
	queryScale float32

	matrices map[string]*kernel.Matrix

	// What only a Workbench changes, in its own Model.
	mu      sync.RWMutex    // held for reading by a running batch, for writing by the workbench
	version int             // counts the changes of bits
	edits   int             // counts those and the changes of the adapter: keys and values are then made of something else
	applied []*bankai.Patch // that are in the bits; equal ones may be there twice, and cancel out
	adapter *Adapter        // nil: none
	loaded  *Model          // that the workbench was made of; nil: this one is no workbench's

	// Of a model that computes elsewhere, too: see Through.
	elsewhere Elsewhere // nil: everything is computed here
	inner     *Model    // the same without

	gradients sync.Pool // of *gradient: their memory is large
	batches   sync.Pool // of *Batch, likewise: see ask

	// The forward pass; a matrix is [outputs, inputs].
	embedding, head *kernel.Matrix // the same matrix if tied
	outputNorm      []float32      // [Hidden]
	blocks          []block        // from the lowest: blocks[c-1] is above cut c
	cuts            map[string]Cut // below each tensor
	mixing          Cut            // below the last block that mixes tokens

	// What sequences carry from token to token: the state of no tokens, for every kind of
	// block that has one. once: the sequence lives for one pass.
	states      []func(b *Batch, once bool) state
	kvState     int // the number of the keys and values among them
	kvLayers    int // blocks that have keys and values
	deltaState  int // the number of the delta-nets' state, if there are any
	deltaLayers int // blocks that are delta-nets
}

// What a model is made of, under names that other modules can use.
type (
	File      = weights.File
	Config    = weights.Config
	Tensor    = weights.Tensor
	Tokenizer = bpe.Tokenizer
	Decoder   = bpe.Decoder
	Part      = bpe.Part
)

// Open loads a model file; see [weights.Open] for what it refuses.
func Open(path string, o Options) (*Model, error) {
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := Load(f, o)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// Load packs the weights of an open file for the kernels. The model owns f from
// then on; after an error f is still the caller's.
func Load(f *File, o Options) (*Model, error) {
	set, err := kernel.Pick(o.Kernel)
	if err != nil {
		return nil, err
	}
	m := &Model{
		file: f, config: f.Config(), tok: f.BPE(), kernel: set,
		exact: o.Precision == Exact, workers: newWorkers(o.Threads),
	}
	m.rope = newRope(m.config)
	m.queryScale = float32(1 / math.Sqrt(float64(m.config.HeadDim)))
	m.pack(o.Progress)
	return m, m.wire()
}

// packGrain is the number of tiles a worker packs at a time.
const packGrain = 64

// pack brings every 1-bit tensor into the kernels' layout.
func (m *Model) pack(progress func(done, total int64)) {
	m.matrices = map[string]*kernel.Matrix{}
	tensors := slices.DeleteFunc(m.file.Tensors(), func(t weights.Tensor) bool { return t.Kind != weights.OneBit })
	var done, total int64
	for _, t := range tensors {
		total += int64(len(t.Blocks()))
	}
	for _, t := range tensors {
		w, blocks := m.kernel.NewMatrix(t.Rows, t.Cols), t.Blocks()
		m.workers.run(w.Tiles(), packGrain, func(_, lo, hi int) { w.PackTiles(blocks, lo, hi) })
		m.matrices[t.Name] = w
		m.file.Evict() // the packed copy is what is used from here on
		if done += int64(len(blocks)); progress != nil {
			progress(done, total)
		}
	}
}

// Config is the model's shape.
func (m *Model) Config() Config { return m.config }

// Context is the most tokens that a sequence may have; 0 if there is no limit.
func (m *Model) Context() int { return m.config.Context }

// Tokenizer is the model's own.
func (m *Model) Tokenizer() *Tokenizer { return m.tok }

// Weights is the file the model was loaded from. A workbench does not change it.
func (m *Model) Weights() *File { return m.file }

// Digest identifies the model as loaded, whatever a workbench did. The first
// call reads the whole file.
func (m *Model) Digest() bankai.Digest { return m.file.Digest() }

// Kernel is the name of the kernel set in use.
func (m *Model) Kernel() string { return m.kernel.Name }

// Precision is that of the 1-bit products.
func (m *Model) Precision() Precision {
	if m.exact {
		return Exact
	}
	return Fast
}

// Threads is the number of threads a pass uses.
func (m *Model) Threads() int { return int(m.workers) }

// Close releases the file. Neither the model nor a workbench of it may be used
// afterwards.
func (m *Model) Close() error { return m.file.Close() }

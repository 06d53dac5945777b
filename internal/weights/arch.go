package weights

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Part is what a tensor is of: a sublayer of the layers, or what is below or above
// them.
type Part uint8

// The parts of a model, in the order of the forward pass.
const (
	Embedding Part = iota
	Attention
	DeltaNet
	MLP
	Head // with the norm before it
)

// String returns "embedding", "attention", "delta-net", "mlp" or "head".
func (p Part) String() string {
	return [...]string{"embedding", "attention", "delta-net", "mlp", "head"}[p]
}

// arch is an architecture that is understood. A model says its name in
// general.architecture, and the keys of its configuration begin with that name.
type arch struct {
	title   string // for people
	tensors func(Config) []TensorSpec
}

// architectures has all of them by name.
var architectures = map[string]arch{
	"qwen3":  {title: "dense Qwen3", tensors: qwen3},
	"qwen35": {title: "hybrid Qwen3.5", tensors: qwen35},
}

// TensorSpec says what a tensor of a model must be, or one in every layer that has the
// part.
type TensorSpec struct {
	Name  string // in GGUF; if it is one of layers, %d stands for the layer
	MLX   string // in an MLX folder, without ending; %d likewise
	Part  Part
	Short string // tells it from the others of the part, as "q" or "norm"
	Kind  Kind
	Rows  int
	Cols  int
}

// Tensors is the table of the tensors that a model of this configuration has, in the
// order of the forward pass.
func (c Config) Tensors() []TensorSpec { return architectures[c.Architecture].tensors(c) }

// Layered reports whether layers have such a tensor: those that have its part.
func (s TensorSpec) Layered() bool { return strings.Contains(s.Name, "%d") }

// In is the tensor's GGUF name in a layer, or its only one.
func (s TensorSpec) In(layer int) string { return inLayer(s.Name, layer) }

// Base is the GGUF name without layer and ending, as "ffn_gate" or "token_embd".
func (s TensorSpec) Base() string {
	return strings.TrimSuffix(strings.TrimPrefix(s.Name, "blk.%d."), ".weight")
}

func inLayer(name string, layer int) string {
	return strings.Replace(name, "%d", strconv.Itoa(layer), 1)
}

// Has reports whether a layer has a part: every one has an MLP, and either attention or a
// gated delta-net.
func (c Config) Has(part Part, layer int) bool {
	switch part {
	case Attention:
		return c.Delta == nil || !c.Delta.Layers[layer]
	case DeltaNet:
		return c.Delta != nil && c.Delta.Layers[layer]
	}
	return part == MLP
}

// outOfLayer takes the number of the layer out of a tensor's name, where %d then stands;
// the layer is -1 where there is none.
func outOfLayer(name string) (general string, layer int) {
	const prefix = "blk."
	number, rest, ok := strings.Cut(strings.TrimPrefix(name, prefix), ".")
	layer, err := strconv.Atoi(number)
	if general = prefix + "%d." + rest; !ok || err != nil || layer < 0 || inLayer(general, layer) != name {
		return name, -1
	}
	return general, layer
}

// spec is the specification of a tensor by its whole GGUF name; ok is false for a name
// that the model has no tensor of.
func (c Config) spec(name string) (s TensorSpec, ok bool) {
	general, layer := outOfLayer(name)
	list := c.Tensors()
	i := slices.IndexFunc(list, func(s TensorSpec) bool {
		return s.Name == general && s.Layered() == (layer >= 0) && (layer < 0 || layer < c.Layers && c.Has(s.Part, layer))
	})
	if i < 0 {
		return TensorSpec{}, false
	}
	return list[i], true
}

// Find returns the specification of a part's tensor by its short name. It panics if
// the architecture has none.
func (c Config) Find(part Part, short string) TensorSpec {
	list := c.Tensors()
	i := slices.IndexFunc(list, func(s TensorSpec) bool { return s.Part == part && s.Short == short })
	if i < 0 {
		panic(fmt.Sprintf("weights: %s has no tensor %s in its %v", c.Architecture, short, part))
	}
	return list[i]
}

// Projections are the 1-bit matrices of the layers, in the order of the forward pass,
// without their sizes: those of all architectures, because options are read before the
// model is.
func Projections() (list []TensorSpec) {
	for _, name := range slices.Sorted(maps.Keys(architectures)) {
		for _, s := range architectures[name].tensors(Config{}) {
			known := slices.ContainsFunc(list, func(k TensorSpec) bool { return k.Name == s.Name })
			if s.Kind == OneBit && s.Layered() && !known {
				list = append(list, s)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b TensorSpec) int { return cmp.Compare(a.Part, b.Part) })
	return list
}

// ProjectionOf is the projection of a layer that a tensor's GGUF name is that of, in
// whatever architecture; ok is false for every other tensor.
func ProjectionOf(tensor string) (layer int, p TensorSpec, ok bool) {
	general, layer := outOfLayer(tensor)
	list := Projections()
	i := slices.IndexFunc(list, func(s TensorSpec) bool { return s.Name == general })
	if i < 0 || layer < 0 {
		return 0, TensorSpec{}, false
	}
	return layer, list[i], true
}

// shape is what one tensor of a model must look like.
type shape struct {
	name, mlx  string // without ending in MLX
	kind       Kind
	rows, cols int
}

// shapes lists all tensors, first those that belong to no layer. A damaged file may
// claim millions of layers, so they are made one by one.
func (c Config) shapes() iter.Seq[shape] {
	return func(yield func(shape) bool) {
		list := c.Tensors()
		send := func(layered bool, layer int) bool {
			for _, s := range list {
				if s.Layered() == layered && (!layered || c.Has(s.Part, layer)) && !yield(shape{s.In(layer), inLayer(s.MLX, layer), s.Kind, s.Rows, s.Cols}) {
					return false
				}
			}
			return true
		}
		if !send(false, 0) {
			return
		}
		for l := range c.Layers {
			if !send(true, l) {
				return
			}
		}
	}
}

// notPart refuses a tensor that the model of a configuration does not have.
func (c Config) notPart(name string) error {
	return fmt.Errorf("tensor %q is not part of a %s model of %d layers%s", name, architectures[c.Architecture].title, c.Layers, c.fusedAttention(name))
}

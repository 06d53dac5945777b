package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/evaluate"
	"bankai/internal/rng"
	"bankai/probe"
)

// OrderCheck is what became of the logits, bit for bit, where patches were
// applied in place in several orders and taken off in several.
type OrderCheck struct {
	Orders    int  `json:"orders"`     // that were tried
	AllOrders bool `json:"all_orders"` // there are no others
	Probes    int  `json:"probes"`     // that were asked
	Logits    int  `json:"logits"`     // that were compared, each time
	Differ    int  `json:"differ"`     // orders of applying that gave other bits than the first
	NotBack   int  `json:"not_back"`   // orders of taking off after which the base's bits did not come back
	Overlay   bool `json:"overlay"`    // the XOR as an overlay gives the bits of the patches in place
}

// orderBits identifies logits: on is with the patches, off without. Without an
// order, on is that of an overlay.
type orderBits struct {
	On     string `json:"on"`
	Off    string `json:"off"`
	Logits int    `json:"logits"`
}

// Limits of the check.
const (
	allOrdersOf = 4  // of so many patches every order is tried
	someOrders  = 24 // of more, so many
	orderProbes = 8  // that are asked, evenly spread over the sets
)

// ordering checks orders on a workbench.
type ordering struct {
	model   *engine.Workbench
	patches []*bankai.Patch
	orders  [][]int
	probes  probe.Set
}

func newOrdering(r *Run, patches []*bankai.Patch, sets []evaluate.Named) *ordering {
	var all probe.Set
	for _, s := range sets {
		all = append(all, s.Set...)
	}
	o := &ordering{model: r.Model.Workbench(), patches: patches, orders: orders(len(patches), r.Seed)}
	n := min(orderProbes, len(all))
	for i := range n {
		o.probes = append(o.probes, all[i*len(all)/n])
	}
	return o
}

// orders are all orders of n things, or of more than a few, different random ones
// after the first.
func orders(n int, seed uint64) [][]int {
	if n <= allOrdersOf {
		return permutations(allOf(n))
	}
	random := rng.New(seed, "orders\x00\x01")
	all := [][]int{allOf(n)}
	for len(all) < someOrders {
		order := random.Perm(n)
		if !slices.ContainsFunc(all, func(o []int) bool { return slices.Equal(o, order) }) {
			all = append(all, order)
		}
	}
	return all
}

// permutations are in lexical order.
func permutations(of []int) (all [][]int) {
	if len(of) == 0 {
		return [][]int{nil}
	}
	for i, first := range of {
		for _, rest := range permutations(slices.Delete(slices.Clone(of), i, i+1)) {
			all = append(all, append([]int{first}, rest...))
		}
	}
	return all
}

// jobs are one for each order, and one for the patches as an overlay.
func (o *ordering) jobs() []job {
	jobs := []job{{o.key(nil), func(ctx context.Context) (piece, error) {
		bits, err := o.overlay(ctx)
		return piece{Bits: bits}, err
	}}}
	for _, order := range o.orders {
		jobs = append(jobs, job{o.key(order), func(ctx context.Context) (piece, error) {
			bits, err := o.try(ctx, order)
			return piece{Bits: bits}, err
		}})
	}
	return jobs
}

// key names an order by the content of the patches.
func (o *ordering) key(order []int) string {
	h := sha256.New()
	for _, i := range order {
		d := o.patches[i].ContentDigest()
		h.Write(d[:])
	}
	what := fmt.Sprintf("order %v", order)
	if order == nil {
		what = "overlay"
		for _, p := range o.patches {
			d := p.ContentDigest()
			h.Write(d[:])
		}
	}
	return fmt.Sprintf("%s %.8x, %d probes %.8x", what, h.Sum(nil), len(o.probes), setDigest(o.probes))
}

// overlay asks the model as it is, and with all patches as one overlay.
func (o *ordering) overlay(ctx context.Context) (*orderBits, error) {
	sum, err := xorOf(o.model.Model, o.patches...)
	if err != nil {
		return nil, err
	}
	overlay, err := o.model.Overlay(sum)
	if err != nil {
		return nil, err
	}
	bits := &orderBits{}
	if bits.On, bits.Logits, err = o.logits(ctx, overlay); err != nil {
		return nil, err
	}
	bits.Off, _, err = o.logits(ctx, nil)
	return bits, err
}

// try applies the patches in an order and takes them off in the same one, which
// is not how a stack of things is undone.
func (o *ordering) try(ctx context.Context, order []int) (*orderBits, error) {
	bits := &orderBits{}
	err := inPlace(o.model, o.patches, order, func() (err error) {
		bits.On, bits.Logits, err = o.logits(ctx, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	bits.Off, _, err = o.logits(ctx, nil)
	return bits, err
}

// logits are those of every token of the probes and their right answers, as a
// digest of their bits and a number.
func (o *ordering) logits(ctx context.Context, overlay *engine.Overlay) (string, int, error) {
	h, n := sha256.New(), 0
	var four [4]byte
	for _, p := range o.probes {
		b := o.model.NewBatch(0)
		seq := b.NewSeq(overlay)
		ids := o.model.Tokenizer().Encode(p.Prompt + p.Correct)
		err := b.Each(ctx, []engine.Input{{Seq: seq, Tokens: ids, Logits: len(ids)}}, func(_, _ int, logits []float32) {
			n += len(logits)
			for _, x := range logits {
				binary.LittleEndian.PutUint32(four[:], math.Float32bits(x))
				h.Write(four[:])
			}
		})
		seq.Release()
		if err != nil {
			return "", 0, err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// check compares the bits of all orders.
func (o *ordering) check(done map[string]piece) OrderCheck {
	plain := done[o.key(nil)].Bits
	first := done[o.key(o.orders[0])].Bits
	c := OrderCheck{
		Orders: len(o.orders), AllOrders: len(o.patches) <= allOrdersOf, Probes: len(o.probes),
		Logits: first.Logits, Overlay: plain.On == first.On,
	}
	for _, order := range o.orders {
		bits := done[o.key(order)].Bits
		c.Differ += one(bits.On != first.On)
		c.NotBack += one(bits.Off != plain.Off)
	}
	return c
}

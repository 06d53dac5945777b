package experiment

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/chart"
	"bankai/internal/report"
	"bankai/internal/rng"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
)

// Stack is what patches do alone, in pairs and all together.
type Stack struct {
	report.About
	Sets         []StackSet     `json:"sets"`
	Patches      []PatchSize    `json:"patches"`
	Combinations []Combination  `json:"combinations"` // each alone, every pair, all
	Overlaps     []Overlap      `json:"overlaps"`     // of every pair, then of all
	Orders       OrderCheck     `json:"orders"`
	Interference []Interference `json:"interference"` // of every pair, then of all
	Probes       []Interfered   `json:"probes"`       // by how far they interfere, farthest first
	Generated    Generated      `json:"generated"`
}

// StackSet is a set of questions.
type StackSet struct {
	Name   string `json:"name"`
	Probes int    `json:"probes"`
	Before int    `json:"before"` // right answers of the model as it is
}

// Combination is one or more of the patches at once. Its p-value is adjusted
// for the number of combinations.
type Combination struct {
	Members []int  `json:"members"` // indices of Stack.Patches, ascending
	Name    string `json:"name"`
	Bits    uint64 `json:"bits"`  // inverted bits; a bit that two of the patches invert stays as it was
	Right   []int  `json:"right"` // answers in each set
	AnswerChange
}

// StackOptions choose the patches and the questions.
type StackOptions struct {
	Patches []NamedPatch    // two at least
	Probes  []measure.Named // one at least, no prompt in two of them
}

// MeasureStack lets the model answer under every combination, and checks on some
// probes that neither the order in which patches are applied nor that in which
// they are taken off changes a bit of the logits.
func MeasureStack(ctx context.Context, r *Run, o StackOptions) (*Stack, error) {
	patches, sizes, err := fitPatches(r.Model, o.Patches, 2)
	if err != nil {
		return nil, err
	}
	for i, p := range sizes {
		for _, q := range sizes[:i] {
			if p.Digest == q.Digest {
				return nil, fmt.Errorf("%s: flips what %s flips, so that both together do nothing: give one of them", p.Name, q.Name)
			}
		}
	}
	if err := checkSets(ctx, r.Model, o.Probes); err != nil {
		return nil, err
	}
	s := &Stack{Patches: sizes, Generated: Generated{By: []string{Base}}}
	a := answering{r.Model, []*bankai.Patch{noPatch(r.Model)}, o.Probes}
	for _, members := range combinations(len(patches)) {
		p, err := s.combine(r.Model, patches, members)
		if err != nil {
			return nil, err
		}
		a.patches = append(a.patches, p)
	}
	if s.Overlaps, err = overlaps(r.Model, patches); err != nil {
		return nil, err
	}
	orders := newOrdering(r, patches, o.Probes)
	done, err := doJobs(ctx, r, 1, append(a.jobs(), orders.jobs()...))
	if err != nil {
		return nil, err
	}
	s.answer(o.Probes, a.collect(done))
	s.Orders = orders.check(done)
	return s, nil
}

// combinations are every one of n, every pair, and, of three or more, all.
func combinations(n int) (all [][]int) {
	for i := range n {
		all = append(all, []int{i})
	}
	all = append(all, pairs(n)...)
	if n > 2 {
		all = append(all, allOf(n))
	}
	return all
}

// pairs are every two of n.
func pairs(n int) (all [][]int) {
	for i := range n {
		for j := i + 1; j < n; j++ {
			all = append(all, []int{i, j})
		}
	}
	return all
}

// combine adds a combination and returns its patch.
func (s *Stack) combine(m *engine.Model, patches []*bankai.Patch, members []int) (*bankai.Patch, error) {
	var some []*bankai.Patch
	var names []string
	for _, i := range members {
		some, names = append(some, patches[i]), append(names, s.Patches[i].Name)
	}
	p, err := xorOf(m, some...)
	if err != nil {
		return nil, err
	}
	c := Combination{Members: members, Name: strings.Join(names, " ^ ")}
	c.Bits, _ = p.Bits()
	s.Combinations = append(s.Combinations, c)
	s.Generated.By = append(s.Generated.By, c.Name)
	return p, nil
}

// answer sums up what each combination answered: by patch, the base first, and
// by set.
func (s *Stack) answer(sets []measure.Named, got [][]*measure.Measurement) {
	var whole []*measure.Measurement
	for _, parts := range got {
		whole = append(whole, joined(parts))
	}
	for k, set := range sets {
		var by []*measure.Measurement
		for _, parts := range got {
			by = append(by, parts[k])
		}
		s.Sets = append(s.Sets, StackSet{set.Name, len(set.Set), rightOf(by[0])})
		for i := range s.Combinations {
			s.Combinations[i].Right = append(s.Combinations[i].Right, rightOf(by[i+1]))
		}
		s.Generated.keep(set, by)
	}
	var tests []*McNemar
	for i := range s.Combinations {
		c := &s.Combinations[i]
		c.AnswerChange = changeOf(whole[0], whole[i+1], allOf(len(whole[0].Right)))
		tests = append(tests, &c.McNemar)
	}
	AdjustHolm(tests)
	s.interfere(whole)
}

func rightOf(m *measure.Measurement) (n int) {
	for _, right := range m.Right {
		n += one(right)
	}
	return n
}

// Texts implements Rescorable.
func (s *Stack) Texts() Generated { return s.Generated }

// Overlap is how far patches invert the same bits.
type Overlap struct {
	Members []int  `json:"members"`
	Shared  uint64 `json:"shared"` // bits that two or more of them invert
	Union   uint64 `json:"union"`  // bits that at least one inverts
	Bits    uint64 `json:"bits"`   // bits that all of them together invert
}

// overlaps are those of every pair and, of three or more patches, of all.
func overlaps(m *engine.Model, patches []*bankai.Patch) (all []Overlap, err error) {
	for _, members := range combinations(len(patches))[len(patches):] {
		o := Overlap{Members: members}
		var some []*bankai.Patch
		for _, i := range members {
			some = append(some, patches[i])
		}
		if o.Union, err = coveredBits(m, 1, some...); err != nil {
			return nil, err
		}
		if o.Shared, err = coveredBits(m, 2, some...); err != nil {
			return nil, err
		}
		sum, err := xorOf(m, some...)
		if err != nil {
			return nil, err
		}
		o.Bits, _ = sum.Bits()
		all = append(all, o)
	}
	return all, nil
}

// Interference is how far patches together do something else than each does
// alone: of every probe, the gain of seq_logprob together less the sum of the
// gains alone.
type Interference struct {
	Members    []int           `json:"members"`
	Mean       report.Estimate `json:"mean"`        // nats
	FixedAlone int             `json:"fixed_alone"` // wrong answers that at least one fixes alone
	Lost       int             `json:"lost"`        // answers that one fixes alone, and that are wrong together
	FixedJoint int             `json:"fixed_joint"` // wrong answers fixed together that none fixes alone
	BrokeJoint int             `json:"broke_joint"` // right answers broken together that none breaks alone
}

// Interfered is one probe under all patches together.
type Interfered struct {
	Set          string  `json:"set"`
	Name         string  `json:"name"`
	Prompt       string  `json:"prompt"`
	Sum          float64 `json:"sum"`          // of the gains alone, nats
	Together     float64 `json:"together"`     // gain
	Interference float64 `json:"interference"` // Together − Sum
}

// interfere compares together with alone. The measurements are those of the
// base and of each combination.
func (s *Stack) interfere(by []*measure.Measurement) {
	n := len(s.Patches)
	for c, combination := range s.Combinations[n:] {
		together := by[1+n+c]
		i := Interference{Members: combination.Members}
		var values []float64
		for k := range by[0].Right {
			sum, fixed, broke := alone(by, combination.Members, k)
			values = append(values, together.SeqLogprob[k]-by[0].SeqLogprob[k]-sum)
			was, is := by[0].Right[k], together.Right[k]
			i.FixedAlone += one(fixed)
			i.Lost += one(fixed && !is)
			i.FixedJoint += one(!was && is && !fixed)
			i.BrokeJoint += one(was && !is && !broke)
		}
		i.Mean = report.MeanOf(values)
		s.Interference = append(s.Interference, i)
	}
	last := len(by) - 1 // all together
	for k, g := range s.Generated.Answers {
		sum, _, _ := alone(by, allOf(n), k)
		together := by[last].SeqLogprob[k] - by[0].SeqLogprob[k]
		s.Probes = append(s.Probes, Interfered{g.Set, g.Name, g.Prompt, sum, together, together - sum})
	}
	slices.SortStableFunc(s.Probes, func(a, b Interfered) int {
		return cmp.Compare(math.Abs(b.Interference), math.Abs(a.Interference))
	})
}

// alone is what some patches do to a probe, each alone: the sum of their gains,
// and whether one of them fixes or breaks the answer.
func alone(by []*measure.Measurement, members []int, probe int) (sum float64, fixed, broke bool) {
	was := by[0]
	for _, m := range members {
		is := by[1+m]
		sum += is.SeqLogprob[probe] - was.SeqLogprob[probe]
		fixed = fixed || is.Right[probe] && !was.Right[probe]
		broke = broke || was.Right[probe] && !is.Right[probe]
	}
	return sum, fixed, broke
}

// OrderCheck is what became of the logits, bit for bit, where patches were
// applied in place in several orders and taken off in several.
type OrderCheck struct {
	Orders    int  `json:"orders"`     // orders that were tried
	AllOrders bool `json:"all_orders"` // every order of the patches was tried
	Probes    int  `json:"probes"`     // probes that were asked
	Logits    int  `json:"logits"`     // logits that were compared for each order
	Differ    int  `json:"differ"`     // orders of applying that gave other bits than the first
	NotBack   int  `json:"not_back"`   // orders of taking off after which the base's bits did not come back
	Overlay   bool `json:"overlay"`    // the XOR as an overlay gives the bits of the patches in place
}

// orderBits identifies logits: On with the patches, Off without them. On is that of an
// overlay where there is no order.
type orderBits struct {
	On     string `json:"on"`
	Off    string `json:"off"`
	Logits int    `json:"logits"`
}

// Limits of the check.
const (
	allOrdersOf = 4  // up to this number of patches, every order is tried
	someOrders  = 24 // orders that are tried of more patches
	orderProbes = 8  // probes that are asked, evenly spread over the sets
)

// ordering checks orders on a workbench.
type ordering struct {
	model   *engine.Workbench
	patches []*bankai.Patch
	orders  [][]int
	probes  probe.Set
}

func newOrdering(r *Run, patches []*bankai.Patch, sets []measure.Named) *ordering {
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

// Present implements Result.
func (s *Stack) Present() *report.Presentation {
	out := &report.Presentation{
		Title: "Patches stacked",
		Purpose: "What patches do alone and together. In the published record (experiment 7) two patches gave the same model in either order and came off again without a trace, and their gains partly cancelled. " +
			"Interference is the gain of seq_logprob together less the sum of the gains alone: below 0 the patches are in each other's way, 0 would be independence.",
		Findings: []string{s.Orders.sentence()},
		Tables:   []report.Table{s.combinationTable(), s.overlapTable(), s.interferenceTable(), s.probeTable()},
		Charts:   s.charts(),
		Notes: []string{fmt.Sprintf("%d probes, greedy generations, against the base. p is McNemar's exact test, two-sided; p (Holm) is adjusted for the %d combinations. "+
			"Shares have Wilson's interval; gains and interference, in nats, Student's over the probes, each for itself, not corrected for their number.", s.Combinations[0].Total, len(s.Combinations))},
	}
	for _, c := range s.Combinations {
		out.Findings = append(out.Findings, fmt.Sprintf("%s: %d of %d right, base %d: %d fixed, %d broke, p (Holm) = %s: %s.",
			c.Name, c.After, c.Total, c.Before, c.Fixed, c.Broke, text.Probability(c.Holm), c.verdict()))
	}
	if o := s.Overlaps[len(s.Overlaps)-1]; o.Shared > 0 {
		out.Findings = append(out.Findings, fmt.Sprintf("%s bits are inverted by more than one patch; two of them cancel there.", text.Thousands(int64(o.Shared))))
	}
	all := s.Interference[len(s.Interference)-1]
	out.Findings = append(out.Findings, all.sentence(s.name(all.Members)))
	return out
}

// name of a combination.
func (s *Stack) name(members []int) string {
	name := s.Patches[members[0]].Name
	for _, i := range members[1:] {
		name += " ^ " + s.Patches[i].Name
	}
	return name
}

func (c OrderCheck) sentence() string {
	orders := fmt.Sprintf("%d of the orders", c.Orders)
	if c.AllOrders {
		orders = fmt.Sprintf("all %d orders", c.Orders)
	}
	text := fmt.Sprintf("Applied in place in %s, the patches gave the same bits of %s logits on %d probes", orders, text.Thousands(int64(c.Logits)), c.Probes)
	if c.Differ > 0 {
		text = fmt.Sprintf("Applied in place in %s, the patches gave other bits than the first order in %d", orders, c.Differ)
	}
	if c.NotBack > 0 {
		text += fmt.Sprintf("; taken off, the base's bits did not come back in %d", c.NotBack)
	} else {
		text += "; taken off in the same order, not the reverse, the base's bits came back each time"
	}
	if !c.Overlay {
		return text + ". As an overlay they gave other bits."
	}
	return text + ". As an overlay they gave the same bits, too."
}

func (i Interference) sentence(name string) string {
	verdict := "no evidence of interference"
	switch {
	case i.Mean.High < 0:
		verdict = "together they gain less than the sum of what they gain alone"
	case i.Mean.Low > 0:
		verdict = "together they gain more than the sum of what they gain alone"
	}
	return fmt.Sprintf("%s: mean interference %s nats: %s. Of %s fixed alone, %d are lost together; %d are fixed and %d broken only together.",
		name, report.CellText(i.Mean), verdict, text.Plural(i.FixedAlone, "answer", "answers"), i.Lost, i.FixedJoint, i.BrokeJoint)
}

func (s *Stack) combinationTable() report.Table {
	t := report.Table{Name: "stack", Caption: "Alone and together", Columns: []string{"patches", "bits"}}
	row := []any{Base, 0}
	for _, set := range s.Sets {
		t.Columns = append(t.Columns, "right of "+set.Name)
		row = append(row, set.Before)
	}
	t.Columns = append(t.Columns, "share", "fixed", "broke", "p", "p (Holm)", "gain, nats")
	t.Rows = [][]any{append(row, s.Combinations[0].ShareBefore, nil, nil, nil, nil, nil)}
	for _, c := range s.Combinations {
		row := []any{c.Name, int(c.Bits)}
		for _, right := range c.Right {
			row = append(row, right)
		}
		t.Rows = append(t.Rows, append(row, c.ShareAfter, c.Fixed, c.Broke, report.PValue(c.PValue), report.PValue(c.Holm), c.Gain))
	}
	return t
}

func (s *Stack) overlapTable() report.Table {
	t := report.Table{Name: "stack-overlap", Caption: "Inverted bits", Columns: []string{"patches", "flips", "shared bits", "bits of the union", "bits together"}}
	for _, p := range s.Patches {
		t.Rows = append(t.Rows, []any{p.Name, p.Flips, nil, int(p.Bits), int(p.Bits)})
	}
	for _, o := range s.Overlaps {
		t.Rows = append(t.Rows, []any{s.name(o.Members), nil, int(o.Shared), int(o.Union), int(o.Bits)})
	}
	return t
}

func (s *Stack) interferenceTable() report.Table {
	t := report.Table{
		Name: "stack-interference", Caption: "Interference",
		Columns: []string{"patches", "mean, nats", "fixed alone", "of those lost together", "fixed only together", "broke only together"},
	}
	for _, i := range s.Interference {
		t.Rows = append(t.Rows, []any{s.name(i.Members), i.Mean, i.FixedAlone, i.Lost, i.FixedJoint, i.BrokeJoint})
	}
	return t
}

func (s *Stack) probeTable() report.Table {
	t := report.Table{
		Name: "stack-probes", Caption: "Probes by interference, all patches together, nats", Brief: 10,
		Columns: []string{"set", "probe", "prompt", "sum alone", "together", "interference"},
	}
	for _, p := range s.Probes {
		t.Rows = append(t.Rows, []any{p.Set, p.Name, p.Prompt, p.Sum, p.Together, p.Interference})
	}
	return t
}

// charts draws two matrices, one row and column a patch.
func (s *Stack) charts() []chart.Chart {
	n := len(s.Patches)
	var names []string
	for _, p := range s.Patches {
		names = append(names, p.Name)
	}
	right := &chart.Heat{Title: "right answers, alone on the diagonal", Rows: names, Cols: names, Values: matrix(n)}
	right.Text = make([][]string, n)
	for i := range right.Text {
		right.Text[i] = make([]string, n)
	}
	apart := &chart.Heat{Title: "interference, nats", Rows: names, Cols: names, Values: matrix(n), Diverging: true}
	set := func(m [][]float64, members []int, value float64) {
		a, b := members[0], members[len(members)-1]
		m[a][b], m[b][a] = value, value
	}
	for _, c := range s.Combinations[:n+n*(n-1)/2] {
		set(right.Values, c.Members, float64(c.After))
		a, b := c.Members[0], c.Members[len(c.Members)-1]
		right.Text[a][b] = text.Thousands(int64(c.After))
		right.Text[b][a] = right.Text[a][b]
	}
	for _, i := range s.Interference[:n*(n-1)/2] {
		set(apart.Values, i.Members, i.Mean.Value)
	}
	return []chart.Chart{{
		Name: "stack", Title: "Patches in pairs", Columns: 2, Width: 760, Panels: []chart.Panel{right, apart},
		Alt: "Right answers, and mean interference of the gains, with every two of the patches.",
	}}
}

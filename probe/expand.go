package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Expansion is what templates made, and what became of the other combinations.
type Expansion struct {
	Set        Set // in the order of templates and combinations
	Unfit      int // combinations that where excludes
	NotWhole   int // combinations for which a division or power has no whole result
	Duplicates int // combinations that ask what another asks, with the same right answer
}

// made is a probe and the combination it was made of.
type made struct {
	Probe
	of     *Template
	index  uint64   // of the combination
	digits []uint64 // for each variable, the index of its value
}

// Expand makes the probes of all combinations of the templates' values or, if n
// is above 0, a sample of n drawn without replacement: as many of each template,
// as far as it goes, and of each value of its variables about as many. Equal
// arguments give equal sets. Wrong is empty in probes of templates that have none.
//
// One prompt with two right answers is an error. Now and then progress, unless nil,
// is told how many probes of a sample there are, or how many of all combinations
// were looked at.
func Expand(ctx context.Context, templates []Template, n int, seed uint64, progress func(done int)) (*Expansion, error) {
	x := &expander{ctx: ctx, progress: progress, sampling: n > 0, prompts: map[string]int{}}
	var err error
	if x.sampling {
		err = x.sample(templates, n, seed)
	} else {
		err = x.all(templates)
	}
	if err != nil {
		return nil, err
	}
	if len(x.list) == 0 {
		return nil, fmt.Errorf("the templates make no probe: %d combinations do not fit \"where\" and %d have no whole result", x.out.Unfit, x.out.NotWhole)
	}
	slices.SortFunc(x.list, func(a, b made) int {
		return cmp.Or(cmp.Compare(a.of.number, b.of.number), cmp.Compare(a.index, b.index))
	})
	for _, m := range x.list {
		x.out.Set = append(x.out.Set, m.Probe)
	}
	x.out.Set.Distinguish()
	return &x.out, nil
}

// Distinguish makes names distinct by a number behind those that are not.
func (s Set) Distinguish() {
	taken := map[string]bool{}
	for i := range s {
		name := s[i].Name
		for n := 2; taken[s[i].Name]; n++ {
			s[i].Name = fmt.Sprintf("%s_%d", name, n)
		}
		taken[s[i].Name] = true
	}
}

// expander is an expansion in progress.
type expander struct {
	ctx      context.Context
	progress func(int)
	sampling bool
	tried    int // combinations
	size     int // of the file that the probes make, about, in bytes
	list     []made
	prompts  map[string]int // index into list
	out      Expansion
}

// maxTried bounds the combinations that are gone through one by one, which takes
// a minute or two.
const maxTried = 100_000_000

func (x *expander) all(templates []Template) error {
	total := uint64(0)
	for _, t := range templates {
		if total += min(t.count, maxTried+1); total > maxTried {
			return fmt.Errorf("more than %d combinations: draw a sample with -n", maxTried)
		}
	}
	for i := range templates {
		t := &templates[i]
		for index := range t.count {
			m, ok, err := x.make(t, index)
			if err == nil && ok {
				_, err = x.add(m)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// sample takes one probe of each template in turn.
func (x *expander) sample(templates []Template, n int, seed uint64) error {
	var draws []*draw
	for i := range templates {
		draws = append(draws, newDraw(&templates[i], seed))
	}
	for len(draws) > 0 && len(x.list) < n {
		going := draws[:0]
		for _, d := range draws {
			if len(x.list) == n {
				break
			}
			more, err := x.addNext(d)
			if err != nil {
				return err
			}
			if more {
				going = append(going, d)
			}
		}
		draws = going
	}
	return nil
}

// addNext adds one probe of a draw, unless it has no more.
func (x *expander) addNext(d *draw) (bool, error) {
	for {
		m, ok, err := d.next(x)
		if err != nil || !ok {
			return false, err
		}
		if added, err := x.add(m); added || err != nil {
			return added, err
		}
	}
}

// make fills a template with the values of one combination. ok is false if it
// makes no probe.
func (x *expander) make(t *Template, index uint64) (m made, ok bool, err error) {
	if x.tried++; x.tried%4096 == 0 {
		if err := x.ctx.Err(); err != nil {
			return m, false, err
		}
		if x.progress != nil {
			x.progress(x.done())
		}
	}
	m = made{of: t, index: index, digits: t.digits(index)}
	vars := m.values()
	fits, err := t.fits(vars)
	if err == nil && !fits {
		x.out.Unfit++
		return m, false, nil
	}
	if err == nil {
		err = m.fill(vars)
	}
	if errors.Is(err, errNotWhole) {
		x.out.NotWhole++
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("%s: %w", m.origin(), err)
	}
	return m, true, nil
}

func (x *expander) done() int {
	if x.sampling {
		return len(x.list)
	}
	return x.tried
}

// digits are the indices of the values in a combination; the last variable
// changes fastest.
func (t *Template) digits(index uint64) []uint64 {
	d := make([]uint64, len(t.vars))
	for i, v := range slices.Backward(t.vars) {
		d[i] = index % v.count
		index /= v.count
	}
	return d
}

func (m *made) values() []value {
	vars := make([]value, len(m.digits))
	for i, d := range m.digits {
		vars[i] = m.of.vars[i].at(d)
	}
	return vars
}

func (t *Template) fits(vars []value) (bool, error) {
	if t.where == nil {
		return true, nil
	}
	v, err := t.where.eval(vars)
	return v.b, inField("where", err)
}

// fill makes the probe's texts.
func (m *made) fill(vars []value) error {
	for i, text := range []*string{&m.Prompt, &m.Correct, &m.Wrong, &m.Name, &m.Category} {
		filled, err := m.of.fields[i].fill(vars)
		if err != nil {
			return inField(templateKeys[i], err)
		}
		if m.of.fields[i] != nil && strings.TrimSpace(filled) == "" {
			return fmt.Errorf("%q comes out empty", templateKeys[i])
		}
		*text = filled
	}
	for _, p := range m.of.others {
		filled, err := p.fill(vars)
		if err != nil {
			return inField("alternates", err)
		}
		if strings.TrimSpace(filled) == "" {
			return fmt.Errorf("an entry of %q comes out empty", "alternates")
		}
		m.Alternates = append(m.Alternates, filled)
	}
	if m.Name == "" {
		m.Name = m.autoName(vars)
	}
	return nil
}

// inField says where a mistake is that only some values show.
func inField(key string, err error) error {
	if f := (*fault)(nil); errors.As(err, &f) {
		return fmt.Errorf("%q, character %d: %w", key, f.char, err)
	}
	return err
}

// autoName is the category, or the template's number, and the values.
func (m *made) autoName(vars []value) string {
	words := []string{m.Category}
	if m.Category == "" {
		words[0] = fmt.Sprintf("t%d", m.of.number)
	}
	for i, v := range vars {
		words = append(words, v.format(m.of.vars[i].kind))
	}
	return strings.Join(words, "_")
}

// origin says what a probe was made of, for an error.
func (m *made) origin() string {
	var b strings.Builder
	fmt.Fprintf(&b, "template %d", m.of.number)
	join := " with "
	for i, v := range m.values() {
		fmt.Fprintf(&b, "%s%s = %s", join, m.of.vars[i].name, clip(v.format(m.of.vars[i].kind)))
		join = ", "
	}
	return b.String()
}

// overhead is what a file has around a probe's texts, in bytes.
const overhead = 100

// add keeps a probe whose prompt is new.
func (x *expander) add(m made) (bool, error) {
	if i, seen := x.prompts[m.Prompt]; seen {
		first := x.list[i]
		if !first.Agrees(m.Probe) {
			return false, fmt.Errorf("%s: the answer to %q is %q, but %q in %s: put what it depends on into the prompt, or exclude one with \"where\"",
				m.origin(), m.Prompt, m.Correct, first.Correct, first.origin())
		}
		x.out.Duplicates++
		return false, nil
	}
	x.size += overhead
	for _, s := range append(m.Spellings(), m.Prompt, m.Wrong, m.Name, m.Category) {
		if strings.ContainsRune(s, utf8.RuneError) {
			return false, fmt.Errorf("%s: has a character that was lost in a conversion (U+FFFD)", m.origin())
		}
		x.size += len(s)
	}
	if x.size > maxSize {
		return false, fmt.Errorf("more than %d MiB of probes, as much as a probe file may hold: draw a sample of the combinations with -n", maxSize>>20)
	}
	x.prompts[m.Prompt] = len(x.list)
	x.list = append(x.list, m)
	return true, nil
}

package experiment

import (
	"fmt"

	"bankai/internal/chart"
	"bankai/internal/text"
)

// Present implements Result.
func (s *Stack) Present() *Presentation {
	out := &Presentation{
		Title: "Patches stacked",
		Purpose: "What patches do alone and together. In the published record (experiment 7) two patches gave the same model in either order and came off again without a trace, and their gains partly cancelled. " +
			"Interference is the gain of seq_logprob together less the sum of the gains alone: below 0 the patches are in each other's way, 0 would be independence.",
		Findings: []string{s.Orders.sentence()},
		Tables:   []Table{s.combinationTable(), s.overlapTable(), s.interferenceTable(), s.probeTable()},
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
		name, CellText(i.Mean), verdict, text.Plural(i.FixedAlone, "answer", "answers"), i.Lost, i.FixedJoint, i.BrokeJoint)
}

func (s *Stack) combinationTable() Table {
	t := Table{Name: "stack", Caption: "Alone and together", Columns: []string{"patches", "bits"}}
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
		t.Rows = append(t.Rows, append(row, c.ShareAfter, c.Fixed, c.Broke, P(c.PValue), P(c.Holm), c.Gain))
	}
	return t
}

func (s *Stack) overlapTable() Table {
	t := Table{Name: "stack-overlap", Caption: "Inverted bits", Columns: []string{"patches", "flips", "shared bits", "bits of the union", "bits together"}}
	for _, p := range s.Patches {
		t.Rows = append(t.Rows, []any{p.Name, p.Flips, nil, int(p.Bits), int(p.Bits)})
	}
	for _, o := range s.Overlaps {
		t.Rows = append(t.Rows, []any{s.name(o.Members), nil, int(o.Shared), int(o.Union), int(o.Bits)})
	}
	return t
}

func (s *Stack) interferenceTable() Table {
	t := Table{
		Name: "stack-interference", Caption: "Interference",
		Columns: []string{"patches", "mean, nats", "fixed alone", "of those lost together", "fixed only together", "broke only together"},
	}
	for _, i := range s.Interference {
		t.Rows = append(t.Rows, []any{s.name(i.Members), i.Mean, i.FixedAlone, i.Lost, i.FixedJoint, i.BrokeJoint})
	}
	return t
}

func (s *Stack) probeTable() Table {
	t := Table{
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

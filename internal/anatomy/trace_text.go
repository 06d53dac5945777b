package anatomy

import (
	"fmt"
	"io"
	"math"
	"strings"

	"bankai/internal/text"
)

// Write prints a trace for people: a line for each token, with how much its residual stream
// differs after every layer as a digit.
func (t *Trace) Write(w io.Writer) {
	most := t.largest()
	table := text.Table{Indent: text.Gap, Right: []bool{true, false, true, true, true}}
	table.Add("token", "", "ln p", "patched", "KL", "likeliest", "patched", t.layersHeading())
	for i, piece := range t.Pieces {
		base, patched := "", "" // of the last token nothing follows
		if i < len(t.Base.LogProbs) {
			base, patched = decimals(t.Base.LogProbs[i]), decimals(t.Patched.LogProbs[i])
		}
		was, is := quoted(t.Base.Likeliest[i].Text), "same"
		if now := t.Patched.Likeliest[i]; now != t.Base.Likeliest[i] {
			is = quoted(now.Text)
		}
		table.Add(i, quoted(piece.Text), base, patched, decimals(t.KL[i]), was, is, t.strip(i, most))
	}
	fmt.Fprint(w, &table)
	fmt.Fprintf(w, "\nln p is of the token that follows, KL of what is said behind a token, both in nats.\n")
	if most > 0 {
		fmt.Fprintf(w, "After the embedding and each layer: . is the same to the bit, and a digit d a\nresidual stream that differs by up to (d/9)² × %s of its length.\n", percent(most))
	}
	if t.hasLens() {
		t.writeLens(w)
	}
	fmt.Fprintf(w, "\n%s\n", t.Verdict)
}

// layersHeading says what the digits of a token are of.
func (t *Trace) layersHeading() string {
	layers := 0
	for _, c := range t.Cuts {
		if c.Layer != nil {
			layers = *c.Layer
		}
	}
	return fmt.Sprintf("embedding, layers 0 to %d", layers)
}

// wholeLayers are the cuts above the embedding and above each layer as a whole.
func (t *Trace) wholeLayers() (cuts []TracedCut) {
	for i, c := range t.Cuts {
		if i+1 == len(t.Cuts) || c.Layer == nil || *t.Cuts[i+1].Layer != *c.Layer {
			cuts = append(cuts, c)
		}
	}
	return cuts
}

// largest is the largest finite difference after a whole layer.
func (t *Trace) largest() (most Figure) {
	for _, c := range t.wholeLayers() {
		for _, d := range c.Difference {
			if d > most && !math.IsInf(float64(d), 0) {
				most = d
			}
		}
	}
	return most
}

// strip is how much a token differs, in equal steps of the root.
func (t *Trace) strip(token int, most Figure) string {
	var b strings.Builder
	for _, c := range t.wholeLayers() {
		switch d := c.Difference[token]; {
		case d == 0:
			b.WriteByte('.')
		case !(d < most):
			b.WriteByte('9')
		default:
			fmt.Fprint(&b, max(1, int(math.Ceil(9*math.Sqrt(float64(d/most))))))
		}
	}
	return b.String()
}

func (t *Trace) hasLens() bool { return t.Cuts[0].Lens != nil }

// lensApart is from how many nats on a lens is said to differ.
const lensApart = 0.1

// writeLens prints where the lens says that the token that follows is likelier, or less so.
func (t *Trace) writeLens(w io.Writer) {
	table := text.Table{Indent: text.Gap, Right: []bool{true}}
	fmt.Fprintf(w, "\nThe logit lens, what would be said if the layers above were left out: + is a next\ntoken that the patch makes likelier by %v nats or more, - one that it makes less\nlikely, and . neither.\n\n", lensApart)
	table.Add("token", "", "followed by", t.layersHeading())
	for i := range t.Base.LogProbs {
		var b strings.Builder
		for _, c := range t.wholeLayers() {
			switch by := c.Lens.Patched[i] - c.Lens.Base[i]; {
			case by >= lensApart:
				b.WriteByte('+')
			case by <= -lensApart:
				b.WriteByte('-')
			default:
				b.WriteByte('.')
			}
		}
		table.Add(i, quoted(t.Pieces[i].Text), quoted(t.Pieces[i+1].Text), b.String())
	}
	fmt.Fprint(w, &table)
}

// decimals is a figure with three digits behind the point; nothing is never below 0.
func decimals(v Figure) string {
	s := fmt.Sprintf("%.3f", float64(v))
	if s == "-0.000" {
		s = "0.000"
	}
	return text.Minus(s)
}

package chart

import "slices"

// key says what a colour and a mark stand for.
type key struct {
	name   string
	series int
	kind   keyKind
	dashed bool
	faint  bool
}

type keyKind int

const (
	lineKey keyKind = iota
	markKey
	barKey
	levelKey // the line of reference
)

const (
	signGap   = 6  // between a key's sign and its name
	keyGap    = 16 // between keys
	legendRow = 16 // height
)

// sign is the width of what stands before a key's name.
func (k key) sign() float64 {
	if k.kind == barKey || k.kind == markKey {
		return 11
	}
	return 20
}

// flow puts keys into rows of at most width points.
func flow(keys []key, width float64) (rows [][]key) {
	used := 0.0
	for _, k := range keys {
		k.name = cut(clean(k.name), labelFont, width-k.sign()-signGap)
		w := k.width()
		if len(rows) == 0 || used+w > width {
			rows, used = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], k)
		used += w + keyGap
	}
	return rows
}

func (k key) width() float64 { return k.sign() + signGap + widthOf(k.name, labelFont) }

// legend draws rows of keys from a place on.
func (p *pen) legend(rows [][]key, at spot) {
	for i, row := range rows {
		s := spot{at.x, at.y + (float64(i)+0.5)*legendRow}
		for _, k := range row {
			p.sign(k, s)
			p.text(k.name, spot{s.x + k.sign() + signGap, s.y}, start, labelFont, p.theme.text)
			s.x += k.width() + keyGap
		}
	}
}

func (p *pen) sign(k key, s spot) {
	switch k.kind {
	case barKey:
		p.box(p.color(k.series), spot{s.x, s.y - 5}, spot{s.x + k.sign(), s.y + 5})
	case levelKey:
		p.line(levelStroke(p.theme), s, spot{s.x + k.sign(), s.y})
	case lineKey:
		p.line(stroke{p.color(k.series), 1.8, k.dashed}, s, spot{s.x + k.sign(), s.y})
		p.mark(k.series, spot{s.x + k.sign()/2, s.y}, markRadius)
	case markKey:
		if k.faint {
			p.faint(spot{s.x + k.sign()/2, s.y}, markRadius)
			return
		}
		p.mark(k.series, spot{s.x + k.sign()/2, s.y}, markRadius)
	}
}

// common is the keys of all panels that have any, if these are more than one and
// have the same.
func common(frames []*frame) (keys []key) {
	n := 0
	for _, f := range frames {
		if len(f.keys) == 0 {
			continue
		}
		if n++; n > 1 && !slices.Equal(keys, f.keys) {
			return nil
		}
		keys = f.keys
	}
	if n < 2 {
		return nil
	}
	return keys
}

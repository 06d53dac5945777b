package chart

import "math"

// drawing is a chart laid out: parts with their places on a canvas of whole
// points.
type drawing struct {
	width, height float64
	theme         *theme
	title         []string
	keys          [][]key // of all panels
	tiles         []*tile
}

// tile is a panel and its place.
type tile struct {
	*frame
	title  []string
	legend [][]key
	row    int
	column int

	x, y         float64 // of its upper left corner
	before       float64 // width left of the area
	above, below float64 // heights over and under it
	width        float64 // of the area
}

const (
	margin    = 10 // around the chart
	columnGap = 18
	rowGap    = 16
)

// layout finds a place for everything: areas of one column are aligned, those
// of one row are equally high.
func (c *Chart) layout(t *theme) (*drawing, error) {
	width, columns := c.size()
	column := (width - 2*margin - columnGap*float64(columns-1)) / float64(columns)
	frames, err := c.frames(column)
	if err != nil {
		return nil, err
	}
	d := &drawing{width: width, theme: t, title: fold(c.Title, titleFont, width-2*margin)}
	shared := common(frames)
	d.keys = flow(shared, width-2*margin)
	before := map[aligned]float64{}
	for i, f := range frames {
		k := &tile{frame: f, row: i / columns, column: i % columns, title: fold(f.title, headFont, column)}
		k.fitUp(column)
		if shared == nil {
			k.legend = flow(f.keys, column)
		}
		before[k.aligned()] = max(before[k.aligned()], f.before())
		d.tiles = append(d.tiles, k)
	}
	for _, k := range d.tiles {
		k.before = before[k.aligned()]
		k.x = margin + float64(k.column)*(column+columnGap)
		k.fit(column)
	}
	d.stack()
	return d, nil
}

// aligned says which areas begin at the same place: those of one column, but
// names do not push numbers aside.
type aligned struct {
	column int
	names  bool
}

func (k *tile) aligned() aligned { return aligned{k.column, k.frame.y.names != nil} }

// fitUp fits the vertical axis, on which the place of all else depends.
func (k *tile) fitUp(column float64) {
	if k.total > 0 {
		k.frame.height = max(k.total-80, leastArea)
	}
	k.makeRoom()
	k.frame.y.fit(k.frame.height, mostName*column)
}

// fit finds the width of the area and the heights around it.
func (k *tile) fit(column float64) {
	k.width = max(column-k.before-rightRoom, 20)
	if k.most > 0 {
		k.width = min(k.width, k.most)
	}
	k.frame.x.fit(k.width, 0)
	k.below = k.frame.below(k.width)
	k.above = 6 + float64(len(k.title))*lineOf(headFont) + float64(len(k.legend))*legendRow
	if len(k.title)+len(k.legend) > 0 {
		k.above += 4
	}
	if k.total > 0 {
		k.height = max(k.total-k.above-k.below, leastArea)
		k.makeRoom()
	}
}

// stack puts the rows below each other.
func (d *drawing) stack() {
	y := margin + d.head()
	for i := 0; i < len(d.tiles); {
		end := i
		var above, height, below float64
		for ; end < len(d.tiles) && d.tiles[end].row == d.tiles[i].row; end++ {
			k := d.tiles[end]
			above, height, below = max(above, k.above), max(height, k.height), max(below, k.below)
		}
		for ; i < end; i++ {
			k := d.tiles[i]
			k.y, k.above, k.height, k.below = y, above, height, below
		}
		y += above + height + below + rowGap
	}
	d.height = math.Ceil(y - rowGap + margin)
	if len(d.tiles) == 0 {
		d.height = math.Ceil(y + margin)
	}
}

// head is the height of what is above all panels.
func (d *drawing) head() float64 {
	height := float64(len(d.title))*lineOf(titleFont) + float64(len(d.keys))*legendRow
	if height > 0 {
		height += 12
	}
	return height
}

// svg is the elements of the drawing.
func (d *drawing) svg() string {
	p := &pen{theme: d.theme}
	if d.theme.paper != "" {
		p.box(ink{d.theme.paper, 1}, spot{0, 0}, spot{d.width, d.height})
	}
	y := float64(margin)
	for _, line := range d.title {
		p.text(line, spot{margin, y + lineOf(titleFont)/2}, start, titleFont, p.theme.text)
		y += lineOf(titleFont)
	}
	p.legend(d.keys, spot{margin, y + 4})
	for _, k := range d.tiles {
		k.draw(p)
	}
	return p.String()
}

func (k *tile) draw(p *pen) {
	y := k.y
	for _, line := range k.title {
		p.text(line, spot{k.x, y + lineOf(headFont)/2}, start, headFont, p.theme.text)
		y += lineOf(headFont)
	}
	p.legend(k.legend, spot{k.x, y + 2})
	a := &area{pen: p, left: k.x + k.before, top: k.y + k.above, width: k.width, height: k.height, x: &k.frame.x, y: &k.frame.y}
	k.drawAxes(a)
	k.frame.draw(a)
}

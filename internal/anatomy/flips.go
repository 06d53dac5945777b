package anatomy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/measure"
)

// FlipMap is where a patch acts on the matrices of a model: layer by layer, projection by
// projection.
type FlipMap struct {
	Patches []string  `json:"patches"`
	Flips   int       `json:"flips"`
	Rows    int       `json:"rows"` // flips of a whole row
	Bits    *uint64   `json:"bits"`
	Columns []string  `json:"columns"` // the projections that the model has, as "gate"
	Layers  []MapRow  `json:"layers"`
	Others  []MapCell `json:"others"` // tensors outside the layers that are patched
	Total   string    `json:"total"`  // in words: "41 rows"
	Verdict string    `json:"verdict"`
}

// MapRow is a layer of the map.
type MapRow struct {
	Layer int        `json:"layer"`
	Cells []*MapCell `json:"cells"` // one for each column; null where the layer has no such matrix
}

// MapCell is a matrix, and what a patch does to it.
type MapCell struct {
	TensorFlips
	Counts []string `json:"counts"` // in words, empty where nothing is inverted
	Heat   int      `json:"heat"`   // the shade, 0 to 5
}

// NewFlipMap lays out what a patch, fitted to a model, does to its matrices.
func NewFlipMap(c weights.Config, names []string, p *bankai.Patch) *FlipMap {
	var projs []string
	for _, s := range c.Tensors() {
		if s.Kind == weights.OneBit && s.Layered() {
			projs = append(projs, s.Short)
		}
	}
	m := measure.NewFlipMap(measure.Cells(p), projs, c.Layers)
	doc := &FlipMap{Patches: append([]string{}, names...), Flips: p.Len(), Bits: KnownBits(p), Columns: m.Columns, Others: []MapCell{}, Total: m.Total}
	for _, row := range m.Layers {
		r := MapRow{Layer: row.Layer}
		for i, cell := range row.Cells {
			r.Cells = append(r.Cells, newMapCell(c, row.Layer, m.Columns[i], cell))
		}
		doc.Layers = append(doc.Layers, r)
	}
	for _, cell := range m.Others {
		doc.Others = append(doc.Others, *mapCell(cell))
	}
	for _, t := range FlipsByTensor(p) {
		doc.Rows += t.Rows
	}
	doc.Verdict = verdictOf(m)
	return doc
}

// newMapCell is a place of the map, nil if the layer has no such matrix.
func newMapCell(c weights.Config, layer int, short string, cell measure.FlipMapCell) *MapCell {
	if cell.Tensor != "" {
		return mapCell(cell)
	}
	for _, s := range c.Tensors() {
		if s.Kind == weights.OneBit && s.Layered() && s.Short == short && c.Has(s.Part, layer) {
			t := TensorFlips{Tensor: s.In(layer), Layer: &layer, Proj: short + "_proj", Bits: new(uint64)}
			return &MapCell{TensorFlips: t, Counts: []string{}}
		}
	}
	return nil
}

func mapCell(cell measure.FlipMapCell) *MapCell {
	return &MapCell{newTensorFlips(cell.FlipCell), cell.Counts, cell.Heat}
}

// verdictOf says where most is.
func verdictOf(m measure.FlipMap) string {
	var touched []measure.FlipCell
	layers := map[int]bool{}
	count := func(c measure.FlipCell) {
		if c.Flips > 0 {
			touched = append(touched, c)
		}
		if c.Flips > 0 && c.Layer >= 0 {
			layers[c.Layer] = true
		}
	}
	for _, row := range m.Layers {
		for _, c := range row.Cells {
			count(c.FlipCell)
		}
	}
	for _, c := range m.Others {
		count(c.FlipCell)
	}
	if len(touched) == 0 {
		return "Nothing is inverted."
	}
	said := fmt.Sprintf("%s in %s", m.Total, text.Plural(len(touched), "matrix", "matrices"))
	if len(layers) > 0 {
		said += fmt.Sprintf(" of %s of %d", text.Count(len(layers), "layer"), len(m.Layers))
	}
	most := slices.MaxFunc(touched, func(a, b measure.FlipCell) int { return cmp.Compare(a.Size(), b.Size()) })
	alike := 0
	for _, c := range touched {
		if c.Size() == most.Size() {
			alike++
		}
	}
	switch {
	case len(touched) == 1:
		return fmt.Sprintf("%s: %s.", said, where(most))
	case alike > 1:
		return fmt.Sprintf("%s. No matrix has more than %s.", said, most.Counted())
	}
	return fmt.Sprintf("%s. Most is in %s: %s.", said, where(most), most.Counted())
}

// where names the matrix of a cell.
func where(c measure.FlipCell) string {
	if c.Layer < 0 {
		return text.Line(c.Tensor)
	}
	return fmt.Sprintf("the %s projection of layer %d", strings.TrimSuffix(c.Projection, "_proj"), c.Layer)
}

// TensorRows is what a patch does to one matrix, down to its rows.
type TensorRows struct {
	TensorFlips
	Shape   [2]int    `json:"shape"`        // rows and columns
	Touched int       `json:"touched_rows"` // in which a bit is flipped
	Strip   []Stretch `json:"strip"`        // along the output dimension, at most 128 of equal length
	Offset  int       `json:"offset"`       // of the first flip that is listed
	Listed  []Run     `json:"runs"`
}

// Stretch is a run of rows, [First, End).
type Stretch struct {
	First   int    `json:"first"`
	End     int    `json:"end"`
	Touched int    `json:"touched_rows"`
	Bits    uint64 `json:"bits"`
	Heat    int    `json:"heat"` // the shade, 0 to 5: by the bits
}

// Run is flipped columns [Col, Col+N) of a row.
type Run struct {
	Row   int  `json:"row"`
	Col   int  `json:"col"`
	N     int  `json:"n"`
	Whole bool `json:"whole"` // all of the row
}

// maxStretches bounds how finely a strip tells rows apart.
const maxStretches = 128

// NewTensorRows looks at the flips of a patch, fitted to a model, in a matrix of rows times
// cols, and lists at most limit of them from an offset on.
func NewTensorRows(p *bankai.Patch, tensor string, rows, cols, offset, limit int) *TensorRows {
	doc := &TensorRows{Shape: [2]int{rows, cols}, Offset: offset, Listed: []Run{}, Strip: stretches(rows)}
	doc.Tensor, doc.Bits = tensor, new(uint64)
	for _, t := range FlipsByTensor(p) {
		if t.Tensor == tensor {
			doc.TensorFlips = t
		}
	}
	at, last := 0, -1
	for _, f := range p.Flips() {
		if f.Tensor != tensor {
			continue
		}
		r := Run{Row: int(f.Row), Col: int(f.Col), N: int(f.N)}
		if f.N == bankai.ToEnd {
			r.N = cols - r.Col
		}
		r.Whole = r.N == cols
		s := &doc.Strip[r.Row*len(doc.Strip)/rows]
		s.Bits += uint64(r.N)
		if r.Row != last {
			last = r.Row
			doc.Touched++
			s.Touched++
		}
		if at >= offset && len(doc.Listed) < limit {
			doc.Listed = append(doc.Listed, r)
		}
		at++
	}
	shade(doc.Strip)
	return doc
}

// stretches cuts rows into pieces of nearly equal length. Row r is in the piece
// r·pieces/rows, rounded down.
func stretches(rows int) []Stretch {
	n := min(rows, maxStretches)
	all := make([]Stretch, n)
	for i := range all {
		all[i] = Stretch{First: (i*rows + n - 1) / n, End: ((i+1)*rows + n - 1) / n}
	}
	return all
}

// shade gives stretches the shades of a map.
func shade(all []Stretch) {
	var most uint64
	for _, s := range all {
		most = max(most, s.Bits)
	}
	for i := range all {
		all[i].Heat = measure.Heat(all[i].Bits, most)
	}
}

package measure

import (
	"fmt"
	"math"
	"strings"

	"bankai/internal/text"
)

// FlipMap is the table of a patch's flips by layer and projection.
type FlipMap struct {
	Columns []string // "gate"
	Layers  []FlipMapRow
	Others  []FlipMapCell // of the tensors outside the layers
	Total   string        // "41 rows"
	Mixed   bool          // of several granularities: every count says which
}

// FlipMapRow is a layer of the map.
type FlipMapRow struct {
	Layer int
	Cells []FlipMapCell // one for each column
}

type flipMapPlace struct {
	layer int
	proj  string
}

// FlipMapCell is a place of the map, empty where nothing is inverted.
type FlipMapCell struct {
	FlipCell
	Counts []string // in words: "25", or "25 rows" and "40 bits" in a map of several
	Heat   int      // the shade: 1 to MaxHeat, 0 where nothing is inverted
}

// MaxHeat is how many shades maps have.
const MaxHeat = 5

// NewFlipMap lays out the cells. Columns are the projections that were searched
// or hold a flip; layers, if it is known, is how many the model has.
func NewFlipMap(cells []FlipCell, searched []string, layers int) FlipMap {
	var m FlipMap
	projs := Projections(cells, searched...)
	for _, proj := range projs {
		m.Columns = append(m.Columns, strings.TrimSuffix(proj, "_proj"))
	}
	var all FlipCell
	var most uint64
	for _, c := range cells {
		layers = max(layers, c.Layer+1)
		all.Rows, all.Groups, all.Bits = all.Rows+c.Rows, all.Groups+c.Groups, all.Bits+c.Bits
		most = max(most, c.Size())
	}
	m.Total = strings.Join(countsOf(all, true), ", ")
	m.Mixed = len(countsOf(all, true)) > 1
	place := map[flipMapPlace]FlipMapCell{}
	for _, c := range cells {
		cell := FlipMapCell{c, countsOf(c, m.Mixed), Heat(c.Size(), most)}
		if c.Layer < 0 {
			m.Others = append(m.Others, cell)
		}
		place[flipMapPlace{c.Layer, c.Projection}] = cell
	}
	for layer := range layers {
		row := FlipMapRow{Layer: layer}
		for _, proj := range projs {
			row.Cells = append(row.Cells, place[flipMapPlace{layer, proj}])
		}
		m.Layers = append(m.Layers, row)
	}
	return m
}

// Heat is the shade of a part of the largest one: 0 of nothing, and else 1 to MaxHeat, in
// equal steps of the root, as areas are easier told apart when small.
func Heat(part, most uint64) int {
	if part == 0 {
		return 0
	}
	return max(1, int(math.Ceil(MaxHeat*math.Sqrt(float64(part)/float64(most)))))
}

// Size is by how much a cell weighs in the map: its weights or, if they are not known, its
// flips.
func (c FlipCell) Size() uint64 {
	if c.Weights > 0 {
		return c.Weights
	}
	return uint64(c.Flips)
}

// Counted is what is inverted in words: "25 rows", or "25 rows and 40 bits".
func (c FlipCell) Counted() string { return text.Listed(countsOf(c, true)) }

// countsOf are the numbers of rows, groups and bits, without those that are 0.
func countsOf(c FlipCell, named bool) (counts []string) {
	for _, n := range []struct {
		count int
		noun  string
	}{{c.Rows, "row"}, {c.Groups, "group"}, {c.Bits, "bit"}} {
		switch {
		case n.count == 0:
		case named:
			counts = append(counts, counted(n.count, n.noun))
		default:
			counts = append(counts, fmt.Sprint(n.count))
		}
	}
	return counts
}

// counted is a number of things, as pages write it.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return text.Thousands(int64(n)) + " " + noun
}

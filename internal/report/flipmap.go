package report

import (
	"fmt"
	"math"
	"strings"

	"bankai/measure"
)

// flipMap is the table of a patch's flips by layer and projection.
type flipMap struct {
	Columns []string // "gate"
	Layers  []flipMapRow
	Others  []flipMapCell // of the tensors outside the layers
	Total   string        // "41 rows"
	Mixed   bool          // of several granularities: every count says which
}

type flipMapRow struct {
	Layer int
	Cells []flipMapCell // one for each column
}

type flipMapPlace struct {
	layer int
	proj  string
}

// flipMapCell is a place of the map.
type flipMapCell struct {
	Tensor string // "" where nothing is inverted
	Counts []string
	Heat   int // 0 where nothing is inverted, to maxHeat
}

// maxHeat is how many shades the style sheet has.
const maxHeat = 5

// newFlipMap lays out the cells. Columns are the projections that were searched
// or hold a flip; layers, if it is known, is how many the model has.
func newFlipMap(cells []measure.FlipCell, searched []string, layers int) flipMap {
	var m flipMap
	projs := measure.Projections(cells, searched...)
	for _, proj := range projs {
		m.Columns = append(m.Columns, strings.TrimSuffix(proj, "_proj"))
	}
	var all measure.FlipCell
	var most uint64
	for _, c := range cells {
		layers = max(layers, c.Layer+1)
		all.Rows, all.Groups, all.Bits = all.Rows+c.Rows, all.Groups+c.Groups, all.Bits+c.Bits
		most = max(most, sizeOf(c))
	}
	m.Total = strings.Join(countsOf(all, true), ", ")
	m.Mixed = len(countsOf(all, true)) > 1
	place := map[flipMapPlace]flipMapCell{}
	for _, c := range cells {
		// Equal steps of the root: areas are easier told apart when small.
		heat := max(1, int(math.Ceil(maxHeat*math.Sqrt(float64(sizeOf(c))/float64(most)))))
		cell := flipMapCell{Tensor: c.Tensor, Counts: countsOf(c, m.Mixed), Heat: heat}
		if c.Layer < 0 {
			m.Others = append(m.Others, cell)
		}
		place[flipMapPlace{c.Layer, c.Projection}] = cell
	}
	for layer := range layers {
		row := flipMapRow{Layer: layer}
		for _, proj := range projs {
			row.Cells = append(row.Cells, place[flipMapPlace{layer, proj}])
		}
		m.Layers = append(m.Layers, row)
	}
	return m
}

// sizeOf is by how much a cell weighs in the map: its weights or, if they are
// not known, its flips.
func sizeOf(c measure.FlipCell) uint64 {
	if c.Weights > 0 {
		return c.Weights
	}
	return uint64(c.Flips)
}

// countsOf are the numbers of rows, groups and bits, without those that are 0.
func countsOf(c measure.FlipCell, named bool) (counts []string) {
	for _, n := range []struct {
		count int
		noun  string
	}{{c.Rows, "row"}, {c.Groups, "group"}, {c.Bits, "bit"}} {
		switch {
		case n.count == 0:
		case named:
			counts = append(counts, plural(n.count, n.noun))
		default:
			counts = append(counts, fmt.Sprint(n.count))
		}
	}
	return counts
}

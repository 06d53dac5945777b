package engine

// segment is a stretch of the forward pass between two cuts.
type segment struct{ from, to Cut }

// tape keeps what a backward pass needs of a forward pass of one wave of tokens
// through a segment: the residual stream at every cut and the outputs of the
// projections, of which those that end in the stream are differences of it.
type tape struct {
	segment segment
	streams [][]float32               // at the cuts from segment.from on, both ends included: [tokens, Hidden]
	outputs [][tapedOutputs][]float32 // of projections of the block above each cut, as they come out of their matrices: [tokens, rows]
}

// tapedOutputs is the most outputs that a block keeps.
const tapedOutputs = 3

// begin makes room for n tokens, and returns where a pass leaves their streams.
func (t *tape) begin(m *Model, s segment, n int) map[Cut][]float32 {
	s.from = max(s.from, 1) // cut 0 has no stream
	t.segment = s
	keep := map[Cut][]float32{}
	for c := s.from; c <= s.to; c++ {
		i := int(c - s.from)
		if i == len(t.streams) {
			t.streams, t.outputs = append(t.streams, nil), append(t.outputs, [tapedOutputs][]float32{})
		}
		t.streams[i] = resize(t.streams[i], n*m.config.Hidden)
		keep[c] = t.streams[i]
	}
	return keep
}

// stream is the residual stream at a cut.
func (t *tape) stream(c Cut) []float32 { return t.streams[c-t.segment.from] }

// room is where output i of the block above a cut is kept.
func (t *tape) room(c Cut, i int) *[]float32 { return &t.outputs[c-t.segment.from][i] }

// output is what was kept there.
func (t *tape) output(c Cut, i int) []float32 { return *t.room(c, i) }

// keep copies an output.
func (t *tape) keep(c Cut, i int, y []float32) {
	to := t.room(c, i)
	*to = append((*to)[:0], y...)
}

// tokenBytes is the size of a segment's tape for one token.
func (s segment) tokenBytes(m *Model) int {
	floats := m.config.Hidden // at the upper end
	for c := max(s.from, 1); c < s.to; c++ {
		floats += m.config.Hidden + m.above(c).taped()
	}
	return 4 * floats
}

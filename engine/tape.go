package engine

// segment is a stretch of the forward pass between two cuts.
type segment struct{ from, to Cut }

// tape keeps what a backward pass needs of a forward pass of one wave of tokens
// through a segment: the residual stream at every cut and the outputs of the
// projections, of which those that end in the stream are differences of it.
type tape struct {
	segment segment
	streams [][]float32 // at the cuts from segment.from on, both ends included: [tokens, Hidden]
	layers  []tapeLayer // from that of segment.from on
}

// tapeLayer holds projections as they come out of their matrices: [tokens, rows].
type tapeLayer struct{ q, k, v, gate, up []float32 }

// begin makes room for n tokens, and returns where a pass leaves their streams.
func (t *tape) begin(m *Model, s segment, n int) map[Cut][]float32 {
	s.from = max(s.from, 1) // cut 0 has no stream
	t.segment = s
	keep := map[Cut][]float32{}
	for c := s.from; c <= s.to; c++ {
		i := int(c - s.from)
		if i == len(t.streams) {
			t.streams = append(t.streams, nil)
		}
		t.streams[i] = resize(t.streams[i], n*m.config.Hidden)
		keep[c] = t.streams[i]
	}
	for len(t.layers) <= len(t.streams)/2 {
		t.layers = append(t.layers, tapeLayer{})
	}
	return keep
}

// stream is the residual stream at a cut.
func (t *tape) stream(c Cut) []float32 { return t.streams[c-t.segment.from] }

func (t *tape) layer(i int) *tapeLayer {
	first, _ := t.segment.from.layer()
	return &t.layers[i-first]
}

// units is room for the so many outputs of gate and up of a layer.
func (t *tape) units(i, n int) (gate, up []float32) {
	l := t.layer(i)
	l.gate, l.up = resize(l.gate, n), resize(l.up, n)
	return l.gate, l.up
}

func (t *tape) keepKV(i int, b *Batch) {
	l := t.layer(i)
	l.k, l.v = append(l.k[:0], b.k...), append(l.v[:0], b.v...)
}

func (t *tape) keepQ(i int, b *Batch) {
	l := t.layer(i)
	l.q = append(l.q[:0], b.q...)
}

// tokenBytes is the size of a segment's tape for one token.
func (s segment) tokenBytes(m *Model) int {
	c, floats := m.config, 0
	for cut := max(s.from, 1); cut < s.to; cut++ {
		floats += c.Hidden
		if _, mlp := cut.layer(); mlp {
			floats += 2 * c.FFN
		} else {
			floats += (c.Heads + 2*c.KVHeads) * c.HeadDim
		}
	}
	return 4 * (floats + c.Hidden)
}

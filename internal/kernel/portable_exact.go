package kernel

// The exact product chooses x or −x by the sign bit, for as many sums at a time as
// registers hold: an addition waits for the one before it.

// signedOne are the activations of a group's columns with both signs, −x first, and
// signedActs those of up to four tokens.
type (
	signedOne  [GroupSize][2]float32
	signedActs [GroupSize][2][packedTokens]float32
)

func addExactOne(y []float32, ystride int, w *Matrix, g int, b block, tile0, tile1 int) {
	var x signedOne
	for j, v := range b.f {
		x[j] = [2]float32{-v, v}
	}
	var t tileGroup
	var p [tableRows]float32
	for tile := tile0; tile < tile1; tile++ {
		t.read(w, tile, g)
		for i := 0; i < tableRows; i += 8 {
			x.sum((*[8]float32)(p[i:]), t.bits[i:])
		}
		out := rowsOf(y, ystride, w, tile, &b, 0)
		for r := range out {
			out[r] += float32(p[tableLane(r)%tableRows] * t.d[r%tableRows])
		}
	}
}

// sum writes Σ±x for eight rows, whose bits begin at the given ones.
func (x *signedOne) sum(p *[8]float32, bits []byte) {
	var p0, p1, p2, p3, p4, p5, p6, p7 float32
	for v := range GroupSize / tableCols {
		b := (*[8]byte)(bits[v*tableRows:])
		b0, b1, b2, b3, b4, b5, b6, b7 := b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]
		for j := range tableCols {
			s := &x[tableCols*v+j]
			p0 += s[b0>>j&1]
			p1 += s[b1>>j&1]
			p2 += s[b2>>j&1]
			p3 += s[b3>>j&1]
			p4 += s[b4>>j&1]
			p5 += s[b5>>j&1]
			p6 += s[b6>>j&1]
			p7 += s[b7>>j&1]
		}
	}
	*p = [8]float32{p0, p1, p2, p3, p4, p5, p6, p7}
}

func addExact(y []float32, ystride int, w *Matrix, g int, b block, tile0, tile1 int) {
	var x signedActs
	for j, v := range b.f {
		s := &x[j/b.width]
		s[0][j%b.width], s[1][j%b.width] = -v, v
	}
	var t tileGroup
	var p [tableRows][packedTokens]float32
	for tile := tile0; tile < tile1; tile++ {
		t.read(w, tile, g)
		for i := 0; i < tableRows; i += 2 {
			p[i], p[i+1] = x.sum(t.bits[i:])
		}
		for i := range b.width {
			out := rowsOf(y, ystride, w, tile, &b, i)
			for r := range out {
				out[r] += float32(p[tableLane(r)%tableRows][i] * t.d[r%tableRows])
			}
		}
	}
}

// sum returns Σ±x of every token for two rows, whose bits begin at the given ones.
func (x *signedActs) sum(bits []byte) (p, q [packedTokens]float32) {
	var p0, p1, p2, p3, q0, q1, q2, q3 float32
	for v := range GroupSize / tableCols {
		b := (*[2]byte)(bits[v*tableRows:])
		b0, b1 := b[0], b[1]
		for j := range tableCols {
			s := &x[tableCols*v+j][b0>>j&1]
			p0 += s[0]
			p1 += s[1]
			p2 += s[2]
			p3 += s[3]
			s = &x[tableCols*v+j][b1>>j&1]
			q0 += s[0]
			q1 += s[1]
			q2 += s[2]
			q3 += s[3]
		}
	}
	return [packedTokens]float32{p0, p1, p2, p3}, [packedTokens]float32{q0, q1, q2, q3}
}

package kernel

func portableDots(out, q, k []float32) {
	for i := range out {
		out[i] = portableDot(q, k[i*len(q):(i+1)*len(q)])
	}
}

// portableDot keeps eight of the partial sums in registers, then the others.
func portableDot(x, y []float32) float32 {
	var lane [Lanes]float32
	n := len(x) &^ (Lanes - 1)
	for l := 0; l < Lanes; l += 8 {
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for j := l; j < n; j += Lanes {
			x, y := (*[8]float32)(x[j:]), (*[8]float32)(y[j:])
			s0 += float32(x[0] * y[0])
			s1 += float32(x[1] * y[1])
			s2 += float32(x[2] * y[2])
			s3 += float32(x[3] * y[3])
			s4 += float32(x[4] * y[4])
			s5 += float32(x[5] * y[5])
			s6 += float32(x[6] * y[6])
			s7 += float32(x[7] * y[7])
		}
		*(*[8]float32)(lane[l:]) = [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
	}
	for j := n; j < len(x); j++ {
		lane[j%Lanes] += float32(x[j] * y[j])
	}
	return sumLanes(&lane)
}

// portableWeightedSum adds four rows at a time.
func portableWeightedSum(out, p, v []float32) {
	n := len(out)
	for ; len(p) >= 4; p, v = p[4:], v[4*n:] {
		v0, v1, v2, v3 := v[:n], v[n:2*n], v[2*n:3*n], v[3*n:4*n]
		p0, p1, p2, p3 := p[0], p[1], p[2], p[3]
		for d := range out {
			sum := out[d] + float32(p0*v0[d])
			sum += float32(p1 * v1[d])
			sum += float32(p2 * v2[d])
			out[d] = sum + float32(p3*v3[d])
		}
	}
	genericWeightedSum(out, p, v)
}

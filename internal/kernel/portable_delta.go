package kernel

// portableDeltaRule goes through the memory row by row, as it lies, eight columns at a
// time.
func portableDeltaRule(o, s, q, k, v []float32, alpha, beta float32) {
	n := len(v)
	whole := n &^ 7
	for d := 0; d < whole; d += 8 {
		var had [8]float32
		for i, x := range k {
			row := (*[8]float32)(s[i*n+d:])
			for c := range had {
				had[c] += float32(x * row[c])
			}
		}
		var r, out [8]float32
		for c, v := range (*[8]float32)(v[d:]) {
			r[c] = beta * (v - float32(alpha*had[c]))
		}
		for i, x := range k {
			row, y := (*[8]float32)(s[i*n+d:]), q[i]
			for c := range out {
				now := float32(alpha*row[c]) + float32(x*r[c])
				row[c] = now
				out[c] += float32(y * now)
			}
		}
		*(*[8]float32)(o[d:]) = out
	}
	deltaColumns(o, s, q, k, v, alpha, beta, whole)
}

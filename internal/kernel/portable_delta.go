package kernel

// portableDeltaRule keeps the sums of four columns in registers over all rows.
func portableDeltaRule(o, s, q, k, v []float32, alpha, beta float32) {
	n, whole := len(v), len(v)&^3
	for d := 0; d < whole; d += 4 {
		var h0, h1, h2, h3 float32
		for i, x := range k {
			row := (*[4]float32)(s[i*n+d:])
			h0 += float32(x * row[0])
			h1 += float32(x * row[1])
			h2 += float32(x * row[2])
			h3 += float32(x * row[3])
		}
		v := (*[4]float32)(v[d:])
		r0, r1 := beta*(v[0]-float32(alpha*h0)), beta*(v[1]-float32(alpha*h1))
		r2, r3 := beta*(v[2]-float32(alpha*h2)), beta*(v[3]-float32(alpha*h3))
		var o0, o1, o2, o3 float32
		for i, x := range k {
			row, y := (*[4]float32)(s[i*n+d:]), q[i]
			s0, s1 := float32(alpha*row[0])+float32(x*r0), float32(alpha*row[1])+float32(x*r1)
			s2, s3 := float32(alpha*row[2])+float32(x*r2), float32(alpha*row[3])+float32(x*r3)
			*row = [4]float32{s0, s1, s2, s3}
			o0 += float32(y * s0)
			o1 += float32(y * s1)
			o2 += float32(y * s2)
			o3 += float32(y * s3)
		}
		*(*[4]float32)(o[d:]) = [4]float32{o0, o1, o2, o3}
	}
	deltaColumns(o, s, q, k, v, alpha, beta, whole)
}

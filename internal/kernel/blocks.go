//go:build amd64 || arm64

package kernel

// The assembly works on whole blocks of 16 floats, and on as many queries as its
// registers hold. The functions here make routines for every size of it.

// whole is the part of n floats that are whole blocks.
func whole(n int) int { return n &^ (Lanes - 1) }

func dotsBy(f func(out *float32, n int, q, k *float32, blocks int)) func(out, q, k []float32) {
	return func(out, q, k []float32) {
		if len(out) == 0 || !inBlocks(q) {
			genericDots(out, q, k)
			return
		}
		f(&out[0], len(out), &q[0], &k[0], len(q)/Lanes)
	}
}

// inBlocks says that x is made of whole blocks, and not empty.
func inBlocks(x []float32) bool { return len(x) > 0 && len(x)%Lanes == 0 }

func weightedSumBy(f func(out *float32, blocks int, p *float32, n int, v *float32, stride uintptr)) func(out, p, v []float32) {
	return func(out, p, v []float32) {
		if len(p) == 0 || !inBlocks(out) {
			genericWeightedSum(out, p, v)
			return
		}
		f(&out[0], len(out)/Lanes, &p[0], len(p), &v[0], uintptr(4*len(out)))
	}
}

func scaledBy(f func(out, x, w *float32, r float32, blocks int)) func(out, x, w []float32, r float32) {
	return func(out, x, w []float32, r float32) {
		n := whole(len(x))
		if n > 0 {
			f(&out[0], &x[0], &w[0], r, n/Lanes)
		}
		genericScaled(out[n:], x[n:], w[n:], r)
	}
}

func swigluBy(f func(h, gate, up *float32, blocks int)) func(h, gate, up []float32) {
	return func(h, gate, up []float32) {
		n := whole(len(gate))
		if n > 0 {
			f(&h[0], &gate[0], &up[0], n/Lanes)
		}
		genericSwiGLU(h[n:], gate[n:], up[n:])
	}
}

func deltaRuleBy(f func(o, s, q, k, v *float32, rows, blocks int, stride uintptr, alpha, beta float32)) func(o, s, q, k, v []float32, alpha, beta float32) {
	return func(o, s, q, k, v []float32, alpha, beta float32) {
		n := whole(len(v))
		if n > 0 && len(k) > 0 {
			f(&o[0], &s[0], &q[0], &k[0], &v[0], len(k), n/Lanes, uintptr(4*len(v)), alpha, beta)
		}
		deltaColumns(o, s, q, k, v, alpha, beta, n)
	}
}

func swigluGradBy(f func(dgate, dup, dh, gate, up *float32, blocks int)) func(dgate, dup, dh, gate, up []float32) {
	return func(dgate, dup, dh, gate, up []float32) {
		n := whole(len(gate))
		if n > 0 {
			f(&dgate[0], &dup[0], &dh[0], &gate[0], &up[0], n/Lanes)
		}
		genericSwiGLUGrad(dgate[n:], dup[n:], dh[n:], gate[n:], up[n:])
	}
}

// expSumTail is expSum for fewer than 16 values; lane holds the sums of those
// before.
func expSumTail(lane *[Lanes]float32, x []float32, max float32) float32 {
	for i, v := range x {
		x[i] = Exp(v - max)
		lane[i] += x[i]
	}
	return sumLanes(lane)
}

// pairBy is for what changes x by y, element by element; generic does the same.
func pairBy(f func(x, y *float32, blocks int), generic func(x, y []float32)) func(x, y []float32) {
	return func(x, y []float32) {
		n := whole(len(y))
		if n > 0 {
			f(&x[0], &y[0], n/Lanes)
		}
		generic(x[n:], y[n:])
	}
}

func maxBy(f func(x *float32, blocks int) float32) func(x []float32) float32 {
	return func(x []float32) float32 {
		n := whole(len(x))
		most := genericMax(x[n:])
		if n > 0 {
			most = max(most, f(&x[0], n/Lanes)) + 0
		}
		return most
	}
}

func rotateBy(f func(lo, hi, cos, sin *float32, scale float32, blocks int)) func(v, cos, sin []float32, scale float32) {
	return func(v, cos, sin []float32, scale float32) {
		half := len(cos)
		if half == 0 || half%Lanes != 0 {
			genericRotate(v, cos, sin, scale)
			return
		}
		f(&v[0], &v[half], &cos[0], &sin[0], scale, half/Lanes)
	}
}

type (
	scoresFunc    func(out *float32, stride uintptr, q *int8, scale *float32, bias *int32, count uintptr, k *int8, kscale *float32, groups int, next *int8, nextScale *float32)
	addValuesFunc func(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)
)

// scoresBy takes kernels for 1, 2, 4 … queries at a time.
func scoresBy(kernels ...scoresFunc) func([]float32, int, *Queries, kvBlock, kvBlock) {
	return func(out []float32, stride int, q *Queries, at, ahead kvBlock) {
		k, kscale := at.keys(q.dim)
		nextK, nextScale := ahead.keys(q.dim)
		for i := 0; i < q.n; {
			f := widest(len(kernels), q.n-i)
			kernels[f](&out[i*stride], uintptr(4*stride), &q.q[i*ActGroup], &q.scale[i], &q.bias[i], uintptr(q.n),
				k, kscale, q.dim/ActGroup, nextK, nextScale)
			i += 1 << f
		}
	}
}

// addValuesBy takes kernels for 1, 2, 4 … weights at a time.
func addValuesBy(kernels ...addValuesFunc) func([]float32, []float32, int, int, kvBlock, kvBlock) {
	return func(out, w []float32, stride, n int, at, ahead kvBlock) {
		d := len(out) / n
		v, vscale := at.values(d)
		nextV, nextScale := ahead.values(d)
		for i := 0; i < n; {
			f := widest(len(kernels), n-i)
			kernels[f](&out[i*d], uintptr(4*d), &w[i*stride], uintptr(4*stride), v, vscale, d/ActGroup, nextV, nextScale)
			i += 1 << f
		}
	}
}

// widest returns the last of so many kernels, the f-th of which does 2^f rows,
// that does no more than left rows.
func widest(kernels, left int) (f int) {
	for f+1 < kernels && 2<<f <= left {
		f++
	}
	return f
}

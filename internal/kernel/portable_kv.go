package kernel

import "math"

func portableScores(out []float32, stride int, q *Queries, at, _ kvBlock) {
	const size = KVLen * ActGroup
	r, first := at.run, at.block*KVLen*q.dim
	for i := range q.n {
		scores := (*[KVLen]float32)(out[i*stride:])
		clear(scores[:])
		for a := range q.dim / ActGroup {
			group := a*q.n + i
			dots := keyDots((*[ActGroup]int8)(q.q[group*ActGroup:]), (*[size]int8)(r.K[first+a*size:]))
			scale := (*[KVLen]float32)(r.KScale[first/ActGroup+a*KVLen:])
			for p, dot := range dots {
				scores[p] += float32(float32(float32(dot)*scale[p]) * q.scale[group])
			}
		}
	}
}

// keyDots are the products of a group of a query with those of a block's keys.
func keyDots(q *[ActGroup]int8, k *[KVLen * ActGroup]int8) (dots [KVLen]int32) {
	for c := range ActGroup / maskCols {
		q0, q1, q2, q3 := int32(q[maskCols*c]), int32(q[maskCols*c+1]), int32(q[maskCols*c+2]), int32(q[maskCols*c+3])
		k := (*[KVLen * maskCols]int8)(k[c*KVLen*maskCols:])
		for p := range dots {
			dots[p] += q0*int32(k[maskCols*p]) + q1*int32(k[maskCols*p+1]) + q2*int32(k[maskCols*p+2]) + q3*int32(k[maskCols*p+3])
		}
	}
	return dots
}

func portableAddValues(out, w []float32, stride, n int, at, _ kvBlock) {
	const size = KVLen * ActGroup
	d := len(out) / n
	r, first := at.run, at.block*KVLen*d
	for i := range n {
		weights := (*[KVLen]float32)(w[i*stride:])
		for a := range d / ActGroup {
			q, step := quantizeWeightsFast(weights, (*[KVLen]float32)(r.VScale[first/ActGroup+a*KVLen:]))
			sums := valueSums(&q, (*[size]int8)(r.V[first+a*size:]))
			out := (*[ActGroup]float32)(out[i*d+a*ActGroup:])
			for j, sum := range sums {
				out[j] += float32(float32(sum) * step)
			}
		}
	}
}

// quantizeWeightsFast is quantizeWeights for a block, without a call for a rounding.
func quantizeWeightsFast(w, scale *[KVLen]float32) (q [KVLen]int32, step float32) {
	var v [KVLen]float32
	most := float32(tinyMax)
	for p, x := range w {
		v[p] = x * scale[p]
		most = max(most, math.Float32frombits(math.Float32bits(v[p])&^(1<<31)))
	}
	inv := weightMax / most
	for p, x := range v {
		q[p] = nearest(float32(x * inv))
	}
	return q, float32(most * weightStep)
}

// valueSums are the weighted sums of a group of a block's values.
func valueSums(w *[KVLen]int32, v *[KVLen * ActGroup]int8) (sums [ActGroup]int32) {
	for p := 0; p < KVLen; p += 2 {
		w0, w1 := w[p], w[p+1]
		v := (*[2 * ActGroup]int8)(v[p*ActGroup:])
		for j := range sums {
			sums[j] += w0*int32(v[2*j]) + w1*int32(v[2*j+1])
		}
	}
	return sums
}

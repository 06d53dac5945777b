package kernel

import "math"

func genericScores(out []float32, stride int, q *Queries, b, _ *KVBlock) {
	for i := range q.n {
		for p := range KVLen {
			var sum float32
			for a := range q.dim / ActGroup {
				at := a*q.n + i
				var dot int32
				for j, x := range q.q[at*ActGroup : (at+1)*ActGroup] {
					col := a*ActGroup + j
					dot += int32(x) * int32(b.K[(col/maskCols*KVLen+p)*maskCols+col%maskCols])
				}
				sum += float32(float32(float32(dot)*b.KScale[a*KVLen+p]) * q.scale[at])
			}
			out[i*stride+p] = sum
		}
	}
}

func genericAddValues(out, w []float32, stride, n int, b, _ *KVBlock) {
	d := b.dim()
	for i := range n {
		for at := range d / ActGroup * KVLen { // group at/KVLen, position at%KVLen
			weight := coarse(w[i*stride+at%KVLen] * b.VScale[at])
			sum := out[i*d+at/KVLen*ActGroup:]
			for j, v := range b.V[at*ActGroup : (at+1)*ActGroup] {
				sum[j] += float32(weight * float32(v))
			}
		}
	}
}

// coarse rounds x to 16 significant bits: 16 + 7 bits of an int8 are fewer than
// the 24 of a float32.
func coarse(x float32) float32 {
	return math.Float32frombits((math.Float32bits(x) + coarseHalf) & coarseMask)
}

const (
	coarseHalf = 1 << 7
	coarseMask = 1<<32 - 1<<8
)

package kernel

import "math"

func genericScores(out []float32, stride int, q *Queries, at, _ kvBlock) {
	r, first := at.run, at.block*KVLen*q.dim
	for i := range q.n {
		for p := range KVLen {
			var sum float32
			for a := range q.dim / ActGroup {
				group := a*q.n + i
				var dot int32
				for j, x := range q.q[group*ActGroup : (group+1)*ActGroup] {
					col := a*ActGroup + j
					dot += int32(x) * int32(r.K[first+(col/maskCols*KVLen+p)*maskCols+col%maskCols])
				}
				sum += float32(float32(float32(dot)*r.KScale[first/ActGroup+a*KVLen+p]) * q.scale[group])
			}
			out[i*stride+p] = sum
		}
	}
}

const (
	weightMax  = 1<<15 - 1
	weightStep = 1.0 / weightMax
)

func genericAddValues(out, w []float32, stride, n int, at, _ kvBlock) {
	d := len(out) / n
	r, first := at.run, at.block*KVLen*d
	for i := range n {
		for a := range d / ActGroup {
			weight, step := quantizeWeights(w[i*stride:][:KVLen], r.VScale[first/ActGroup+a*KVLen:][:KVLen])
			for j := range ActGroup {
				var sum int32
				for p, q := range weight {
					sum += q * int32(r.V[first+((a*KVLen+p&^1)*ActGroup)+2*j+p&1])
				}
				out[i*d+a*ActGroup+j] += float32(float32(sum) * step)
			}
		}
	}
}

// quantizeWeights: w·scale ≈ q·step with the largest |q| = weightMax.
func quantizeWeights(w, scale []float32) (q [KVLen]int32, step float32) {
	most := float32(tinyMax)
	for p, x := range w {
		most = max(most, float32(math.Abs(float64(x*scale[p]))))
	}
	inv := weightMax / most
	for p, x := range w {
		q[p] = int32(math.RoundToEven(float64(float32(x*scale[p]) * inv)))
	}
	return q, float32(most * weightStep)
}

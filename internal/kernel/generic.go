package kernel

import "math"

// Generic is the oracle: plain Go, written to be read. Products are converted
// explicitly because the compiler may otherwise fuse a multiplication with an
// addition on some CPUs, which changes the last bit.
var Generic = &Set{
	Name:        "generic",
	layout:      tables,
	acts:        plainActs,
	matMul:      genericMatMul,
	quantize:    genericQuantize,
	dots:        genericDots,
	dot:         genericDot,
	weightedSum: genericWeightedSum,
	scaled:      genericScaled,
	swiglu:      genericSwiGLU,
	swigluGrad:  genericSwiGLUGrad,
	expSum:      genericExpSum,

	transpose:     transposeFunc(genericTransposeFast),
	expand:        genericExpand,
	quantizeGroup: genericQuantizeGroup,
	scores:        genericScores,
	addValues:     genericAddValues,

	add:    genericAdd,
	max:    genericMax,
	rotate: genericRotate,

	deltaRule: genericDeltaRule,
	gate:      genericGate,
}

// genericMatMul takes matrices of every layout: it reads them as blocks of the file.
func genericMatMul(y []float32, ystride int, w *Matrix, group0, group1 int, blocks []block, exact bool, tile0, tile1 int) {
	dot := genericFast
	if exact {
		dot = genericExact
	}
	row := make([][BlockBytes]byte, group1-group0)
	for r := tile0 * w.layout.rows; r < min(tile1*w.layout.rows, w.Rows); r++ {
		for g := range row {
			w.block(&row[g], r, group0+g)
		}
		for i := range blocks {
			b := &blocks[i]
			for t := range b.width {
				y[(b.token+t)*ystride+r] = dot(row, b, t)
			}
		}
	}
}

// genericFast: per group of 128 columns with scale d, and activation groups a of
// 32 with scale s_a, the result is Σ d·Σ_a s_a·I_a where I_a = Σ±q is an exact
// integer below 2^13.
func genericFast(row [][BlockBytes]byte, b *block, t int) float32 {
	var sum float32
	for g := range row {
		var p float32
		for a := range actGroups {
			var dot int32
			for j := a * ActGroup; j < (a+1)*ActGroup; j++ {
				q := int32(b.q[b.at(g*GroupSize+j, t)])
				if !positive(&row[g], j) {
					q = -q
				}
				dot += q
			}
			p += float32(float32(dot) * b.scale[(g*actGroups+a)*b.stride+t])
		}
		sum += float32(p * scaleOf(&row[g]))
	}
	return sum
}

// positive says that the weight of column j of a block is positive.
func positive(block *[BlockBytes]byte, j int) bool { return block[2+j/8]>>(j%8)&1 != 0 }

// genericExact: Σ d·p with p = Σ±x over the group, in column order.
func genericExact(row [][BlockBytes]byte, b *block, t int) float32 {
	var sum float32
	for g := range row {
		var p float32
		for j := range GroupSize {
			x := b.f[(g*GroupSize+j)*b.stride+t]
			if !positive(&row[g], j) {
				x = -x
			}
			p += x
		}
		sum += float32(p * scaleOf(&row[g]))
	}
	return sum
}

// tinyMax is the largest |x| of a group that is stored as zeros: below it
// 127/max|x| would overflow.
const tinyMax = 1e-30

func genericQuantize(b *block, t int, x []float32) {
	for a := range len(x) / ActGroup {
		lo := a * ActGroup
		q, scale, _ := genericQuantizeGroup(x[lo : lo+ActGroup])
		for j, v := range q {
			b.q[b.at(lo+j, t)] = v
		}
		b.scale[a*b.stride+t] = scale
	}
}

// genericQuantizeGroup: q = round(x·127/max|x|), ties to even.
func genericQuantizeGroup(x []float32) (q [ActGroup]int8, scale float32, sum int32) {
	var most float32
	for _, f := range x {
		most = max(most, float32(math.Abs(float64(f))))
	}
	var inv float32
	if most >= tinyMax {
		inv, scale = 127/most, most/127
	}
	for j, f := range x {
		q[j] = int8(math.RoundToEven(float64(f * inv)))
		sum += int32(q[j])
	}
	return q, scale, sum
}

func genericDots(out, q, k []float32) {
	for i := range out {
		var lane [Lanes]float32
		row := k[i*len(q) : (i+1)*len(q)]
		for j, v := range q {
			lane[j%Lanes] += float32(v * row[j])
		}
		out[i] = sumLanes(&lane)
	}
}

func genericDot(x, y []float32) float32 {
	var out [1]float32
	genericDots(out[:], x, y)
	return out[0]
}

func sumLanes(l *[Lanes]float32) float32 {
	for n := Lanes / 2; n > 0; n /= 2 {
		for i := range n {
			l[i] += l[i+n]
		}
	}
	return l[0]
}

func genericWeightedSum(out, p, v []float32) {
	for t, w := range p {
		row := v[t*len(out) : (t+1)*len(out)]
		for d := range out {
			out[d] += float32(w * row[d])
		}
	}
}

func genericScaled(out, x, w []float32, r float32) {
	for i, v := range x {
		out[i] = float32(v*r) * w[i]
	}
}

func genericExpSum(x []float32, max float32) float32 {
	var lane [Lanes]float32
	for i, v := range x {
		x[i] = Exp(v - max)
		lane[i%Lanes] += x[i]
	}
	return sumLanes(&lane)
}

func genericAdd(x, y []float32) {
	for i, v := range y {
		x[i] += v
	}
}

func genericMax(x []float32) float32 {
	most := float32(math.Inf(-1))
	for _, v := range x {
		most = max(most, v)
	}
	return most + 0 // −0 + 0 is +0
}

func genericRotate(v, cos, sin []float32, scale float32) {
	half := len(cos)
	lo, hi := v[:half], v[half:2*half]
	for i, c := range cos {
		a, b, s := lo[i], hi[i], sin[i]
		lo[i] = (float32(a*c) - float32(b*s)) * scale
		hi[i] = (float32(b*c) + float32(a*s)) * scale
	}
}

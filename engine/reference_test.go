package engine

import (
	"fmt"
	"math"
)

// reference is Qwen3 in float64, one sequence at a time, written to be compared
// with: no batches, no caches, no kernels.
type reference struct {
	m       *Model
	weights map[string][]float32 // of the matrices used so far
	// nudge, if set, may change what a projection or the SwiGLU of a layer has
	// just computed for the token at a position: name is that of the tensor, or
	// "hidden".
	nudge func(layer int, name string, pos int, y []float64)
	// adapter, if set, is added to the matrices.
	adapter *Adapter
}

func (f *reference) matrix(tensor string, x []float64) []float64 {
	w := f.m.matrices[tensor]
	all := f.weights[tensor]
	if all == nil {
		all = make([]float32, w.Rows*w.Cols)
		for r := range w.Rows {
			w.Row(all[r*w.Cols:(r+1)*w.Cols], r)
		}
		f.weights[tensor] = all
	}
	y := make([]float64, w.Rows)
	for r := range y {
		var sum float64
		for j, v := range all[r*w.Cols : (r+1)*w.Cols] {
			sum += float64(v) * x[j]
		}
		y[r] = sum
	}
	f.adapt(tensor, x, y)
	return y
}

func (f *reference) adapt(tensor string, x, y []float64) {
	if f.adapter == nil {
		return
	}
	for _, p := range f.adapter.factors {
		if p.Tensor != tensor {
			continue
		}
		for i := range f.adapter.rank {
			var z float64
			for j, v := range x {
				z += float64(p.A[i*len(x)+j]) * v
			}
			for r := range y {
				y[r] += float64(f.adapter.Scale) * float64(p.B[i*len(y)+r]) * z
			}
		}
	}
}

func (f *reference) norm(x []float64, w []float32) []float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(w[i]) * v / math.Sqrt(sum/float64(len(x))+float64(f.m.config.RMSEps))
	}
	return out
}

func (f *reference) rotate(v []float64, pos int) {
	half := len(v) / 2
	for i := range half {
		turn, scale := f.turn(i, float64(len(v)))
		s, c := math.Sincos(float64(pos) * turn)
		s, c = s*scale, c*scale
		v[i], v[i+half] = v[i]*c-v[i+half]*s, v[i+half]*c+v[i]*s
	}
}

// turn is the angle by which pair i of d/2 turns from one position to the next, and
// what sine and cosine are multiplied by. With YaRN, pairs that turn often over the
// original context keep their angle, those that hardly turn have it divided.
func (f *reference) turn(i int, d float64) (angle, scale float64) {
	theta := f.m.config.RopeTheta
	angle = math.Pow(theta, -2*float64(i)/d)
	y := f.m.config.Yarn
	if y == nil {
		return angle, 1
	}
	pairOf := func(turns float64) float64 {
		return d * math.Log(float64(y.Original)/(2*math.Pi*turns)) / (2 * math.Log(theta))
	}
	low, high := math.Max(0, math.Floor(pairOf(y.BetaFast))), math.Min(d-1, math.Ceil(pairOf(y.BetaSlow)))
	ramp := math.Min(1, math.Max(0, (float64(i)-low)/math.Max(0.001, high-low)))
	divided := ramp*y.ExtFactor + (1 - y.ExtFactor)
	return angle*(1-divided) + angle/y.Factor*divided, y.AttnFactor * (1 + 0.1*math.Log(y.Factor))
}

// sequence returns the log-probabilities of what may follow each token from the
// given one on.
func (f *reference) sequence(ids []int32, from int) [][]float64 {
	c := f.m.config
	x := make([][]float64, len(ids))
	for t, id := range ids {
		row := make([]float32, c.Hidden)
		f.m.embedding.Row(row, int(id))
		for _, v := range row {
			x[t] = append(x[t], float64(v))
		}
	}
	for i := range c.Layers {
		f.layer(i, x)
	}
	head := "output.weight"
	if c.Tied {
		head = "token_embd.weight"
	}
	x = x[from:]
	for t := range x {
		logits := f.matrix(head, f.norm(x[t], f.m.outputNorm))
		most, sum := logits[0], 0.0
		for _, l := range logits {
			most = max(most, l)
		}
		for _, l := range logits {
			sum += math.Exp(l - most)
		}
		for v := range logits {
			logits[v] -= most + math.Log(sum)
		}
		x[t] = logits
	}
	return x
}

func (f *reference) layer(i int, x [][]float64) {
	c, a, l := f.m.config, f.m.blocks[2*i].(*attention), f.m.blocks[2*i+1].(*mlp)
	project := func(name string, pos int, x []float64) []float64 {
		tensor := fmt.Sprintf("blk.%d.%s.weight", i, name)
		y := f.matrix(tensor, x)
		if f.nudge != nil {
			f.nudge(i, tensor, pos, y)
		}
		return y
	}
	d := c.HeadDim
	var ks, vs [][]float64
	for t := range x {
		in := f.norm(x[t], a.norm)
		q, k := project("attn_q", t, in), project("attn_k", t, in)
		ks, vs = append(ks, k), append(vs, project("attn_v", t, in))
		for h := range c.KVHeads {
			copy(k[h*d:], f.norm(k[h*d:(h+1)*d], a.kNorm))
			f.rotate(k[h*d:(h+1)*d], t)
		}
		out := make([]float64, len(q))
		for h := range c.Heads {
			query := f.norm(q[h*d:(h+1)*d], a.qNorm)
			f.rotate(query, t)
			at := h / (c.Heads / c.KVHeads) * d
			f.attend(out[h*d:(h+1)*d], query, ks, vs, at)
		}
		for j, v := range project("attn_output", t, out) {
			x[t][j] += v
		}
	}
	for t := range x {
		in := f.norm(x[t], l.norm)
		gate, up := project("ffn_gate", t, in), project("ffn_up", t, in)
		for j, g := range gate {
			up[j] *= g / (1 + math.Exp(-g))
		}
		if f.nudge != nil {
			f.nudge(i, "hidden", t, up)
		}
		for j, v := range project("ffn_down", t, up) {
			x[t][j] += v
		}
	}
}

func (f *reference) attend(out, query []float64, ks, vs [][]float64, at int) {
	var sum float64
	for j, k := range ks {
		var s float64
		for n, q := range query {
			s += q * k[at+n]
		}
		p := math.Exp(s / math.Sqrt(float64(len(query))))
		sum += p
		for n := range out {
			out[n] += p * vs[j][at+n]
		}
	}
	for n := range out {
		out[n] /= sum
	}
}

// value is F, and the log-probability of each answer.
func (f *reference) value(q WeightedQuestion) (sum float64, answers []float64) {
	for k, a := range q.Answers {
		ids := append(append([]int32{}, q.Prompt...), a[:len(a)-1]...)
		p := f.sequence(ids, len(q.Prompt)-1)
		var lp float64
		for n, id := range a {
			lp += p[n][id]
		}
		answers = append(answers, lp)
		for n, id := range a {
			sum += plainValue(q.of(k), q.Reference, n, int(id), p[n])
		}
	}
	return sum, answers
}

package engine

import "math"

// reference is Qwen3, or its hybrid, in float64, one sequence at a time, written to be compared
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
		// Four sums: in one, each addition waits for the one before it.
		var sums [4]float64
		row, x := all[r*w.Cols:(r+1)*w.Cols], x
		for len(row) >= 4 && len(x) >= 4 { // rows are groups of 128
			sums[0] += float64(row[0]) * x[0]
			sums[1] += float64(row[1]) * x[1]
			sums[2] += float64(row[2]) * x[2]
			sums[3] += float64(row[3]) * x[3]
			row, x = row[4:], x[4:]
		}
		y[r] = sums[0] + sums[1] + (sums[2] + sums[3])
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
	switch mix := f.m.blocks[2*i].(type) {
	case *attention:
		f.attention(mix, x)
	case *deltaNet:
		f.deltaNet(mix, x)
	}
	l := f.m.blocks[2*i+1].(*mlp)
	for t := range x {
		in := f.norm(x[t], l.norm)
		gate, up := f.project(i, l.gate, t, in), f.project(i, l.up, t, in)
		for j, g := range gate {
			up[j] *= silu(g)
		}
		if f.nudge != nil {
			f.nudge(i, "hidden", t, up)
		}
		for j, v := range f.project(i, l.down, t, up) {
			x[t][j] += v
		}
	}
}

func (f *reference) project(layer int, w projection, pos int, x []float64) []float64 {
	y := f.matrix(w.tensor, x)
	if f.nudge != nil {
		f.nudge(layer, w.tensor, pos, y)
	}
	return y
}

func silu(x float64) float64 { return x * logistic(x) }

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func (f *reference) attention(a *attention, x [][]float64) {
	c := f.m.config
	d, step := c.HeadDim, c.HeadDim // from the queries of a head to those of the next
	if c.Gated {
		step = 2 * d
	}
	var ks, vs [][]float64
	for t := range x {
		in := f.norm(x[t], a.norm)
		q, k := f.project(a.layer, a.q, t, in), f.project(a.layer, a.k, t, in)
		ks, vs = append(ks, k), append(vs, f.project(a.layer, a.v, t, in))
		for h := range c.KVHeads {
			copy(k[h*d:], f.norm(k[h*d:(h+1)*d], a.kNorm))
			f.rotate(k[h*d:h*d+c.Rotary], t)
		}
		out := make([]float64, c.Heads*d)
		for h := range c.Heads {
			query := f.norm(q[h*step:h*step+d], a.qNorm)
			f.rotate(query[:c.Rotary], t)
			at := h / (c.Heads / c.KVHeads) * d
			f.attend(out[h*d:(h+1)*d], query, ks, vs, at)
			for j := range d {
				if c.Gated {
					out[h*d+j] *= logistic(q[h*step+d+j])
				}
			}
		}
		for j, v := range f.project(a.layer, a.o, t, out) {
			x[t][j] += v
		}
	}
}

// deltaNet follows the formulas token by token, with a matrix S for each value head.
func (f *reference) deltaNet(n *deltaNet, x [][]float64) {
	c := f.m.config.Delta
	d, keys := c.HeadDim, c.KeyHeads*c.HeadDim
	unit := func(x []float64) []float64 {
		sum, y := float64(f.m.config.RMSEps), make([]float64, len(x))
		for _, v := range x {
			sum += v * v
		}
		for i, v := range x {
			y[i] = v / math.Sqrt(sum)
		}
		return y
	}
	gate := func(g gate, pos int, x []float64) []float64 {
		if g.floats == nil {
			return f.project(n.layer, g.projection, pos, x)
		}
		y := make([]float64, c.ValueHeads)
		for i, w := range g.floats {
			y[i/len(x)] += float64(w) * x[i%len(x)]
		}
		return y
	}
	memory := make([][][]float64, c.ValueHeads) // [head][key dimension][value dimension]
	for h := range memory {
		for range d {
			memory[h] = append(memory[h], make([]float64, d))
		}
	}
	var ms [][]float64
	for t := range x {
		in := f.norm(x[t], n.norm)
		ms = append(ms, f.project(n.layer, n.qkv, t, in))
		u := make([]float64, c.Channels())
		for i := range u {
			for j, w := range n.taps {
				if from := t - len(n.taps) + 1 + j; from >= 0 {
					u[i] += float64(w[i]) * ms[from][i]
				}
			}
			u[i] = silu(u[i])
		}
		alpha, beta, z := gate(n.alpha, t, in), gate(n.beta, t, in), f.project(n.layer, n.z, t, in)
		y := make([]float64, c.ValueHeads*d)
		for h, s := range memory {
			key := h % c.KeyHeads
			q, k, v := unit(u[key*d:][:d]), unit(u[keys+key*d:][:d]), u[2*keys+h*d:][:d]
			fade := math.Exp(float64(n.a[h]) * math.Log1p(math.Exp(alpha[h]+float64(n.dt[h]))))
			had, out := make([]float64, d), make([]float64, d)
			for i, row := range s {
				for j := range row {
					row[j] *= fade
					had[j] += k[i] * row[j]
				}
			}
			strength, scale := logistic(beta[h]), 1/math.Sqrt(float64(d))
			for i, row := range s {
				for j := range row {
					row[j] += k[i] * strength * (v[j] - had[j])
					out[j] += q[i] * scale * row[j]
				}
			}
			for j, v := range f.norm(out, n.headNorm) {
				y[h*d+j] = v * silu(z[h*d+j])
			}
		}
		for j, v := range f.project(n.layer, n.out, t, y) {
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

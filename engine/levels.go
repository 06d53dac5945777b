package engine

import "slices"

// levels sort tokens roughly, by how far their logits are below the largest, in 16
// levels a nat: enough to tell in which of them a sum of weights, the likeliest
// token's first, passes a value. Only that level is then put in order.
type levels struct {
	sums   [lastLevel + 1]int64 // of the weights in each
	odds   [rankBlock]float32   // of a block of tokens
	tokens []rank               // of one level
}

// lastLevel also has all that is further than 64 nats below.
const lastLevel = 1023

func levelOf(below float32) int {
	if level := below * 16; level < lastLevel {
		return int(level)
	}
	return lastLevel
}

// weigh sums the weights of the levels up to last, level by level and together.
func (v *levels) weigh(all *ranking, o odds, last int) (sum int64) {
	clear(v.sums[:])
	for n, top := range all.tops {
		if levelOf(o.most-top) > last {
			continue
		}
		block := all.block(n)
		p := v.odds[:len(block)]
		all.kernel.Scaled(p, block, ones[:len(block)], o.inverse)
		all.kernel.ExpSum(p, o.top)
		for i, l := range block {
			v.sums[levelOf(o.most-l)] += weightOf(p[i])
		}
	}
	for _, w := range v.sums[:last+1] {
		sum += w
	}
	return sum
}

var ones = func() (x [rankBlock]float32) {
	for i := range x {
		x[i] = 1
	}
	return x
}()

// list returns the tokens of a level, the likeliest first.
func (v *levels) list(all *ranking, o odds, level int) []rank {
	v.tokens = v.tokens[:0]
	for n, top := range all.tops {
		if levelOf(o.most-top) > level {
			continue
		}
		for i, l := range all.block(n) {
			if levelOf(o.most-l) == level {
				v.tokens = append(v.tokens, rankOf(l, n*rankBlock+i))
			}
		}
	}
	slices.Sort(v.tokens)
	return v.tokens
}

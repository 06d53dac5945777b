package dataset

import "slices"

// union holds which examples belong together (disjoint sets).
type union struct{ parent []int32 }

func newUnion(n int) *union {
	u := &union{make([]int32, n)}
	for i := range u.parent {
		u.parent[i] = int32(i)
	}
	return u
}

func (u *union) clone() *union { return &union{slices.Clone(u.parent)} }

func (u *union) find(i int) int {
	for int(u.parent[i]) != i {
		u.parent[i] = u.parent[u.parent[i]]
		i = int(u.parent[i])
	}
	return i
}

// join puts two together; the lesser index stands for both.
func (u *union) join(a, b int) {
	a, b = u.find(a), u.find(b)
	u.parent[max(a, b)] = int32(min(a, b))
}

// joinEqual puts together what has the same key.
func (u *union) joinEqual(keys []uint64) {
	first := make(map[uint64]int, len(keys))
	for i, k := range keys {
		if j, ok := first[k]; ok {
			u.join(j, i)
		} else {
			first[k] = i
		}
	}
}

func (u *union) joinGroups(examples []Example) {
	first := map[string]int{}
	for i := range examples {
		if g := examples[i].Group; g == "" {
			continue
		} else if j, ok := first[g]; ok {
			u.join(j, i)
		} else {
			first[g] = i
		}
	}
}

// joinNear puts near duplicates together and returns how many examples are then with
// others than before. Of examples that are together already the longest is compared.
func (u *union) joinNear(examples []Example) (moved int) {
	before := u.clusters()
	texts := make([]string, len(before))
	for i, c := range before {
		for _, k := range c {
			if t := examples[k].compared(); len(t) > len(texts[i]) || len(t) == len(texts[i]) && t > texts[i] {
				texts[i] = t
			}
		}
	}
	tied := make([]bool, len(before))
	nearPairs(texts,
		func(a, b int) bool { return u.find(before[a][0]) == u.find(before[b][0]) },
		func(a, b int) {
			u.join(before[a][0], before[b][0])
			tied[a], tied[b] = true, true
		})
	for i, t := range tied {
		if t {
			moved += len(before[i])
		}
	}
	return moved
}

// clusters returns the indices that belong together, in order.
func (u *union) clusters() [][]int {
	at := map[int]int{}
	var out [][]int
	for i := range u.parent {
		root := u.find(i)
		k, ok := at[root]
		if !ok {
			k = len(out)
			at[root] = k
			out = append(out, nil)
		}
		out[k] = append(out[k], i)
	}
	return out
}

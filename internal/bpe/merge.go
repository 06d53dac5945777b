package bpe

import (
	"maps"
	"slices"
)

// pairKey packs two token ids into one key.
type pairKey uint64

func keyOf(left, right int32) pairKey { return pairKey(uint32(left))<<32 | pairKey(uint32(right)) }

// merges are the rules by which tokens are joined: a pair's rank is its place in
// the order of learning, and the lowest goes first.
type merges struct {
	bytes [256]int32        // the token of each byte
	rank  map[pairKey]int32 // of a pair
	whole []int32           // by rank: the token that the pair becomes
	split splitter          // a pair is joined within a piece only
}

// without is m but for the pairs that become one of some tokens. In a sound vocabulary
// there are none.
func (m merges) without(tokens []special) merges {
	taken := make(map[int32]bool, len(tokens))
	for _, t := range tokens {
		taken[t.id] = true
	}
	if !slices.ContainsFunc(m.whole, func(id int32) bool { return taken[id] }) {
		return m
	}
	m.rank = maps.Clone(m.rank)
	maps.DeleteFunc(m.rank, func(_ pairKey, rank int32) bool { return taken[m.whole[rank]] })
	return m
}

// merger splits pieces into tokens. It keeps its memory from one piece to the
// next; it is not safe for concurrent use, and cheap to make.
//
// The tokens of a piece form a linked list over the piece's bytes: a token is named
// by the place of its first byte. A heap holds each pair that can be joined, as
// rank<<32|place of its left token, so that its least element is the lowest rank
// and, among equals, the leftmost. A pair that is joined leaves stale elements
// behind, known by a rank that is no longer the one at their place. Thus n bytes
// take O(n log n) steps.
type merger struct {
	*merges
	ids        []int32 // token at each place
	next, prev []int32 // place of the neighbouring tokens
	ranks      []int32 // rank of the pair that begins at each place, or none
	heap       minHeap
}

const none = -1

// appendText appends the tokens of a well-formed text without special tokens.
func (m *merger) appendText(dst []int32, text string) []int32 {
	for text = normalize(text); text != ""; {
		n := m.split.pieceLen(text)
		dst = m.append(dst, text[:n])
		text = text[n:]
	}
	return dst
}

// append splits a piece of text, which is not empty, and appends its tokens.
func (m *merger) append(dst []int32, piece string) []int32 {
	n := len(piece)
	if n == 1 {
		return append(dst, m.bytes[piece[0]])
	}
	m.reset(n)
	for i := range n {
		m.ids[i] = m.merges.bytes[piece[i]]
		m.prev[i], m.next[i] = int32(i-1), int32(i+1)
	}
	for i := range n {
		m.consider(int32(i))
	}
	for len(m.heap) > 0 {
		e := m.heap.pop()
		rank, place := int32(e>>32), int32(uint32(e))
		if m.ranks[place] == rank {
			m.join(place, m.whole[rank])
		}
	}
	for i := 0; i < n; i = int(m.next[i]) {
		dst = append(dst, m.ids[i])
	}
	return dst
}

// reset makes room for n bytes.
func (m *merger) reset(n int) {
	if cap(m.ids) < n {
		// All four have one length and grow together.
		m.ids, m.next, m.prev, m.ranks = make([]int32, n), make([]int32, n), make([]int32, n), make([]int32, n)
	}
	m.ids, m.next, m.prev, m.ranks = m.ids[:n], m.next[:n], m.prev[:n], m.ranks[:n]
}

// consider looks up the pair that begins at a place and queues it if it can be
// joined.
func (m *merger) consider(place int32) {
	m.ranks[place] = none
	right := m.next[place]
	if int(right) == len(m.ids) {
		return
	}
	if rank, ok := m.rank[keyOf(m.ids[place], m.ids[right])]; ok {
		m.ranks[place] = rank
		m.heap.push(uint64(rank)<<32 | uint64(place))
	}
}

// join replaces the pair that begins at a place by one token.
func (m *merger) join(place, whole int32) {
	right := m.next[place]
	after := m.next[right]
	m.ids[place] = whole
	m.ranks[right] = none
	m.next[place] = after
	if int(after) < len(m.ids) {
		m.prev[after] = place
	}
	m.consider(place)
	if before := m.prev[place]; before >= 0 {
		m.consider(before)
	}
}

// minHeap is a binary heap with its least element first. It is container/heap
// without a call through an interface for each comparison.
type minHeap []uint64

func (h *minHeap) push(e uint64) {
	*h = append(*h, e)
	a := *h
	i := len(a) - 1
	for i > 0 {
		up := (i - 1) / 2
		if a[up] <= e {
			break
		}
		a[i] = a[up]
		i = up
	}
	a[i] = e
}

func (h *minHeap) pop() uint64 {
	a := *h
	least := a[0]
	n := len(a) - 1
	e := a[n]
	a = a[:n]
	*h = a
	if n == 0 {
		return least
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= n {
			break
		}
		if down+1 < n && a[down+1] < a[down] {
			down++
		}
		if e <= a[down] {
			break
		}
		a[i] = a[down]
		i = down
	}
	a[i] = e
	return least
}

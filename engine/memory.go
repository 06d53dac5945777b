package engine

import (
	"slices"

	"bankai/internal/kernel"
)

// Memory is the size of a batch's key-value cache, in bytes.
type Memory struct {
	Used int64 // by sequences
	Free int64 // kept for those to come
}

// Memory is what the batch's key-value cache takes now.
func (b *Batch) Memory() Memory { return b.cache.memory().plus(b.once.memory()) }

// Trim gives back the free memory of the key-value cache, of which a batch keeps by
// itself what its last passes needed.
func (b *Batch) Trim() {
	for _, c := range []*cache{&b.cache, &b.once} {
		c.floats.keep(0)
		c.far.keep(0)
	}
}

// SeqBytes is the size of the key-value cache of a sequence of a number of tokens,
// between passes. Forks share most of theirs.
func (m *Model) SeqBytes(tokens int) int64 {
	c := newCache(m, false)
	far := c.farBlocks(tokens)
	return c.bytes(blocksOf(tokens)-far, (far+farRun-1)/farRun)
}

// mostSeqBytes is the most that a sequence takes until it has a number of tokens, in
// passes of one token.
func (m *Model) mostSeqBytes(tokens int) int64 {
	c := newCache(m, false)
	blocks, far := blocksOf(tokens), c.farBlocks(tokens)
	if c.int8 {
		blocks = min(blocks, nearBlocks)
	}
	return c.bytes(blocks, (far+farRun-1)/farRun)
}

// passBytes is what a chunk of tokens of prompts takes, beside the keys and values of sequences, while a pass runs:
// blocks stay floats until it ends.
func (b *Batch) passBytes(tokens int) int64 {
	if !b.cache.int8 {
		return 0
	}
	return b.cache.bytes(min(tokens, b.max)/kvBlockLen+1, 0)
}

func (c *cache) memory() Memory {
	return Memory{Used: c.bytes(c.floats.used, c.far.used), Free: c.bytes(len(c.floats.free), len(c.far.free))}
}

// bytes is the size of a number of blocks as floats and of a number of chunks.
func (c *cache) bytes(blocks, chunks int) int64 {
	heads := 2 * c.layers * c.kvHeads // keys and values
	bytes, floats := kernel.KVRunSizes(c.headDim, farRun)
	return int64(heads) * (int64(blocks)*4*kvBlockLen*int64(c.headDim) + int64(chunks)*int64(bytes+4*floats))
}

func (m Memory) plus(n Memory) Memory { return Memory{m.Used + n.Used, m.Free + n.Free} }

// FillRandom adds n tokens to s that were never computed, with keys and values
// drawn at random: for measuring what it takes to generate behind a long context,
// whose computation may take minutes.
func (s *Seq) FillRandom(n int) {
	b := s.batch
	b.team = b.model.workers.start()
	defer b.team.stop()
	for part := range slices.Chunk(make([]int32, n), b.max) {
		s.reserve(len(part))
		p := &pass{spans: []span{{seq: s, tokens: part}}}
		for _, st := range s.states {
			st.random(b, p)
		}
		b.finish(p)
	}
}

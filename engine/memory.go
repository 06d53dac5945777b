package engine

import (
	"slices"

	"bankai/internal/kernel"
)

// Memory is the size of what a batch's sequences carry from token to token, in bytes: keys
// and values, and the states of delta-nets.
type Memory struct {
	Used int64 // by sequences
	Free int64 // kept for those to come
}

// Memory is what the batch's sequences take now.
func (b *Batch) Memory() Memory { return b.cache.memory().plus(b.once.memory()) }

// Trim gives back the free memory of sequences that have ended, of which a batch keeps by
// itself what its last passes needed.
func (b *Batch) Trim() {
	for _, c := range []*cache{&b.cache, &b.once} {
		c.floats.keep(0)
		c.far.keep(0)
		c.delta.keep(0)
	}
}

// SeqBytes is the size of the keys and values of a sequence of a number of tokens, between
// passes, of which forks share most, and of the states of its delta-nets, of which every
// fork has its own.
func (m *Model) SeqBytes(tokens int) int64 {
	c := newCache(m, false)
	far := c.farBlocks(tokens)
	return c.bytes(blocksOf(tokens)-far, chunksOf(far), 1)
}

// mostTokens is how many tokens the sequence of a request has at most.
func (m *Model) mostTokens(q Request) int {
	const most = 1 << 30 // lest a sum overflow: none has so much memory
	tokens := len(q.Prompt) + min(max(q.Max, 0), most)
	if limit := m.config.Context; limit > 0 {
		tokens = min(tokens, limit)
	}
	return tokens
}

// mostSeqBytes is the most that a new sequence takes until it has a number of tokens, in
// passes of one token.
func (m *Model) mostSeqBytes(tokens int) int64 {
	c := newCache(m, false)
	return c.bytes(c.mostFloats(tokens), c.mostChunks(farKV{}, tokens, nil), 1)
}

// mostChunks is how many chunks a sequence that has come to f takes at most until it has
// a number of tokens, if others part from it behind some of them.
func (c *cache) mostChunks(f farKV, tokens int, parted []int) int {
	far := c.farBlocks(tokens)
	chunks := len(f.parts) + chunksOf(max(0, far-f.blocks))
	if f.blocks > 0 {
		chunks++ // the next block may find its place in the last one taken
	}
	for _, at := range parted {
		if block := at / kvBlockLen; block >= f.blocks && block < far {
			chunks++
		}
	}
	return min(chunks, max(far, len(f.parts)))
}

// mostFloats is how many blocks a sequence has as floats at most, until it has a number
// of tokens.
func (c *cache) mostFloats(tokens int) int {
	if c.int8 {
		return min(blocksOf(tokens), nearBlocks)
	}
	return blocksOf(tokens)
}

// LoopBytes is the least [LoopOptions.MaxBytes] with which a Loop can run a sequence of a
// number of tokens: half of them may be taken by what a step reads.
func (m *Model) LoopBytes(tokens int) int64 {
	seq := m.mostSeqBytes(tokens)
	return seq + max(seq, m.NewBatch(0).passBytes(leastChunk))
}

// chunksOf is how many chunks a number of blocks takes that lie together.
func chunksOf(blocks int) int { return (blocks + farRun - 1) / farRun }

// passBytes is what a chunk of tokens of prompts takes, beside the keys and values of sequences, while a pass runs:
// blocks stay floats until it ends.
func (b *Batch) passBytes(tokens int) int64 {
	if !b.cache.int8 {
		return 0
	}
	return b.cache.bytes(min(tokens, b.max)/kvBlockLen+1, 0, 0)
}

func (c *cache) memory() Memory {
	return Memory{
		Used: c.bytes(c.floats.used, c.far.used, c.delta.used),
		Free: c.bytes(len(c.floats.free), len(c.far.free), len(c.delta.free)),
	}
}

// bytes is the size of numbers of blocks as floats, of chunks, and of states of delta-nets.
func (c *cache) bytes(blocks, chunks, states int) int64 {
	heads := 2 * c.layers * c.kvHeads // keys and values
	bytes, floats := kernel.KVRunSizes(c.headDim, farRun)
	return int64(heads)*(int64(blocks)*4*kvBlockLen*int64(c.headDim)+int64(chunks)*int64(bytes+4*floats)) + int64(states)*c.deltaBytes
}

func (m Memory) plus(n Memory) Memory { return Memory{m.Used + n.Used, m.Free + n.Free} }

// FillRandom adds n tokens to s that were never computed, with keys, values and states
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

package engine

import (
	"cmp"
	"slices"

	"bankai"
)

// lane is a sequence of a Loop, with the requests that it is for: one, or, until their
// prompt has been read, several that have the same one.
type lane struct {
	Request               // of the first stream: what all of them have alike
	overlay bankai.Digest // of its Overlay, if there is a Cache
	streams []*Stream
	share   *share // of what the streams of one prompt need

	seq     *Seq // nil until it runs
	rest    []int32
	waited  int    // steps, one after another, without a token of the prompt
	edits   int    // of the model, when the sequence began
	cuts    []int  // numbers of tokens behind which it is yet to be kept
	forks   []*Seq // behind such, of the step that runs
	prompts []TokenLogProb
	// parted are the numbers of tokens behind which another sequence may have gone on in
	// another way, or may yet. Behind each of them the far blocks may begin a new chunk.
	parted []int
}

// share is the memory that the streams of one prompt need together, beside what each
// needs for itself.
type share struct {
	bytes   int64
	streams int // that have not ended
}

func newLane(s *Stream) *lane {
	a := &lane{Request: s.req, streams: []*Stream{s}, share: new(share)}
	if c := a.Cache; c != nil {
		a.overlay = a.Overlay.Digest() // here, for the first time may take as long as reading the model
		for _, at := range c.At {
			if at > 0 && at <= len(a.Prompt) {
				a.cuts = append(a.cuts, at)
			}
		}
		slices.Sort(a.cuts)
		a.cuts = slices.Compact(a.cuts)
		a.parted = slices.Clone(a.cuts)
	}
	return a
}

// alike says whether a request's prompt may be read together with the lane's.
func (a *lane) alike(q Request) bool {
	sameCache := a.Cache == q.Cache || a.Cache != nil && q.Cache != nil && a.Cache.Tenant == q.Cache.Tenant && slices.Equal(a.Cache.At, q.Cache.At)
	return sameCache && a.Client == q.Client && a.Overlay == q.Overlay &&
		a.PromptLogProbs == q.PromptLogProbs && a.TopLogProbs == q.TopLogProbs && slices.Equal(a.Prompt, q.Prompt)
}

// bytes is what all that it runs for may need.
func (a *lane) bytes() int64 {
	n := a.share.bytes
	for _, s := range a.streams {
		n += s.bytes
	}
	return n
}

// price notes how many bytes the streams may need.
func (a *lane) price(m *Model) {
	together, each := a.need(m, nil)
	*a.share = share{together, len(a.streams)}
	for i, s := range a.streams {
		s.bytes = each[i]
	}
}

// need is how many bytes the streams may need together, and each beside that, if they
// begin behind a prefix; nil is none. What is to be kept of the prompt counts, but for the
// states of delta-nets: see Loop.keeps.
func (a *lane) need(m *Model, from *prefix) (together int64, each []int64) {
	c, far, parted := newCache(m, false), farKV{}, a.parted
	if from != nil {
		far, parted = from.seq.kv().far, from.partings(a.parted)
	}
	if len(a.streams) == 1 {
		tokens := m.mostTokens(a.streams[0].req)
		return 0, []int64{c.bytes(c.mostFloats(tokens)+len(a.cuts), c.mostChunks(far, tokens, parted), 1)}
	}
	commonFar, common := c.farBlocks(len(a.Prompt)), 0
	if !c.int8 {
		common = len(a.Prompt) / kvBlockLen
	}
	for _, s := range a.streams {
		tokens := m.mostTokens(s.req)
		own := c.farBlocks(tokens) - commonFar
		const parting = 2 // the first chunk begins with blocks of the prompt, the last may be partly filled
		each = append(each, c.bytes(c.mostFloats(tokens)-common, min(chunksOf(own)+parting, own), 1))
	}
	return c.bytes(common+len(a.cuts), c.mostChunks(far, len(a.Prompt), parted), 0), each
}

// begin makes the sequence, or takes over that of what was kept of its prompt.
func (a *lane) begin(b *Batch, from *prefix) {
	if a.rest = a.Prompt; from == nil {
		a.seq = b.NewSeq(a.Overlay)
	} else {
		n := len(from.tokens)
		a.seq, a.rest = from.seq, a.Prompt[n:]
		a.parted = from.partings(a.parted)
		a.cuts = slices.DeleteFunc(a.cuts, func(at int) bool { return at <= n })
	}
	if a.PromptLogProbs {
		a.prompts = make([]TokenLogProb, len(a.Prompt)-1)
	}
	for _, s := range a.streams {
		s.begin(b.model, a.seq.n)
	}
}

// reading says whether a part of the prompt is yet to be processed.
func (a *lane) reading() bool { return a.seq.n < len(a.Prompt) }

// span is the work of a step. The sequence is forked where it is to be kept and there is
// room for that.
func (a *lane) span(tokens, tag int, room func() bool) span {
	for end := a.seq.n + tokens; len(a.cuts) > 0 && a.cuts[0] <= end; a.cuts = a.cuts[1:] {
		if room() {
			a.forks = append(a.forks, a.seq.branch(a.cuts[0]))
		}
	}
	s := span{seq: a.seq, forks: a.forks, tokens: a.rest[:tokens], want: tokens, tag: tag, index: a.seq.n}
	switch {
	case a.PromptLogProbs && a.reading():
		s.want = 0
	case tokens == len(a.rest):
		s.want = tokens - 1
	}
	return s
}

// row takes the logits behind the token at pos.
func (a *lane) row(m *Model, pos int, logits []float32) {
	if pos < len(a.Prompt)-1 {
		a.prompts[pos] = m.tokenLogProb(a.Prompt[pos+1], logits, a.TopLogProbs)
		return
	}
	for _, s := range a.streams {
		s.choose(m, logits)
	}
}

// fed is told that the next n tokens are processed.
func (a *lane) fed(m *Model, n int) {
	for _, s := range a.streams {
		s.result.Prompted = min(a.seq.n, len(a.Prompt))
	}
	if a.rest = a.rest[n:]; len(a.rest) > 0 {
		return
	}
	for _, s := range a.streams {
		if s.result.Generated == 0 && a.PromptLogProbs {
			s.emit(Event{ID: NoToken, Prompt: a.prompts})
		}
		s.accept(m, a.seq.n)
	}
	if len(a.streams) == 1 {
		a.rest = a.streams[0].last[:]
	}
}

// split gives each of several streams a lane of its own, once their prompt has been read.
func (a *lane) split() []*lane {
	if a.seq == nil || len(a.rest) > 0 {
		return []*lane{a}
	}
	all := make([]*lane, len(a.streams))
	for i, s := range a.streams {
		own := *a
		own.Request, own.streams, own.rest = s.req, []*Stream{s}, s.last[:]
		if i > 0 {
			own.seq = a.seq.Fork()
			own.parted = append(slices.Clip(a.parted), a.seq.n)
		}
		all[i] = &own
	}
	all[0].parted = append(slices.Clip(a.parted), a.seq.n)
	return all
}

// key is what else than its tokens the sequence depends on.
func (a *lane) key() prefixKey { return prefixKey{a.overlay, a.Cache.Tenant, a.edits} }

// processed are the tokens of the sequence: the prompt's, and what its last stream has
// generated behind them.
func (a *lane) processed(s *Stream) []int32 {
	return slices.Concat(a.Prompt, s.result.IDs)[:a.seq.n]
}

// impatient is how many steps a prompt waits at most while shorter ones go before it.
const impatient = 3

// portions says how many tokens of each lane the next step processes: one of every lane
// that generates and, of all prompts together, chunk. The prompt that has the fewest left
// comes first, so that a short question does not wait for a long text, but half is for
// prompts that have waited for long.
func portions(lanes []*lane, chunk int) []int {
	tokens := make([]int, len(lanes))
	var reading []int
	for i, a := range lanes {
		if a.reading() {
			reading = append(reading, i)
		} else {
			tokens[i] = 1
		}
	}
	left := chunk
	give := func(i, most int) {
		n := min(most, len(lanes[i].rest)-tokens[i])
		tokens[i] += n
		left -= n
	}
	slices.SortStableFunc(reading, func(i, j int) int { return cmp.Compare(lanes[j].waited, lanes[i].waited) })
	half := chunk - chunk/2
	for _, i := range reading {
		if lanes[i].waited >= impatient {
			give(i, min(half, left-chunk+half))
		}
	}
	slices.Sort(reading)
	slices.SortStableFunc(reading, func(i, j int) int { return cmp.Compare(len(lanes[i].rest), len(lanes[j].rest)) })
	for _, i := range reading {
		give(i, left)
		if lanes[i].waited++; tokens[i] > 0 {
			lanes[i].waited = 0
		}
	}
	return tokens
}

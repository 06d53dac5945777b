package engine

import (
	"slices"

	"bankai"
)

// Caching lets a Loop keep keys and values of a request's tokens, for requests to come
// that begin with the same ones, and use what was kept of those before. The bits do not
// depend on it. What is kept takes memory that no request needs now, within
// [LoopOptions.MaxBytes]; what was not used for the longest time goes first.
type Caching struct {
	// Tenant is whose they are: a request finds only what requests of the same tenant
	// have left. How soon an answer begins would tell others what was asked.
	Tenant string
	// At are numbers of tokens of the prompt behind which they are kept, beside the end
	// of the request. They can be used from there on, not from between: older positions
	// are held in another form than the newest ones, and which is which is part of the
	// bits. A model with delta-nets keeps them only where there is room beside what the
	// requests that run may need: its states are large.
	At []int
}

// maxPrefixes bounds how many prefixes are kept if nobody says: one is looked for among
// all of them.
const maxPrefixes = 1024

// prefixes are sequences that were kept, for requests that begin with their tokens.
type prefixes struct {
	most int       // that are kept
	kept []*prefix // that were not used for the longest time come first
}

// prefix is a sequence with what its keys and values were made of.
type prefix struct {
	prefixKey
	tokens []int32
	seq    *Seq
	parted []int // see lane
}

// partings are where a sequence that goes on behind the prefix may part from others, if
// it has some of its own.
func (p *prefix) partings(own []int) []int {
	return slices.Concat(p.parted, []int{len(p.tokens)}, own)
}

// prefixKey is what must be equal beside the tokens.
type prefixKey struct {
	overlay bankai.Digest
	tenant  string
	edits   int // of the model: see Model.edits
}

// take takes out the longest one that tokens begin with, and go on behind.
func (p *prefixes) take(key prefixKey, tokens []int32) *prefix {
	best := -1
	for i, e := range p.kept {
		n := len(e.tokens)
		if e.prefixKey == key && n < len(tokens) && (best < 0 || n > len(p.kept[best].tokens)) && slices.Equal(e.tokens, tokens[:n]) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	e := p.kept[best]
	p.kept = slices.Delete(p.kept, best, best+1)
	return e
}

// keep takes one over, as the last that goes.
func (p *prefixes) keep(e *prefix) {
	same := func(o *prefix) bool { return o.prefixKey == e.prefixKey && slices.Equal(o.tokens, e.tokens) }
	if i := slices.IndexFunc(p.kept, same); i >= 0 {
		p.kept[i].seq.Release()
		p.kept = slices.Delete(p.kept, i, i+1)
	}
	if len(p.kept) >= p.most {
		p.evict()
	}
	p.kept = append(p.kept, e)
}

// evict gives up the one that was not used for the longest time. It is false if there is
// none.
func (p *prefixes) evict() bool {
	if len(p.kept) == 0 {
		return false
	}
	p.kept[0].seq.Release()
	p.kept = slices.Delete(p.kept, 0, 1)
	return true
}

// forget gives up those that were made before the model's last edit.
func (p *prefixes) forget(edits int) {
	p.kept = slices.DeleteFunc(p.kept, func(e *prefix) bool {
		if e.edits != edits {
			e.seq.Release()
		}
		return e.edits != edits
	})
}

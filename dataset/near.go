package dataset

import "slices"

// Near duplicates are texts that say the same but for some words. What makes them hard to
// find is data made of templates: "The derivative of x^4 + 9x^3 is" and "The derivative of
// 3x^7 + 8x^4 is" share most of their letters, and ask different things. So two texts are
// near only if
//
//   - both have at least [longText] words besides those of templates, and of their rare
//     shingles (three tokens in a row) at least [alike] are in both (Jaccard); or
//   - one has all the tokens of the other, their numbers are the same in the same order,
//     and what one has beyond the other is at most 1 - [alike] of its tokens besides those
//     of templates, or of all where two numbers or more tell that the problem is the same.
//     Where a word stands in place of another, that is a template with another word in it,
//     or another question.
//
// A shingle that stands in more texts than a limit, of up to [mostShared], is a template's
// or a phrase, and rare otherwise: two dozen texts with one frame have it on purpose.
const (
	longText   = 40
	alike      = 0.8 // one word in 27 replaced still passes, and two sentences of ten do not
	mostShared = 20
	sketchSize = 64 // rare shingles kept of a text: those with the least hashes
)

// document is a text as it is compared.
type document struct {
	tokens   int
	bag      uint64 // sum of the hashes of the tokens: the same in any order
	numbers  uint64 // hash of the numbers, in order
	figures  int    // how many they are
	body     int    // tokens besides those of templates
	sorted   []uint64
	rare     []uint64 // of a long text at most sketchSize
	shingles []uint64 // while frequencies are counted; rare ones later
}

// nearPairs calls join for texts that are near, and for enough of them that all that are
// connected by near ones get connected. Join says whether two are connected already by
// returning from connected.
func nearPairs(texts []string, connected func(a, b int) bool, join func(a, b int)) {
	docs := make([]document, len(texts))
	limit := min(max(len(texts)/20, 3), mostShared)
	counts := newFrequencies(len(texts))
	for i, t := range texts {
		docs[i] = newDocument(tokenize(t))
		for _, s := range docs[i].shingles {
			counts.add(s)
		}
	}
	for i, t := range texts {
		docs[i].findRare(tokenize(t), counts, uint16(limit))
	}
	check := func(a, b int) {
		if !connected(a, b) && near(&docs[a], &docs[b]) {
			join(a, b)
		}
	}
	byBag(texts, docs, check)
	byShingle(docs, limit, check)
}

func newDocument(t []token) document {
	d := document{tokens: len(t), numbers: fnvOffset}
	for _, x := range t {
		d.bag += x.hash
		if x.number {
			d.numbers = mix(d.numbers + x.hash)
			d.figures++
		}
	}
	if len(t) < 2*longText {
		d.sorted = make([]uint64, len(t))
		for i, x := range t {
			d.sorted[i] = x.hash
		}
		slices.Sort(d.sorted)
	}
	for i := 0; i+3 <= len(t); i++ {
		d.shingles = append(d.shingles, shingle(t[i:]))
	}
	if d.sorted != nil && d.figures > 1 { // the numbers tell a problem of a template
		d.shingles = append(d.shingles, d.numbers)
	}
	d.shingles = sortedSet(d.shingles)
	return d
}

// findRare tells rare shingles and the tokens of the body, which rare shingles cover.
func (d *document) findRare(t []token, counts *frequencies, limit uint16) {
	for _, s := range d.shingles {
		if counts.of(s) <= limit {
			d.rare = append(d.rare, s)
		}
	}
	d.shingles = nil
	common := make([]bool, len(t)) // covered by shingles, all of which are common
	for i := 0; i+3 <= len(t); i++ {
		if counts.of(shingle(t[i:])) > limit {
			common[i], common[i+1], common[i+2] = true, true, true
		}
	}
	for i := 0; i+3 <= len(t); i++ {
		if counts.of(shingle(t[i:])) <= limit {
			common[i], common[i+1], common[i+2] = false, false, false
		}
	}
	for _, c := range common {
		if !c {
			d.body++
		}
	}
	if d.body >= longText && len(d.rare) > sketchSize {
		d.rare = slices.Clone(d.rare[:sketchSize])
	}
}

// near compares two texts.
func near(a, b *document) bool {
	if a.body >= longText && b.body >= longText {
		return jaccard(a.rare, b.rare) >= alike
	}
	if a.tokens > b.tokens {
		a, b = b, a
	}
	if a.numbers != b.numbers || a.tokens == 0 || a.sorted == nil || b.sorted == nil {
		return a.tokens == b.tokens && a.tokens > 0 && a.bag == b.bag && a.numbers == b.numbers
	}
	more := b.tokens - a.tokens
	body := max(a.body, b.body)
	if body == 0 || a.figures > 1 { // of templates throughout, or told by its numbers
		body = b.tokens
	}
	if float64(more) > (1-alike)*float64(body)+1e-9 {
		return false
	}
	for i, j := 0, 0; i < len(a.sorted); j++ {
		if j == len(b.sorted) || b.sorted[j] > a.sorted[i] {
			return false
		}
		if b.sorted[j] == a.sorted[i] {
			i++
		}
	}
	return true
}

// jaccard estimates the share of two sets that is in both from the least hashes of each:
// exactly, where a set has no more than were kept.
func jaccard(a, b []uint64) float64 {
	union, both := 0, 0
	for i, j := 0, 0; (i < len(a) || j < len(b)) && union < max(min(len(a), len(b)), sketchSize); union++ {
		switch {
		case j == len(b) || i < len(a) && a[i] < b[j]:
			i++
		case i == len(a) || b[j] < a[i]:
			j++
		default:
			i, j, both = i+1, j+1, both+1
		}
	}
	if union == 0 {
		return 0
	}
	return float64(both) / float64(union)
}

// byBag finds texts that differ in order or by one token, whatever templates they are of.
func byBag(texts []string, docs []document, check func(a, b int)) {
	first := map[uint64]int{} // a text with this bag and these numbers
	key := func(bag, numbers uint64) uint64 { return mix(bag + mix(numbers)) }
	for i := range docs {
		d := &docs[i]
		k := key(d.bag, d.numbers)
		if j, ok := first[k]; ok {
			check(j, i)
		} else if d.tokens > 0 {
			first[k] = i
		}
	}
	for i := range docs {
		d := &docs[i]
		if d.sorted == nil {
			continue
		}
		for _, t := range tokenize(texts[i]) {
			if j, ok := first[key(d.bag-t.hash, d.numbers)]; ok && !t.number && j != i {
				check(j, i)
			}
		}
	}
}

// byShingle finds texts that share a rare shingle. Of long ones only some are asked for,
// as many as two that are alike cannot but share one of (a prefix filter).
func byShingle(docs []document, limit int, check func(a, b int)) {
	type posting struct {
		shingle uint64
		doc     int32
	}
	var list []posting
	for i := range docs {
		asked := docs[i].rare
		if docs[i].body >= longText {
			asked = asked[:min(len(asked), len(asked)*2/5+1)]
		}
		for _, s := range asked {
			list = append(list, posting{s, int32(i)})
		}
	}
	slices.SortFunc(list, func(a, b posting) int {
		switch {
		case a.shingle != b.shingle && a.shingle < b.shingle:
			return -1
		case a.shingle != b.shingle:
			return 1
		}
		return int(a.doc - b.doc)
	})
	for lo := 0; lo < len(list); {
		hi := lo + 1
		for hi < len(list) && list[hi].shingle == list[lo].shingle {
			hi++
		}
		for i := lo; i < hi; i++ {
			for j := i + 1; j < min(hi, i+1+limit); j++ {
				check(int(list[i].doc), int(list[j].doc))
			}
		}
		lo = hi
	}
}

// frequencies counts in how many texts shingles stand, up to a bound; a few may share a
// count, which makes them look less rare.
type frequencies struct {
	counts []uint8
	shift  uint
}

func newFrequencies(texts int) *frequencies {
	bits := uint(20)
	for 1<<bits < texts*256 && bits < 26 {
		bits++
	}
	return &frequencies{make([]uint8, 1<<bits), 64 - bits}
}

func (f *frequencies) add(s uint64) {
	if c := &f.counts[s>>f.shift]; *c < 255 {
		*c++
	}
}

func (f *frequencies) of(s uint64) uint16 { return uint16(f.counts[s>>f.shift]) }

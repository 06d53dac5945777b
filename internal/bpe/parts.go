package bpe

import "unicode/utf8"

// Part is a piece of a text that several hands wrote: a template and the messages in
// it, say.
type Part struct {
	Text string
	// Special parts may hold special tokens. In all others these are spelt out, as
	// EncodeOrdinary does.
	Special bool
}

// EncodeParts returns the ids of the parts' texts, which it takes as one text: what
// lies on both sides of a border is normalised, split and merged together. A special
// token is recognised only where all its characters are in special parts with nothing
// else between them. So it is Encode if all parts are special, with its BOS if one is,
// and EncodeOrdinary if none is.
func (t *Tokenizer) EncodeParts(parts []Part) []int32 {
	text, runs := join(parts)
	ids := make([]int32, 0, len(text)/3+4)
	if t.bos >= 0 && anySpecial(parts) {
		ids = append(ids, t.bos)
	}
	m := merger{}
	at := 0 // text before it has its ids
	plain := func(to int, special bool) {
		if m.merges = &t.ordinary; special {
			m.merges = &t.merges
		}
		ids = m.appendText(ids, text[at:to])
	}
	for _, r := range runs {
		for from := r.lo; from < r.hi; {
			n, found := t.specials.next(text[from:r.hi])
			if found.text == "" {
				break
			}
			plain(from+n, at >= r.lo)
			ids = append(ids, found.id)
			from += n + len(found.text)
			at = from
		}
	}
	end := len(text)
	plain(end, len(runs) > 0 && runs[len(runs)-1].holds(at, end))
	return ids
}

// anySpecial says whether there is a special part, be it empty.
func anySpecial(parts []Part) bool {
	for _, p := range parts {
		if p.Special {
			return true
		}
	}
	return false
}

// stretch is the bytes [lo, hi) of a text.
type stretch struct{ lo, hi int }

func (s stretch) holds(lo, hi int) bool { return s.lo <= lo && hi <= s.hi }

// join returns the text of parts with malformed UTF-8 replaced, and the stretches of
// it that special parts make up. A character of which a part has only some bytes is in
// no stretch, unless the next part is special too.
func join(parts []Part) (text string, runs []stretch) {
	var raw []byte
	var special []stretch // of raw; two have something between them
	for _, p := range parts {
		lo := len(raw)
		raw = append(raw, p.Text...)
		switch n := len(special); {
		case !p.Special || p.Text == "":
		case n > 0 && special[n-1].hi == lo:
			special[n-1].hi = len(raw)
		default:
			special = append(special, stretch{lo, len(raw)})
		}
	}
	out := make([]byte, 0, len(raw))
	open := false // the last character is in the last of runs
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n == 1 {
			n = subpart(raw[i:])
		}
		lo := len(out)
		out = utf8.AppendRune(out, r)
		if len(special) > 0 && special[0].holds(i, i+n) {
			if !open {
				runs = append(runs, stretch{lo, lo})
			}
			runs[len(runs)-1].hi, open = len(out), true
		} else {
			open = false
		}
		if i += n; len(special) > 0 && i >= special[0].hi {
			special, open = special[1:], false
		}
	}
	return string(out), runs
}

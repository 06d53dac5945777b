package bpe

// The classes of characters that splitting tells apart. A character that is none
// of these is other: punctuation, symbols, controls, unassigned.
const (
	other  = 0
	letter = 1 // \p{L}
	number = 2 // \p{N}
	space  = 3 // \s
	mark   = 4 // \p{M}: other or letter, by the rules of the model
)

// span is a run of characters, lo to hi, with one value.
type span struct {
	lo, hi rune
	value  uint8
}

// find returns the value of r in a table of spans in ascending order.
func find(table []span, r rune) (value uint8, ok bool) {
	i, j := 0, len(table)
	for i < j {
		if m := int(uint(i+j) / 2); table[m].hi < r {
			i = m + 1
		} else {
			j = m
		}
	}
	if i < len(table) && table[i].lo <= r {
		return table[i].value, true
	}
	return 0, false
}

// class returns the class of a character.
func class(r rune) uint8 {
	if r < 0x80 {
		switch {
		case 'a' <= r|0x20 && r|0x20 <= 'z':
			return letter
		case '0' <= r && r <= '9':
			return number
		case r == ' ', '\t' <= r && r <= '\r':
			return space
		}
		return other
	}
	c, _ := find(classes, r)
	return c
}

package division

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math"
	"slices"

	"bankai/score"
)

// admit takes what waits, as far as there is room. What can be handed on at once needs
// none; if nobody who works can go on, the lowest unit's goes in all the same, for it is
// what the others wait for.
func (c *call) admit() {
	for {
		at := slices.IndexFunc(c.waiting, func(l *late) bool {
			u := &c.units[l.unit]
			next := len(u.stream(l.request.party).sums)
			return next < len(u.seen) || c.held+bytesOf(l.effects) <= c.memory || next < min(c.limit(l.unit), u.certain())
		})
		if at < 0 && len(c.waiting) > 0 && c.stuck() {
			at = 0
			for i, l := range c.waiting {
				if l.unit < c.waiting[at].unit {
					at = i
				}
			}
		}
		if at < 0 {
			return
		}
		l := c.waiting[at]
		c.waiting = slices.Delete(c.waiting, at, at+1)
		if c.say(l.unit, l.request.party, l.sum) {
			c.units[l.unit].queue = append(c.units[l.unit].queue, l.effects)
			c.held += bytesOf(l.effects)
		}
		l.taken()
	}
}

// stuck reports whether every party that works waits.
func (c *call) stuck() bool {
	for _, r := range c.requests {
		if !r.over && len(r.left) > 0 && !slices.ContainsFunc(c.waiting, func(l *late) bool { return l.request.party == r.party }) {
			return false
		}
	}
	return true
}

// limit is how many effects of unit k may be handed on: as many as were of every unit
// before, so that the sums of a tensor are in the order of the blocks.
func (c *call) limit(k int) int {
	limit := math.MaxInt
	for i := range c.units[:k] {
		if u := &c.units[i]; !u.handedOn() {
			limit = min(limit, u.given)
		}
	}
	return limit
}

// handedOn reports whether all effects of the unit were handed on.
func (u *unit) handedOn() bool { return u.answers() > 0 && u.given == len(u.seen) }

// handOn gives what can be given, of each tensor in the order of the units.
func (c *call) handOn(got func(k int, e score.Effects) error) error {
	for given := true; given; {
		given = false
		limit := math.MaxInt
		for k := range c.units {
			u := &c.units[k]
			for len(u.queue) > 0 && u.given < min(limit, u.certain()) && len(c.conflict) == 0 {
				e := u.queue[0]
				u.queue[0] = score.Effects{}
				u.queue = u.queue[1:]
				u.given++
				c.held -= bytesOf(e)
				given = true
				if err := got(k, e); err != nil {
					return err
				}
			}
			if !u.handedOn() {
				limit = min(limit, u.given)
			}
		}
		if given {
			c.admit()
		}
	}
	return nil
}

// bytesOf is the size of the numbers.
func bytesOf(e score.Effects) int64 { return 4 * int64(len(e.Data)) }

// finite reports whether all numbers are, which those of a model with sense are.
func finite[T float32 | float64](lists ...[]T) bool {
	for _, list := range lists {
		for _, x := range list {
			if x-x != 0 {
				return false
			}
		}
	}
	return true
}

// Digest is the SHA-256 of effects, which identifies them to the bit: all NaNs are one,
// since processors make different ones.
func Digest(e *score.Effects) [sha256.Size]byte {
	h := sha256.New()
	writeNumbers(h, uint64(len(e.Tensor)), uint64(e.Size), uint64(len(e.Columns)), uint64(len(e.Data)))
	for _, c := range e.Columns {
		writeNumbers(h, uint64(c))
	}
	io.WriteString(h, e.Tensor)
	var buf []byte
	for part := range slices.Chunk(e.Data, 4096) {
		buf = buf[:0]
		for _, x := range part {
			if x != x {
				x = float32(math.NaN())
			}
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
		}
		h.Write(buf)
	}
	return digest(h.Sum(nil))
}

// digestOfValues identifies values to the bit, all NaNs being one.
func digestOfValues(values [][]float64) digest {
	h := sha256.New()
	for _, row := range values {
		writeNumbers(h, uint64(len(row)))
		for _, v := range row {
			if v != v {
				v = math.NaN()
			}
			writeNumbers(h, math.Float64bits(v))
		}
	}
	return digest(h.Sum(nil))
}

func writeNumbers(w io.Writer, numbers ...uint64) {
	var buf []byte
	for _, n := range numbers {
		buf = binary.LittleEndian.AppendUint64(buf, n)
	}
	w.Write(buf)
}

// digestOfSums identifies a sequence of digests.
func digestOfSums(sums []digest) digest {
	h := sha256.New()
	for _, s := range sums {
		h.Write(s[:])
	}
	return digest(h.Sum(nil))
}

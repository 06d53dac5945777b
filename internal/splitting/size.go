package splitting

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Size is a number or a share of probes. It can be a flag.
type Size struct {
	text  string // as given, empty if it was not
	n     int
	share float64 // above 0 where text is a share
}

func (z *Size) String() string { return z.text }
func (z *Size) Type() string   { return "SIZE" }

func (z *Size) Set(s string) error {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		*z = Size{text: s, n: n}
		return nil
	}
	digits, percent := strings.CutSuffix(s, "%")
	share, err := strconv.ParseFloat(digits, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share > 0 && share <= 1) {
		return fmt.Errorf(`%q is neither a number of probes nor a share such as "60%%" or "0.6"`, s)
	}
	*z = Size{text: s, share: share}
	return nil
}

// Given reports whether it was set.
func (z *Size) Given() bool { return z.text != "" }

// None says that no such set is wanted.
func (z *Size) None() bool { return z.Given() && z.share == 0 && z.n == 0 }

// Of is the number of probes, given that there are total.
func (z *Size) Of(total int) int {
	if z.share > 0 {
		return int(math.Round(z.share * float64(total)))
	}
	return z.n
}

// divide gives total probes to the sets for searching, validating and measuring:
// as many as is asked for and, of what is left, 60 : 20 : 20 to those for which
// nothing is.
func divide(total int, wants []*Size) ([]int, error) {
	weights := []int{60, 20, 20}
	sizes := make([]int, len(wants))
	left, open, shares := total, 0, 0.0
	for i, w := range wants {
		if !w.Given() {
			open += weights[i]
			continue
		}
		sizes[i] = w.Of(total)
		shares += w.share
		if over := sizes[i] - left; w.share > 0 && over == 1 {
			sizes[i]-- // two halves of an odd number
		}
		left -= sizes[i]
	}
	if shares > 1.0001 {
		return nil, fmt.Errorf("the shares of search, validate and heldout add up to %.0f%%: ask for less", 100*shares)
	}
	if left < 0 {
		return nil, fmt.Errorf("there are %d probes for search, validate and heldout, %d too few: ask for less, or give more files", total, -left)
	}
	for i, w := range wants {
		if !w.Given() {
			sizes[i] = (left*weights[i] + open/2) / open
			left, open = left-sizes[i], open-weights[i]
		}
	}
	return sizes, nil
}

// Sizes are those of the sets, by role. All roles have one.
type Sizes map[string]*Size

// NewSizes are sizes of which none is given yet.
func NewSizes() Sizes {
	z := Sizes{}
	for _, role := range Roles {
		z[role] = new(Size)
	}
	return z
}

// AreControls reports whether controls are asked for.
func (z Sizes) AreControls() bool { return z[Controls].Given() || z[ControlsHeldOut].Given() }

// AreNone reports whether no other set is wanted.
func (z Sizes) AreNone() bool {
	return !slices.ContainsFunc(Roles[:3], func(role string) bool { return !z[role].None() })
}

// proportion is what is due to a of n things, which are fewer than a and b ask for
// together: its share of them, but some to both as far as that goes, and to b first.
func proportion(n, a, b int) int {
	if n == 0 || a == 0 || b == 0 {
		return min(n, a)
	}
	share := (2*n*a + a + b) / (2 * (a + b)) // rounded
	return min(max(share, 1), n-1)
}

package splitting

import (
	"fmt"

	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
)

// TakeControls makes the sets of controls, of probes that the model answers right: right
// returns the indices of the first n such probes in an order, or of all if they are fewer.
func (s *Split) TakeControls(right func(set probe.Set, order []int, n int) ([]int, error)) error {
	from := s.from()
	size, held := s.Sizes[Controls], s.Sizes[ControlsHeldOut]
	want, unseen := size.Of(len(from)), held.Of(len(from))
	most, least := want+unseen, want+unseen
	if !size.Given() && s.apart { // the controls are all that is right and not held out
		want, most, least = unseen, len(from), unseen+1
	}
	// Another order than Share's, so that its sets do not depend on the controls'.
	found, err := right(from, measure.Spread(from, s.Seed+1), most)
	if err != nil {
		return err
	}
	if len(found) < least {
		unseen = proportion(len(found), unseen, want)
		s.warnFew(len(found), len(from), unseen)
	}
	s.Sets[ControlsHeldOut] = pick(from, found[:unseen])
	s.Sets[Controls] = pick(from, found[unseen:])
	if !s.apart {
		s.rest = without(s.rest, found)
	}
	return nil
}

// warnFew says how the controls that were found are shared among the two sets.
func (s *Split) warnFew(found, of, unseen int) {
	if found == 0 {
		s.Warn("the model answers none of the %s right that controls may be taken from: there are no controls", text.Count(of, "probe"))
		return
	}
	var shares []string
	for _, x := range []struct {
		role string
		n    int
	}{{Controls, found - unseen}, {ControlsHeldOut, unseen}} {
		text := fmt.Sprintf("%s has %d", x.role, x.n)
		if size := s.Sizes[x.role]; size.Given() {
			text += " of the " + size.text + " asked for"
		} else if x.n == 0 {
			continue
		}
		shares = append(shares, text)
	}
	s.Warn("there are too few controls, since the model answers %d right of the %s they may be taken from: %s", found, text.Count(of, "probe"), text.Listed(shares))
}

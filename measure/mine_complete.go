package measure

import (
	"strings"

	"bankai/probe"
)

// Completion counts what became of a set of prompts by mining.
type Completion struct {
	Prompts int      `json:"prompts"`  // in the file
	Right   int      `json:"right"`    // answered right now
	Own     int      `json:"own"`      // wrong answers that the model gives
	Instead int      `json:"instead"`  // wrong answers that it would give instead of the right one
	Kept    int      `json:"kept"`     // wrong answers of the file that stay
	Changed int      `json:"replaced"` // and that were replaced, by another or
	Same    int      `json:"same"`     // by the same one
	LeftOut []string `json:"left_out"` // names of those without a wrong answer
}

// Complete gives the prompts of a set the wrong answers that were mined for them, one
// for each; a wrong answer that is there is replaced unless keep is set. Prompts to which
// the model knows none are left out.
func Complete(set probe.Set, mined []Mined, keep bool) (probe.Set, Completion) {
	c := Completion{Prompts: len(set), LeftOut: []string{}}
	var complete probe.Set
	for i, p := range set {
		m := mined[i]
		had := strings.TrimSpace(p.Wrong) != ""
		if m.Right {
			c.Right++
		}
		switch {
		case keep && had:
			c.Kept++
			complete = append(complete, p)
			continue
		case m.Wrong == "":
			c.LeftOut = append(c.LeftOut, p.Name)
			continue
		case m.Own:
			c.Own++
		default:
			c.Instead++
		}
		switch {
		case !had:
		case probe.Normalize(p.Wrong) == probe.Normalize(m.Wrong):
			c.Same++
		default:
			c.Changed++
		}
		p.Wrong = m.Wrong
		complete = append(complete, p)
	}
	return complete, c
}

package claims

import (
	"bankai"
	"bankai/internal/report"
	"bankai/internal/text"
)

// Figures are a claim with what reports say of such counts.
type Figures struct {
	bankai.Claim
	Kind  string `json:"kind"`   // what is counted: see [Kind.String]
	Text  string `json:"text"`   // the counts in words, as bankai info prints them
	PText string `json:"p_text"` // p as reports write it
	// BeforeShare and AfterShare are shares of Total with their 95 % intervals by Wilson;
	// null where the claim does not count them.
	BeforeShare *report.Estimate `json:"before_share"`
	AfterShare  *report.Estimate `json:"after_share"`
	Means       string           `json:"means"`         // what p says in words; "" where it says nothing
	Contradicts string           `json:"contradiction"` // in what the claim cannot be true; "" if nothing was found
}

// mostChanged bounds the changed answers, over the claims of a patch, for which p is worked
// out again: somebody else wrote the counts, and large ones take long.
const mostChanged = 50_000

// FiguresOf are the figures of claims, never nil. A claim that cannot be true has no shares
// and means nothing.
func FiguresOf(list []bankai.Claim) []Figures {
	all, room := make([]Figures, len(list)), mostChanged
	for i, c := range list {
		against := miscounted(c)
		if changed := c.Fixed + c.Broke; against == "" && changed <= room {
			room -= changed
			against = improbable(c)
		}
		all[i] = figuresOf(c, against)
	}
	return all
}

func figuresOf(c bankai.Claim, against string) Figures {
	f := Figures{Claim: c, Kind: KindOf(c).String(), Text: Text(c), PText: text.Probability(c.PValue), Contradicts: against}
	if against != "" {
		return f
	}
	f.Means = Meaning(c)
	if kind := KindOf(c); kind != Likelier && c.Total > 0 {
		after := report.ShareOf(c.After, c.Total)
		if f.AfterShare = &after; kind != Unchanged { // before, all are as they were
			before := report.ShareOf(c.Before, c.Total)
			f.BeforeShare = &before
		}
	}
	return f
}

// Meaning is what the counts of a claim say of the patch in words, "" for what is no
// comparison of right answers.
func Meaning(c bankai.Claim) string {
	switch kind := KindOf(c); {
	case kind == Unchanged:
		return ""
	case kind == Likelier && c.Fixed+c.Broke == 0:
		return "no answer became likelier or less likely"
	}
	return report.Conclusion(c.Fixed, c.Broke, c.PValue)
}

// String is the kind as documents name it.
func (k Kind) String() string {
	return [...]string{"answers", "preferences", "labels", "likelier", "unchanged"}[k]
}

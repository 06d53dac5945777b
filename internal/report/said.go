package report

import (
	"bankai/internal/text"
	"bankai/measure"
)

// Said is what there is to say of a result, in the words and with the marks of reports,
// for a page that others draw.
type Said struct {
	Verdict    string         `json:"verdict"`    // all of it, as eval says it
	Meaning    string         `json:"meaning"`    // of the p-value; "" if no answer changed
	Chance     string         `json:"chance"`     // how often it would come up; "" if no answer changed
	P          string         `json:"p"`          // the p-value
	Likelihood string         `json:"likelihood"` // of right against wrong answers; "" if it is not known
	Categories []CategorySaid `json:"categories"` // in order of appearance, and the whole at the end
}

// CategorySaid is a category of a result, or the whole.
type CategorySaid struct {
	Category string `json:"category"` // as in the answers
	Name     string `json:"name"`     // for people
	Whole    bool   `json:"whole"`
	measure.Counts
	Was     Interval `json:"was"` // share that was right before
	Is      Interval `json:"is"`  // and after
	WasText string   `json:"was_text"`
	IsText  string   `json:"is_text"`
}

// SaidOf says what a result shows: of a patch, or of a model as it is.
func SaidOf(r *measure.Result, patched bool) Said {
	said := Said{Verdict: BaseVerdict(r), P: text.Probability(r.PValue)}
	if patched {
		said.Verdict = Verdict(r)
	}
	if len(r.Fixed)+len(r.Broke) > 0 {
		said.Meaning, said.Chance = Meaning(r), Chance(r.PValue)
	}
	if r.SeqLogprob != nil {
		said.Likelihood = likelihoodText(r.SeqLogprob, patched)
	}
	add := func(category, name string, whole bool, c measure.Counts) {
		was, is := newInterval(c.Before, c.Total), newInterval(c.After, c.Total)
		said.Categories = append(said.Categories, CategorySaid{category, name, whole, c, was, is, was.String(), is.String()})
	}
	for _, category := range r.Categories() {
		add(category, CategoryName(category), false, r.ByCategory[category])
	}
	add("", "all", true, r.Counts())
	return said
}

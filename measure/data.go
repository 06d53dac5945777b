package measure

// DataResult is what a patch did on people's data. What was not there to be measured is
// nil.
type DataResult struct {
	Answers     *Result     `json:"answers"`     // generated and judged
	Preferences *Result     `json:"preferences"` // the chosen answer is likelier than the rejected one
	Labels      *Result     `json:"labels"`      // the right label is the likeliest
	Confusion   *Confusion  `json:"confusion"`   // of Labels
	Likelihood  *Likelihood `json:"likelihood"`  // of wanted answers and of texts
	Undecided   int         `json:"undecided"`   // answers that have only a likelihood: there is no right or wrong
	MaxTokens   int         `json:"max_tokens"`  // that an answer may take
	Cut         int         `json:"cut"`         // answers that had not ended by then
}

// Part is one of the results by right and wrong.
type Part struct {
	Name string // what was asked: "answers", "preferences", "labels"
	Noun string // of one example of it
	*Result
}

// Parts are the results by right and wrong, those that there are.
func (r *DataResult) Parts() (parts []Part) {
	for _, p := range []Part{{"answers", "answer", r.Answers}, {"preferences", "preference", r.Preferences}, {"labels", "label", r.Labels}} {
		if p.Result != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

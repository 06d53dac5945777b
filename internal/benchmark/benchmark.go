// Package benchmark measures what models answer to the questions of public
// benchmarks, with a patch and without: word problems whose answers are numbers
// ([GSM8K]) and multiple choice ([Choice]). It also marks the texts again that any
// experiment kept ([Rescored]).
package benchmark

import (
	"maps"

	"bankai/internal/experiment"
	"bankai/internal/report"
)

// Kinds are the results of this package and of package experiment, to read into.
var Kinds = func() report.Kinds {
	all := maps.Clone(experiment.Own)
	maps.Copy(all, report.Kinds{
		"rescore": func() report.Result { return &Rescored{} },
		"gsm8k":   func() report.Result { return &GSM8K{} },
		"choice":  func() report.Result { return &Choice{} },
	})
	return all
}()

// one counts a mark: 1 if it is set, else 0.
func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

package report

import (
	_ "embed"
	"html/template"
	"io"

	"bankai/internal/text"
	"bankai/measure"
)

// Search is all that the page about a search and its patch says. Equal ones give equal
// bytes.
type Search struct {
	Title   string
	Command string // the command line that was run
	Model   []Fact // name, architecture, digest, …
	Search  []Fact // strategy, metric, seed, cost, …

	Watch string // what the page warns of before all else; no warning if empty

	Audits []SetAudit // of every set that was used, in order of importance

	Trajectory      []Point   // of the search; no plot without any
	ValidationTotal int       // prompts that Point.Right counts of
	Outcomes        []Outcome // of the moves that were tried on a prediction

	Flips    []measure.FlipCell // of the patch: see [measure.Cells]
	Searched []string           // projections that were searched, as "gate_proj" or "gate"
	Layers   int                // of the model; 0 if it is not known

	HeldOut     *measure.Result // what counts: prompts that the search did not use; may be nil
	HeldOutRule string          // when one is right; empty: the rule of probes
	Others      []NamedResult   // validation and control sets

	Patch     PatchFacts
	PatchJSON string // the patch as a JSON file
	Try       []Fact // what to do next: a purpose and a command each
}

// Fact is a name and a value, for tables of them.
type Fact struct{ Name, Value string }

// SetAudit is a probe set and what its audit found.
type SetAudit struct {
	Role     string // what the set was used for: "search", "held out", …
	Source   string // where it came from, such as a file name
	Probes   int
	Findings measure.Findings
}

// NamedResult is the result on a further set.
type NamedResult struct {
	Name   string // such as "Controls"
	Remark string // what the set is there for
	*measure.Result
}

// PatchFacts are the sizes of a patch, and its provenance.
type PatchFacts struct {
	Flips     int
	Bits      uint64 // sign bits inverted
	ModelBits uint64 // 1-bit weights of the model
	Bytes     int64  // as a .bankai file
	Facts     []Fact // base, tool, time, …
}

//go:embed search.html
var searchHTML string

var searchPage = newPage("report", searchHTML, template.FuncMap{
	"trajectory":  newTrajectoryView,
	"outcomes":    newOutcomeViews,
	"flipmap":     measure.NewFlipMap,
	"thousands":   thousandsOf,
	"share":       func(part, whole uint64) string { return text.Percent(float64(part), float64(whole)) },
	"percent":     func(part, whole int) string { return text.Percent(float64(part), float64(whole)) },
	"probability": text.Probability,
	"chance":      Chance,
	"answer":      answerText,
	"interval":    newInterval,
	"plural":      plural,
	"meaning":     Meaning,
	"verdict":     Verdict,
	"groups":      answerGroups,
	"broken":      brokenByCategory,
	"bar":         newBar,
	"categories":  categoryRows,
})

// WriteHTML writes it as one self-contained page: no scripts, no fonts
// or pictures from elsewhere.
func (s *Search) WriteHTML(w io.Writer) error { return searchPage.write(w, s) }

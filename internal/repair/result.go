package repair

import (
	"bankai/internal/guard"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/search"
)

// Result is what a search found and left, and what became of its guard.
type Result struct {
	Model      source.ModelRef `json:"model"`
	Patch      string          `json:"patch"`
	Flips      int             `json:"flips"`
	Bits       *uint64         `json:"bits"`
	Bytes      int64           `json:"bytes"`
	Content    int64           `json:"content_bytes"` // without provenance, in the compact form
	Fitness    float64         `json:"fitness"`
	Cost       Cost            `json:"cost"`
	Steps      int             `json:"steps"`
	Accepted   int             `json:"accepted"`
	Screened   int             `json:"screened"`
	Stopped    search.Stop     `json:"stopped"`
	Trajectory []search.Point  `json:"trajectory"`
	Guard      *guard.Report   `json:"guard"`     // null without a guard, or if interrupted
	WentBack   string          `json:"went_back"` // to an earlier patch, with more right answers to what was watched
	Warning    string          `json:"warning,omitempty"`
	Resume     string          `json:"resume,omitempty"` // how to go on, if interrupted

	Drawn bool            `json:"-"` // another seed searches otherwise
	Ended string          `json:"-"` // why, for people
	Out   outputs.Written `json:"-"` // the patch, if it was written
}

func newResult(r *search.Result) *Result {
	return &Result{
		Fitness: r.Fitness, Cost: CostOf(r), Steps: r.Steps, Accepted: r.Accepted, Screened: r.Screened,
		Flips: r.Patch.Len(), Stopped: r.Stopped, Trajectory: r.Trajectory,
		WentBack: r.WentBack, Warning: r.Warning,
	}
}

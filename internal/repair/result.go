package repair

import (
	"bankai/internal/guard"
	"bankai/internal/outputs"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/measure"
	"bankai/search"
)

// Result is what a repair found, and what was measured of it.
type Result struct {
	Model      source.ModelRef      `json:"model"`
	Patch      string               `json:"patch"`
	Flips      int                  `json:"flips"`
	Bits       *uint64              `json:"bits"`
	Bytes      int64                `json:"bytes"`
	Content    int64                `json:"content_bytes"` // without provenance, in the compact form
	Fitness    float64              `json:"fitness"`
	Cost       Cost                 `json:"cost"`
	Steps      int                  `json:"steps"`
	Accepted   int                  `json:"accepted"`
	Screened   int                  `json:"screened"`
	Stopped    search.Stop          `json:"stopped"`
	Trajectory []search.Point       `json:"trajectory"`
	Validate   *Counts              `json:"validate"`   // null without --validate, or if interrupted
	Controls   *Counts              `json:"controls"`   // null without --controls, or if interrupted
	Perplexity *measure.BeforeAfter `json:"perplexity"` // null without --control-text, or if interrupted
	Guard      *guard.Report        `json:"guard"`      // null without a guard, or if interrupted
	Audit      []measure.KindCount  `json:"audit"`
	WentBack   string               `json:"went_back"` // to an earlier patch, with more right answers on --validate
	Warning    string               `json:"warning,omitempty"`
	Resume     string               `json:"resume,omitempty"` // how to go on, if interrupted

	Drawn        bool            `json:"-"` // another seed searches otherwise
	Ended        string          `json:"-"` // why, for people
	Out          outputs.Written `json:"-"` // the patch, if it was written
	OnValidation *measure.Result `json:"-"`
	OnControls   *measure.Result `json:"-"`
}

func newResult(r *search.Result, audits []report.SetAudit) *Result {
	doc := &Result{
		Fitness: r.Fitness, Cost: CostOf(r), Steps: r.Steps, Accepted: r.Accepted, Screened: r.Screened,
		Flips: r.Patch.Len(), Stopped: r.Stopped, Trajectory: r.Trajectory, Audit: []measure.KindCount{},
		WentBack: r.WentBack, Warning: r.Warning,
	}
	for _, audit := range audits {
		doc.Audit = append(doc.Audit, audit.Findings.Summary()...)
	}
	return doc
}

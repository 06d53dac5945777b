// Package evaluation is what probes show of a patch, as a document: bankai eval prints it,
// a server keeps it, and reports and pages read it.
package evaluation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bankai/engine"
	"bankai/internal/guard"
	"bankai/internal/program"
	"bankai/internal/progress"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/watched"
	"bankai/measure"
)

// Doc is the result of an evaluation on probes.
type Doc struct {
	*measure.Result
	Model       source.ModelRef `json:"model"`
	Set         source.SetRef   `json:"set"`
	SampledFrom int             `json:"sampled_from,omitempty"` // probes of the set, if not all were asked
	Patches     []string        `json:"patches"`                // files or names; none: the model as it is
	Precision   string          `json:"precision"`
	Guard       *Guard          `json:"guard,omitempty"`
	Tool        string          `json:"tool"`
	Command     string          `json:"command"`
}

// Guard is what the patches changed besides.
type Guard struct {
	*guard.Report
	// AsClaimed says whether it is the guard that a claim of the patch is about; null if
	// none is.
	AsClaimed *bool `json:"as_claimed"`
}

// Sample takes n probes of a set, in its order and with its categories in proportion; all,
// if n is 0 or they are no more. Equal seeds take equal probes.
func Sample(s source.Set, n int, seed uint64) source.Set {
	if n > 0 {
		s.Set = measure.Sample(s.Set, n, seed)
	}
	return s
}

// Measure asks a model the probes of a set, as it is and under an overlay, and fills in
// what it found and what it was found with. Without an overlay it is the model that is
// measured.
func (d *Doc) Measure(ctx context.Context, w progress.Watcher, m *engine.Model, overlay *engine.Overlay, s source.Set) (err error) {
	if d.Patches == nil {
		d.Patches = []string{}
	}
	d.Set, d.Precision, d.Tool = s.Ref(), m.Precision().String(), program.Tool()
	d.Result, err = watched.Compare(ctx, w, m, overlay, s)
	return err
}

// Patched reports whether it is a patch that was measured, or the model as it is.
func (d *Doc) Patched() bool { return len(d.Patches) > 0 }

// Sealed is the document as it is written.
func (d *Doc) Sealed() report.Sealed { return report.Sealed{Doc: d} }

// Evaluated is the result for a report.
func (d *Doc) Evaluated() *report.Evaluated {
	return &report.Evaluated{
		About: report.About{
			Experiment: "eval", Command: d.Command, Tool: d.Tool, Model: d.Model.Name, Digest: d.Model.Digest.String(),
			Precision: d.Precision,
		},
		Probes: d.Set.Source, SampledFrom: d.SampledFrom, Patches: d.Patches, Result: d.Result,
	}
}

// ErrOther is the error of a document that is no evaluation on probes.
var ErrOther = errors.New("is no result of eval on probes")

// Read reads a document that is as it was written: its checksum fits, and its counts are
// those of its answers. The error wraps [ErrOther] if it is something else.
func Read(data []byte) (*Doc, error) {
	d := &Doc{}
	if json.Unmarshal(data, d) != nil || d.Result == nil || d.Set.Source == "" || len(d.Outputs) == 0 {
		return nil, fmt.Errorf("%w: give the document that bankai eval --json printed", ErrOther)
	}
	d = &Doc{}
	if err := report.ReadSealed(data, d); err != nil {
		return nil, fmt.Errorf("is not a whole result of eval: it %w: give the document that eval printed, or do it again", err)
	}
	if err := d.Result.Check(); err != nil {
		return nil, fmt.Errorf("is not a whole result of eval: %w: do it again", err)
	}
	return d, nil
}

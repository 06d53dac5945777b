package guard

import (
	"encoding/json"

	"bankai"
	"bankai/internal/stats"
)

// key is the member of a patch's metadata that holds the record.
const key = "guard"

// Record is what a patch records of the guard that it was searched and measured with: all
// by which others can make the same one from the model, and from the probes that were to
// be avoided, and what was measured on it.
type Record struct {
	Definition
	Digest bankai.Digest `json:"digest"` // of what was held out
	KL     float64       `json:"kl"`     // there: mean over the items, nats a token
}

// ClaimName is that of the claim on a guard.
const ClaimName = "guard, answers that stayed the same"

// Claim says of how many greedy answers how many stayed the same, as a patch records it.
func (r *Report) Claim() bankai.Claim {
	p := r.HeldOut
	return bankai.Claim{
		Name: ClaimName, Probes: r.Digest, Total: p.Greedy, Before: p.Greedy, After: p.Same,
		Broke: p.Greedy - p.Same, PValue: stats.McNemar(0, p.Greedy-p.Same),
	}
}

// Recorded is a provenance with the report's claim and record.
func (r *Report) Recorded(m bankai.Meta) (bankai.Meta, error) {
	data, err := json.Marshal(Record{r.Definition, r.Digest, r.HeldOut.KL})
	if err != nil {
		return m, err
	}
	m.Claims = append(m.Claims, r.Claim())
	m.Metadata = map[string]json.RawMessage{key: data}
	return m, nil
}

// RecordOf reads the record of a guard from a patch's metadata; nil if there is none that
// can be read.
func RecordOf(m bankai.Meta) *Record {
	data, ok := m.Metadata[key]
	var r Record
	if !ok || json.Unmarshal(data, &r) != nil || r.Edition == 0 || r.Tokens < 1 {
		return nil
	}
	return &r
}

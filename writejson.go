package bankai

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

const (
	jsonVersion = 1
	jsonFormat  = "bankai_row_xor_v1"
	// flipSize is what the JSON form's stats count for a flip, in bytes.
	flipSize = 12
)

// jsonPatch is the JSON form. FORMAT.md describes it.
type jsonPatch struct {
	Version     int                        `json:"version"`
	Format      string                     `json:"format"`
	Name        string                     `json:"name"`
	Description string                     `json:"description"`
	BaseModel   string                     `json:"base_model"`
	Flips       []jsonFlip                 `json:"flips"`
	Stats       map[string]json.RawMessage `json:"stats"`
	Metadata    map[string]json.RawMessage `json:"metadata"`
}

type jsonFlip struct {
	Layer int     `json:"layer"`
	Proj  string  `json:"proj"`
	Row   uint32  `json:"row"`
	Group *uint32 `json:"group,omitempty"` // nil: the whole row
}

// jsonBankai is the member "bankai" of the metadata: what the form's first tool
// has no place for.
type jsonBankai struct {
	Base    Digest            `json:"base,omitzero"`
	Content Digest            `json:"content,omitzero"` // see Patch.ContentDigest
	Created time.Time         `json:"created,omitzero"`
	Tool    string            `json:"tool,omitempty"`
	Command string            `json:"command,omitempty"`
	Claims  []Claim           `json:"claims,omitempty"`
	Widths  map[string]uint32 `json:"widths,omitempty"` // weights per row, by tensor

	Arithmetic Arithmetic `json:"arithmetic,omitzero"` // of the model the patch was made on

	Checksum Digest `json:"checksum,omitzero"` // see provenanceDigest
}

// checksumKey is the member of jsonBankai that its own value does not cover.
const checksumKey = "checksum"

// WriteJSON writes the JSON form. It holds rows and groups of the seven
// projections; single bits and other tensors are refused, by the first such
// flip.
func (p *Patch) WriteJSON(w io.Writer) error {
	if err := p.meta.check(); err != nil {
		return err
	}
	flips, err := p.jsonFlips()
	if err != nil {
		return err
	}
	out := jsonPatch{
		Version: jsonVersion, Format: jsonFormat,
		Name: p.meta.Name, Description: p.meta.Description, BaseModel: p.meta.BaseModel,
		Flips: flips, Stats: p.jsonStats(len(flips)),
	}
	if out.Metadata, err = p.jsonMetadata(out); err != nil {
		return err
	}
	data, err := marshalPlain(out, "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

func (p *Patch) jsonFlips() ([]jsonFlip, error) {
	flips := []jsonFlip{}
	for _, m := range p.masks {
		layer, proj, ok := SplitTensor(m.tensor)
		if !ok {
			return nil, fmt.Errorf("the JSON form has no name for tensor %.80q: write a .bankai file", m.tensor)
		}
		s := m.split()
		if len(s.bits) > 0 {
			return nil, m.notGroups(s)
		}
		if n := uint64(len(flips)) + s.units(); n > MaxFlips {
			return nil, fmt.Errorf("the JSON form would need %d flips up to tensor %s, the limit is %d: write a .bankai file", n, m.tensor, MaxFlips)
		}
		first := len(flips)
		for _, r := range s.rows {
			for row := r.start; row < r.start+r.n; row++ {
				flips = append(flips, jsonFlip{Layer: layer, Proj: proj, Row: uint32(row)})
			}
		}
		for _, r := range s.groups {
			perRow := s.span / GroupSize
			for i := r.start; i < r.start+r.n; i++ {
				group := uint32(i % perRow)
				flips = append(flips, jsonFlip{layer, proj, uint32(i / perRow), &group})
			}
		}
		// A row comes before its groups; both lists are sorted already.
		slices.SortStableFunc(flips[first:], func(a, b jsonFlip) int { return cmp.Compare(a.Row, b.Row) })
	}
	return flips, nil
}

// units counts the rows and groups.
func (s sections) units() (n uint64) {
	for _, r := range slices.Concat(s.rows, s.groups) {
		n += r.n
	}
	return n
}

// notGroups is the error for the first flip whose ends are not those of groups.
func (m mask) notGroups(s sections) error {
	row := uint32(s.bits[0].start / s.span)
	for f := range m.flips() {
		end := f.Col + f.N
		if f.N == ToEnd {
			end = m.width
		}
		if f.Row == row && (f.Col%GroupSize != 0 || end%GroupSize != 0) {
			return fmt.Errorf("the JSON form cannot hold columns %d to %d of row %d of %s, which are not whole groups of %d: write a .bankai file",
				f.Col, end-1, row, m.tensor, GroupSize)
		}
	}
	return fmt.Errorf("the JSON form cannot hold bits of row %d of %s: write a .bankai file", row, m.tensor)
}

func (p *Patch) jsonStats(flips int) map[string]json.RawMessage {
	stats := map[string]json.RawMessage{}
	maps.Copy(stats, p.meta.Stats)
	stats["n_flips"] = fmt.Appendf(nil, "%d", flips)
	stats["size_bytes"] = fmt.Appendf(nil, "%d", flips*flipSize)
	if bits, known := p.Bits(); known {
		stats["bits_flipped"] = fmt.Appendf(nil, "%d", bits)
	}
	return stats
}

// jsonMetadata is the metadata of a file of which out is all the rest.
func (p *Patch) jsonMetadata(out jsonPatch) (map[string]json.RawMessage, error) {
	lifted, err := p.meta.lifted()
	if err != nil {
		return nil, err
	}
	out.Metadata = map[string]json.RawMessage{}
	maps.Copy(out.Metadata, lifted)
	own := jsonBankai{
		Base: p.base, Content: p.ContentDigest(), Created: p.meta.Created, Tool: p.meta.Tool, Command: p.meta.Command,
		Claims: p.meta.Claims, Widths: map[string]uint32{}, Arithmetic: p.meta.Arithmetic,
	}
	for _, m := range p.masks {
		if m.width > 0 {
			own.Widths[m.tensor] = m.width
		}
	}
	if p.meta.Metric != "" {
		if out.Metadata[metricKey], err = marshalPlain(p.meta.Metric, ""); err != nil {
			return nil, err
		}
	}
	if out.Metadata[bankaiKey], err = marshalPlain(own, ""); err != nil {
		return nil, err
	}
	if own.Checksum, err = out.provenanceDigest(); err != nil {
		return nil, err
	}
	out.Metadata[bankaiKey], err = marshalPlain(own, "")
	return out.Metadata, err
}

// provenanceDigest is a SHA-256 of what a file says beside its flips: of the
// canonical JSON of an object with its texts, stats and metadata, without the
// checksum itself. Members of metadata that this program does not know count.
func (o jsonPatch) provenanceDigest() (Digest, error) {
	metadata := maps.Clone(o.Metadata)
	own := map[string]json.RawMessage{}
	if err := json.Unmarshal(metadata[bankaiKey], &own); err != nil {
		return Digest{}, err
	}
	delete(own, checksumKey)
	text, err := marshalPlain(own, "")
	if err != nil {
		return Digest{}, err
	}
	metadata[bankaiKey] = text
	text, err = marshalPlain(map[string]any{
		"name": o.Name, "description": o.Description, "base_model": o.BaseModel, "stats": o.Stats, "metadata": metadata,
	}, "")
	if err != nil {
		return Digest{}, err
	}
	text, err = canonicalJSON(text)
	return sha256.Sum256(text), err
}

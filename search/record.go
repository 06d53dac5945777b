package search

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"bankai"
)

// journalVersion changes whenever old journals would be misread.
const journalVersion = 2

// header is the first line of a journal.
type header struct {
	Version int    `json:"bankai_search_journal"`
	Run     []Fact `json:"run"`
}

// record is any other line: one trial.
type record struct {
	Step     int           `json:"step"` // the candidate's number, from 1; the start is 0
	On       bankai.Digest `json:"-"`    // content of the patch that the move was measured on
	OnHex    string        `json:"on"`
	Flips    []flip        `json:"flips,omitempty"`
	Fitness  number        `json:"fitness"`
	Targets  []number      `json:"targets,omitempty"`
	Controls []number      `json:"controls,omitempty"`
	Screened bool          `json:"screened,omitempty"`
	Cost     number        `json:"cost"`
	KeepCost number        `json:"keep_cost,omitempty"`
	Kept     bool          `json:"kept,omitempty"`
	Seconds  number        `json:"seconds"` // since the run began, over all its parts
}

// flip is a bankai.Flip, without the columns if it is a whole row.
type flip struct {
	Tensor string `json:"tensor"`
	Row    uint32 `json:"row"`
	Col    uint32 `json:"col,omitempty"`
	N      uint32 `json:"n,omitempty"`
}

// number is a float64 that JSON keeps exactly: the shortest decimal that reads
// back as the same bits, or a string for what JSON has no number for.
type number float64

// MarshalJSON implements json.Marshaler.
func (x number) MarshalJSON() ([]byte, error) {
	s := strconv.FormatFloat(float64(x), 'g', -1, 64)
	if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
		s = strconv.Quote(s)
	}
	return []byte(s), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (x *number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64)
	if err != nil {
		return fmt.Errorf("%.40s is not a number", b)
	}
	*x = number(f)
	return nil
}

func newRecord(step int, on *bankai.Patch, t Trial, kept bool, seconds float64) record {
	r := record{
		Step: step, On: on.ContentDigest(), Kept: kept, Seconds: number(seconds),
		Fitness: number(t.Fitness), Screened: t.Screened, Cost: number(t.Cost), KeepCost: number(t.KeepCost),
		Targets: convert[number](t.Targets), Controls: convert[number](t.Controls),
	}
	r.OnHex = r.On.String()
	for _, f := range t.Flips {
		j := flip{f.Tensor, f.Row, f.Col, f.N}
		if f.Col == 0 && f.N == bankai.ToEnd {
			j.N = 0
		}
		r.Flips = append(r.Flips, j)
	}
	return r
}

// parseRecord is the inverse of encoding a record as JSON.
func parseRecord(line []byte) (record, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	on, err := bankai.ParseDigest(r.OnHex)
	r.On = on
	return r, err
}

// trial returns the move and its score.
func (r record) trial() Trial {
	t := Trial{Score: Score{
		Fitness: float64(r.Fitness), Screened: r.Screened, Cost: float64(r.Cost), KeepCost: float64(r.KeepCost),
		Targets: convert[float64](r.Targets), Controls: convert[float64](r.Controls),
	}}
	for _, f := range r.Flips {
		if f.N == 0 {
			f.N = bankai.ToEnd
		}
		t.Flips = append(t.Flips, bankai.Flip{Tensor: f.Tensor, Row: f.Row, Col: f.Col, N: f.N})
	}
	return t
}

// convert changes the element type, and keeps nil.
func convert[To, From ~float64](from []From) []To {
	if from == nil {
		return nil
	}
	to := make([]To, len(from))
	for i, v := range from {
		to[i] = To(v)
	}
	return to
}

package search

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"bankai"
)

const (
	// journalVersion changes whenever old journals would be misread, or gone on with
	// otherwise than they began, or old programs would misread new ones.
	journalVersion = 8
	// headerBegin is how the first line begins, of any version.
	headerBegin = `{"bankai_search_journal":`
)

// header is the first line of a journal.
type header struct {
	Version int    `json:"bankai_search_journal"`
	Run     []Fact `json:"run"`
}

// record is any other line: what was found out about a patch, a trial, a prediction
// or a checkpoint, or that it was written to a file.
type record struct {
	On         bankai.Digest     `json:"on"`      // content of the patch
	Seconds    Number            `json:"seconds"` // since the run began, over all its parts
	Trial      *trialRecord      `json:"trial,omitempty"`
	Prediction *predictedRecord  `json:"forecast,omitempty"`
	Checkpoint *checkpointRecord `json:"look,omitempty"`
	Written    *Number           `json:"written,omitempty"` // the fitness of the patch, which was written
}

// trialRecord is a move on the patch, and its score.
type trialRecord struct {
	Step int `json:"step"` // the candidate's number, from 1; the start is 0
	moveRecord
	scoreRecord
	Kept bool `json:"kept,omitempty"`
}

// moveRecord is the flips of a move, and where it is measured.
type moveRecord struct {
	Flips  []flip       `json:"flips,omitempty"`
	Sample sampleRecord `json:"sample,omitzero"`
}

// sampleRecord is a Sample as [first, n].
type sampleRecord [2]int

// scoreRecord is a Score.
type scoreRecord struct {
	Fitness  Number   `json:"fitness"`
	Targets  []Number `json:"targets,omitempty"`
	Controls []Number `json:"controls,omitempty"`
	Worth    []Number `json:"worth,omitempty"`
	Screened bool     `json:"screened,omitempty"`
	Cost     Number   `json:"cost"`
}

// predictedRecord is what was wanted of the patch, and the answer.
type predictedRecord struct {
	Want string `json:"want"` // see wantKey
	predictionsRecord
	Cost Number `json:"cost"`
}

// predictionsRecord is a Predictions.
type predictionsRecord struct {
	Best  [][]predictionRecord `json:"best,omitempty"` // by granularity
	Held  []predictionRecord   `json:"held,omitempty"`
	Flips []predictionRecord   `json:"flips,omitempty"`
	Now   Number               `json:"now,omitzero"`
}

// checkpointRecord is what was watched, and a 1 for every right answer, a 0 for a wrong one.
type checkpointRecord struct {
	Of    string `json:"of"` // see Validation.Of
	Right string `json:"right"`
}

// predictionRecord is a Prediction as [tensor, row, column, n, fitness], n being 0
// for a whole row: there are thousands.
type predictionRecord Prediction

// MarshalJSON implements json.Marshaler.
func (p predictionRecord) MarshalJSON() ([]byte, error) {
	f := newFlip(p.Flip)
	return json.Marshal([]any{f.Tensor, f.Row, f.Col, f.N, Number(p.Fitness)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *predictionRecord) UnmarshalJSON(b []byte) error {
	var f flip
	var fitness Number
	fields := []any{&f.Tensor, &f.Row, &f.Col, &f.N, &fitness}
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if len(fields) != 5 {
		return fmt.Errorf("a prediction of %d parts, not 5", len(fields))
	}
	p.Flip, p.Fitness = f.flip(), float64(fitness)
	return nil
}

// flip is a bankai.Flip, without the columns if it is a whole row.
type flip struct {
	Tensor string `json:"tensor"`
	Row    uint32 `json:"row"`
	Col    uint32 `json:"col,omitempty"`
	N      uint32 `json:"n,omitempty"`
}

// Number is a float64 that JSON keeps exactly: the shortest decimal that reads
// back as the same bits, or a string for what JSON has no number for.
type Number float64

// MarshalJSON implements json.Marshaler.
func (x Number) MarshalJSON() ([]byte, error) {
	s := strconv.FormatFloat(float64(x), 'g', -1, 64)
	if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
		s = strconv.Quote(s)
	}
	return []byte(s), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (x *Number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64)
	if err != nil {
		return fmt.Errorf("%.40s is not a number", b)
	}
	*x = Number(f)
	return nil
}

func newFlip(f bankai.Flip) flip {
	j := flip{f.Tensor, f.Row, f.Col, f.N}
	if f.Col == 0 && f.N == bankai.ToEnd {
		j.N = 0
	}
	return j
}

func (f flip) flip() bankai.Flip {
	if f.N == 0 {
		f.N = bankai.ToEnd
	}
	return bankai.Flip{Tensor: f.Tensor, Row: f.Row, Col: f.Col, N: f.N}
}

// newRecord is a line about a patch.
func newRecord(on *bankai.Patch, seconds float64) record {
	return record{On: on.ContentDigest(), Seconds: Number(seconds)}
}

func newTrialRecord(step int, on *bankai.Patch, t candidate, kept bool) record {
	r := newRecord(on, t.seconds)
	r.Trial = &trialRecord{Step: step, moveRecord: newMoveRecord(t.Move), scoreRecord: newScoreRecord(t.Score), Kept: kept}
	return r
}

func newMoveRecord(m Move) (r moveRecord) {
	r.Sample = sampleRecord{m.Sample.First, m.Sample.N}
	for _, f := range m.Flips {
		r.Flips = append(r.Flips, newFlip(f))
	}
	return r
}

func newScoreRecord(s Score) scoreRecord {
	return scoreRecord{
		Fitness: Number(s.Fitness), Screened: s.Screened, Cost: Number(s.Cost),
		Targets: convert[Number](s.Targets), Controls: convert[Number](s.Controls), Worth: convert[Number](s.Worth),
	}
}

func newPredictedRecord(on *bankai.Patch, w Want, f Predictions, cost, seconds float64) record {
	r := newRecord(on, seconds)
	r.Prediction = &predictedRecord{Want: wantKey(w), predictionsRecord: newPredictionsRecord(f), Cost: Number(cost)}
	return r
}

func newPredictionsRecord(f Predictions) predictionsRecord {
	r := predictionsRecord{Held: predictions(f.Held), Flips: predictions(f.Flips), Now: Number(f.Now)}
	for _, list := range f.Best {
		r.Best = append(r.Best, predictions(list))
	}
	return r
}

func predictions(list []Prediction) []predictionRecord {
	out := make([]predictionRecord, len(list))
	for i, f := range list {
		out[i] = predictionRecord(f)
	}
	return out
}

// wantKey tells one Want from another.
func wantKey(w Want) string {
	key := fmt.Sprint(w.Best, w.Held)
	if len(w.Matrices) > 0 {
		key += " " + matricesFact(w.Matrices).Value
	}
	if len(w.Flips) > 0 {
		key += " flips " + listed(w.Flips)
	}
	if !w.Sample.All() {
		key += fmt.Sprint(" sample ", w.Sample.First, " ", w.Sample.N)
	}
	return key
}

// listed is a digest of flips in their order.
func listed(flips []bankai.Flip) string {
	h := sha256.New()
	for _, f := range flips {
		fmt.Fprintf(h, "%q %d %d %d\n", f.Tensor, f.Row, f.Col, f.N)
	}
	return fmt.Sprintf("%d (%.16x)", len(flips), h.Sum(nil))
}

// predictions is the inverse of newPredictionsRecord.
func (r *predictionsRecord) predictions() Predictions {
	var f Predictions
	for size, list := range r.Best {
		for _, p := range list {
			f.Best[size] = append(f.Best[size], Prediction(p))
		}
	}
	for _, p := range r.Held {
		f.Held = append(f.Held, Prediction(p))
	}
	for _, p := range r.Flips {
		f.Flips = append(f.Flips, Prediction(p))
	}
	f.Now = float64(r.Now)
	return f
}

// parseRecord is the inverse of encoding a record as JSON.
func parseRecord(line []byte) (record, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	return r, r.check()
}

// check reports numbers that no run writes.
func (r *record) check() error {
	if r.Trial == nil && r.Prediction == nil && r.Checkpoint == nil && r.Written == nil {
		return errors.New("it says nothing")
	}
	amounts := []Number{r.Seconds}
	if t := r.Trial; t != nil {
		amounts = append(amounts, t.Cost)
		if err := t.sample().Check(); err != nil {
			return err
		}
	}
	if f := r.Prediction; f != nil {
		amounts = append(amounts, f.Cost)
		if err := f.check(); err != nil {
			return err
		}
	}
	for _, x := range amounts {
		if !(x >= 0 && x <= math.MaxFloat64) {
			return errors.New("its costs and seconds must be numbers from 0 up")
		}
	}
	return nil
}

// check reports lists that have no place in Predictions.
func (r *predictionsRecord) check() error {
	if len(r.Best) > Granularities {
		return errors.New("it has predictions of unknown granularity")
	}
	return nil
}

// trial returns the move and its score.
func (r *trialRecord) trial() Trial { return Trial{r.move(), r.score()} }

func (r *moveRecord) sample() Sample { return Sample{r.Sample[0], r.Sample[1]} }

func (r *moveRecord) move() (m Move) {
	m.Sample = r.sample()
	for _, f := range r.Flips {
		m.Flips = append(m.Flips, f.flip())
	}
	return m
}

func (r *scoreRecord) score() Score {
	return Score{
		Fitness: float64(r.Fitness), Screened: r.Screened, Cost: float64(r.Cost),
		Targets: convert[float64](r.Targets), Controls: convert[float64](r.Controls), Worth: convert[float64](r.Worth),
	}
}

// MarshalJSON gives a move as a journal holds it: what it flips and where it is
// measured, not what was predicted of it.
func (m Move) MarshalJSON() ([]byte, error) { return json.Marshal(newMoveRecord(m)) }

// UnmarshalJSON is the inverse of MarshalJSON.
func (m *Move) UnmarshalJSON(b []byte) error {
	var r moveRecord
	err := json.Unmarshal(b, &r)
	*m = r.move()
	return cmp.Or(err, m.Sample.Check())
}

// wantRecord is a Want, with matrices by name.
type wantRecord struct {
	Matrices []string           `json:"matrices,omitempty"`
	Best     [Granularities]int `json:"best"`
	Held     bool               `json:"held,omitempty"`
	Flips    []flip             `json:"flips,omitempty"`
	Sample   sampleRecord       `json:"sample,omitzero"`
}

// MarshalJSON names the matrices only, whose shapes and scales are those of the model.
func (w Want) MarshalJSON() ([]byte, error) {
	r := wantRecord{Best: w.Best, Held: w.Held, Sample: sampleRecord{w.Sample.First, w.Sample.N}}
	for _, m := range w.Matrices {
		r.Matrices = append(r.Matrices, m.Name)
	}
	for _, f := range w.Flips {
		r.Flips = append(r.Flips, newFlip(f))
	}
	return json.Marshal(r)
}

// UnmarshalJSON is the inverse of MarshalJSON. The matrices have nothing but their names.
func (w *Want) UnmarshalJSON(b []byte) error {
	var r wantRecord
	err := json.Unmarshal(b, &r)
	*w = Want{Best: r.Best, Held: r.Held, Sample: Sample{r.Sample[0], r.Sample[1]}}
	for _, name := range r.Matrices {
		w.Matrices = append(w.Matrices, Matrix{Name: name})
	}
	for _, f := range r.Flips {
		w.Flips = append(w.Flips, f.flip())
	}
	return cmp.Or(err, w.Sample.Check())
}

// MarshalJSON gives a score as a journal holds it, to the bit.
func (s Score) MarshalJSON() ([]byte, error) { return json.Marshal(newScoreRecord(s)) }

// UnmarshalJSON is the inverse of MarshalJSON.
func (s *Score) UnmarshalJSON(b []byte) error {
	var r scoreRecord
	err := json.Unmarshal(b, &r)
	*s = r.score()
	return err
}

// MarshalJSON gives predictions as a journal holds them, to the bit.
func (f Predictions) MarshalJSON() ([]byte, error) { return json.Marshal(newPredictionsRecord(f)) }

// UnmarshalJSON is the inverse of MarshalJSON. It refuses more lists than there are
// granularities.
func (f *Predictions) UnmarshalJSON(b []byte) error {
	var r predictionsRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("predictions: %w", err)
	}
	*f = r.predictions()
	return nil
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

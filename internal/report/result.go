package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// About says what a result is of. Every result begins with it.
type About struct {
	Experiment string  `json:"experiment"` // its name, as on the command line
	Command    string  `json:"command"`    // the command line
	Tool       string  `json:"tool"`       // name and version of the program
	Model      string  `json:"model"`      // what people call it
	Digest     string  `json:"digest"`     // of the model, SHA-256
	Precision  string  `json:"precision"`  // of the 1-bit products
	Seed       uint64  `json:"seed"`
	Seconds    float64 `json:"seconds"` // that it took, resumed pieces aside
}

// Head returns a itself: a Result embeds its About.
func (a *About) Head() *About { return a }

// Result is what an experiment found. It goes through JSON unchanged.
type Result interface {
	Head() *About
	// Present says how the figures are shown; it only depends on the result.
	Present() *Presentation
}

// Kinds are empty results to read into, by the name of their experiment.
type Kinds map[string]func() Result

// Read reads a result of one of the kinds that was written as JSON. A file that is not
// as it was written is an error; what it returns can be shown.
func Read(r io.Reader, kinds Kinds) (Result, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var head About
	if err := json.Unmarshal(data, &head); err != nil || head.Experiment == "" {
		return nil, errors.New("is no result of an experiment: give the .json file that one wrote")
	}
	kind := kinds[head.Experiment]
	if kind == nil {
		return nil, fmt.Errorf("is of an experiment %q that this program does not know", head.Experiment)
	}
	result := kind()
	if err := ReadSealed(data, result); err != nil {
		return nil, fmt.Errorf("is not a whole result of %s: it %w: give the file that the experiment wrote, or do it again", head.Experiment, err)
	}
	return result, nil
}

// WriteJSON writes a result as Read takes it.
func WriteJSON(w io.Writer, r Result) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(Sealed{r})
}

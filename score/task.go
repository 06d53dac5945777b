package score

import (
	"encoding/json"
	"fmt"

	"bankai/engine"
	"bankai/probe"
)

// Task is all that an evaluator of the same scores on another machine is made of, but for
// the model. As JSON it keeps every number to the bit.
type Task struct {
	Spec     Spec     `json:"spec"`
	Targets  []Item   `json:"targets"`
	Controls []Item   `json:"controls,omitempty"`
	Text     []string `json:"text,omitempty"`
	Keep     []Item   `json:"keep,omitempty"`
	Tensors  []string `json:"tensors,omitempty"` // that moves change, see [Options]
}

// Task describes the evaluator.
func (e *Evaluator) Task() Task {
	return Task{Spec: e.spec, Targets: e.given[0], Controls: e.given[1], Text: e.opts.Text, Keep: e.opts.Keep, Tensors: e.opts.Tensors}
}

// Evaluator makes the evaluator that t describes, with memory bytes for its streams (0:
// DefaultMemory). It fails as [Spec.Evaluator] does, on another model too.
func (t Task) Evaluator(m *engine.Model, memory int) (*Evaluator, error) {
	return t.Spec.Evaluator(m, t.Targets, t.Controls, Options{Tensors: t.Tensors, Text: t.Text, Keep: t.Keep, Memory: memory})
}

// itemJSON is an Item, with names for what are numbers in Go.
type itemJSON struct {
	Name        string    `json:"name,omitempty"`
	Prompt      []int32   `json:"prompt"`
	Answers     [][]int32 `json:"answers"`
	Kind        string    `json:"kind"`
	Metric      string    `json:"metric,omitempty"`
	Beta        float64   `json:"beta,omitempty"`
	Lambda      float64   `json:"lambda,omitempty"`
	Temperature float64   `json:"temperature,omitempty"`
	Weight      float64   `json:"weight,omitempty"`
	Text        string    `json:"text,omitempty"`
	Passes      [][]int32 `json:"passes,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (i Item) MarshalJSON() ([]byte, error) {
	j := itemJSON{
		Name: i.Name, Prompt: i.Prompt, Answers: i.Answers, Kind: i.Aim.Kind.String(), Beta: i.Aim.Beta, Lambda: i.Aim.Lambda,
		Temperature: i.Aim.Temperature, Weight: i.Weight, Text: i.text, Passes: i.passes,
	}
	if i.Aim.Kind == Probe {
		j.Metric = i.Aim.Metric.String()
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *Item) UnmarshalJSON(b []byte) (err error) {
	var j itemJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	aim := Aim{Beta: j.Beta, Lambda: j.Lambda, Temperature: j.Temperature}
	if aim.Kind, err = ParseKind(j.Kind); err != nil {
		return fmt.Errorf("%q: %w", j.Name, err)
	}
	if aim.Kind == Probe {
		if aim.Metric, err = probe.ParseMetric(j.Metric); err != nil {
			return fmt.Errorf("%q: %w", j.Name, err)
		}
	}
	*i = Item{Name: j.Name, Prompt: j.Prompt, Answers: j.Answers, Aim: aim, Weight: j.Weight, text: j.Text, passes: j.Passes}
	return nil
}

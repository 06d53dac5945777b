package server

import (
	"net/http"

	"bankai/engine"
	"bankai/internal/anatomy"
	"bankai/internal/program"
)

// baseDoc describes the model as it is: what `bankai info` tells of its file, and how it
// is asked.
type baseDoc struct {
	anatomy.Model
	ID        string      `json:"id"`       // what requests call it
	Template  string      `json:"template"` // for chats; "none": messages are joined as they are
	Thinks    bool        `json:"thinks"`   // it may think before it answers
	Sampling  samplingDoc `json:"sampling"` // of requests that do not say
	Precision string      `json:"precision"`
	Kernel    string      `json:"kernel"`
	Threads   int         `json:"threads"`
	Tool      string      `json:"tool"` // what serves it
	// May is what whoever asks may do beside asking.
	May struct {
		Change bool `json:"change"` // add patches and delete them, and whatever takes as much
	} `json:"may"`
}

// samplingDoc is how tokens are chosen, in the fields of requests.
type samplingDoc struct {
	Temperature   float64 `json:"temperature"`
	TopK          int     `json:"top_k"`
	TopP          float64 `json:"top_p"`
	MinP          float64 `json:"min_p"`
	RepeatPenalty float64 `json:"repeat_penalty"` // 1 is none
}

func samplingOf(s engine.Sampling) samplingDoc {
	doc := samplingDoc{s.Temperature, s.TopK, s.TopP, s.MinP, s.RepeatPenalty}
	if doc.TopP == 0 {
		doc.TopP = 1
	}
	if doc.RepeatPenalty == 0 {
		doc.RepeatPenalty = 1
	}
	return doc
}

// showBase answers GET /api/model.
func (s *Server) showBase(x *exchange) error {
	doc := baseDoc{
		Model: anatomy.NewModel("", x.model.Weights()), ID: x.name, Template: x.template.Name(), Thinks: x.abilities.thinking,
		Sampling: samplingOf(x.drawing), Precision: x.model.Precision().String(), Kernel: x.model.Kernel(), Threads: x.model.Threads(), Tool: program.Tool(),
	}
	doc.May.Change = s.access.administrator(x.r) == nil
	writeJSON(x.w, http.StatusOK, doc)
	return nil
}

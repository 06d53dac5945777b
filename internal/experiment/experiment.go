// Package experiment measures what the claims about patches rest on: how much
// random damage a 1-bit model bears, which layers matter, what a patch fixes and
// breaks on questions that no search saw. Every published experiment has its
// function here; each returns a [report.Result] with the figures, their intervals or
// p-values, and how to present them.
//
// Experiments are long rows of small pieces of work. A [Run] carries what watches
// them, and a [Journal] what is done already, so that an interrupted experiment
// goes on where it ended. Equal inputs and seeds give equal figures to the bit.
package experiment

import (
	"bankai/internal/report"
)

// Own are the results of this package.
var Own = report.Kinds{
	"lora":       func() report.Result { return &LoRA{} },
	"ablate":     func() report.Result { return &Ablate{} },
	"robustness": func() report.Result { return &Robustness{} },
	"layers":     func() report.Result { return &LayerMap{} },
	"scale":      func() report.Result { return &Scales{} },
	"perplexity": func() report.Result { return &Perplexity{} },
	"variations": func() report.Result { return &Variations{} },
	"stack":      func() report.Result { return &Stack{} },
	"compare":    func() report.Result { return &Comparison{} },
}

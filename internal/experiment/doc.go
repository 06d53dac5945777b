// Package experiment measures what the claims about patches rest on: how much
// random damage a 1-bit model bears, which layers matter, what a patch fixes and
// breaks on questions that no search saw. Every published experiment has its
// function here; each returns a [Result] with the figures, their intervals or
// p-values, and how to present them.
//
// Experiments are long rows of small pieces of work. A [Run] carries what watches
// them, and a [Journal] what is done already, so that an interrupted experiment
// goes on where it ended. Equal inputs and seeds give equal figures to the bit.
package experiment

// Package score measures patches on a model: it is what a search climbs.
//
// An [Objective] says what a patch is worth, given the answers to probes with and
// without it. An [Evaluator] asks a model for those answers, from kept residual
// streams, and predicts by gradients what every flip would change. A [Plan] says
// how to search, and [NewSetup] puts the evaluator and a strategy of package
// search together for it.
package score

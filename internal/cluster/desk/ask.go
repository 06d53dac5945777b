package desk

import (
	"context"
	"errors"
	"slices"

	"bankai/engine"
)

// Width is as much as gives every machine several units that are as large as what one
// machine does alone: of smaller ones its batches would be slower.
func (d *Desk) Width() int {
	if n := d.machines(); n > 1 {
		return n * perWorker
	}
	return 1
}

// machines counts them, this one included.
func (d *Desk) machines() int {
	ids, _ := d.carrier.Workers()
	return 1 + len(ids)
}

// Score answers questions about the model of the desk; another model's are answered
// here.
func (d *Desk) Score(ctx context.Context, m *engine.Model, qs []engine.Question) ([][]engine.Answer, error) {
	machines := d.machines()
	if m != d.model || machines == 1 {
		return m.Score(ctx, qs)
	}
	parts := byOverlay(len(qs), d.divide(machines), func(i int) *engine.Overlay { return qs[i].Overlay }, func(i int) (bytes, generated int) {
		for _, a := range qs[i].Answers {
			bytes += len(a)
		}
		return tokenBytes * (bytes + len(qs[i].Prompt)), 0
	})
	units := make([]Unit, len(parts))
	for k, part := range parts {
		units[k] = Unit{overlay: qs[part[0]].Overlay, questions: some(qs, part)}
	}
	out := make([][]engine.Answer, len(qs))
	all, _, err := d.do(ctx, units, func(int, Answers) {})
	if err != nil {
		return nil, err
	}
	for k, part := range parts {
		for i, a := range all[k].scores() {
			out[part[i]] = a
		}
	}
	return out, nil
}

// tokenBytes is about what a token id takes as it is sent.
const tokenBytes = 7

// Generate answers requests to the model of the desk. emit is told the tokens of a
// unit when all of it is there, those of its requests one after another. What a machine
// said that turns out to compute wrong bits may be among them: the results alone count
// then.
func (d *Desk) Generate(ctx context.Context, m *engine.Model, reqs []engine.Request, emit func(i int, id int32)) ([]engine.Result, error) {
	machines := d.machines()
	if m != d.model || machines == 1 {
		return m.Generate(ctx, reqs, emit)
	}
	parts := byOverlay(len(reqs), d.divide(machines), func(i int) *engine.Overlay { return reqs[i].Overlay }, func(i int) (bytes, generated int) {
		for _, s := range reqs[i].StopTexts {
			bytes += len(s)
		}
		return bytes + tokenBytes*(len(reqs[i].Prompt)+len(reqs[i].Until.Tokens)+3*len(reqs[i].Sampling.Bias)), reqs[i].Max
	})
	units := make([]Unit, len(parts))
	for k, part := range parts {
		units[k] = Unit{overlay: reqs[part[0]].Overlay, requests: some(reqs, part)}
	}
	out := make([]engine.Result, len(reqs))
	all, ok, err := d.do(ctx, units, func(k int, a Answers) {
		for i, r := range a.Results {
			for _, id := range r.IDs {
				if emit != nil {
					emit(parts[k][i], id)
				}
			}
		}
	})
	for k, part := range parts {
		if !ok[k] {
			continue
		}
		for i, r := range all[k].results() {
			out[part[i]] = r
		}
	}
	return out, renumbered(err, parts, ok, out)
}

// renumbered gives a refused request its number among all, and those that have not come
// to their end an error.
func renumbered(err error, parts [][]int, ok []bool, out []engine.Result) error {
	if err == nil {
		return nil
	}
	cause := err
	var in *unitError
	if errors.As(err, &in) {
		cause = in.err
	}
	var refused *engine.RequestError
	if in != nil && errors.As(cause, &refused) && refused.Request < len(parts[in.unit]) {
		err = &engine.RequestError{Request: parts[in.unit][refused.Request], Err: refused.Err}
		cause = refused.Err
	} else {
		err = cause
	}
	for k, part := range parts {
		for _, i := range part {
			if !ok[k] {
				out[i].Err = &engine.RequestError{Request: i, Err: cause}
			}
		}
	}
	return err
}

// divide is into how many units a call is divided: each machine gets several of all that is
// asked at the same time, of two calls as many each as of one, since the second is there to
// follow the first.
func (d *Desk) divide(machines int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(1, machines*perWorker/max(1, len(d.calls)))
}

// byOverlay divides n things into about so many units: of each the indices. Those of a unit
// have one overlay.
func byOverlay(n, units int, overlay func(i int) *engine.Overlay, size func(i int) (bytes, generated int)) (parts [][]int) {
	var order []*engine.Overlay
	of := map[*engine.Overlay][]int{}
	for i := range n {
		o := overlay(i)
		if of[o] == nil {
			order = append(order, o)
		}
		of[o] = append(of[o], i)
	}
	for _, o := range order {
		all := of[o]
		for _, run := range cut(len(all), units, func(i int) (int, int) { return size(all[i]) }) {
			parts = append(parts, all[run[0]:run[1]])
		}
	}
	return parts
}

// some are some of all.
func some[T any](all []T, of []int) []T {
	picked := make([]T, 0, len(of))
	for _, i := range of {
		picked = append(picked, all[i])
	}
	return slices.Clip(picked)
}

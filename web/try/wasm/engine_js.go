package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall/js"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/anatomy"
	"bankai/internal/weights"
)

// engineOf is the model of a page with the patches that are kept for it.
type engineOf struct {
	model   *engine.Model
	patches map[string]*bankai.Patch
	end     context.CancelFunc // of what is generated; nil if nothing is
	yield   *yield
}

// open loads a model.
func (e *engineOf) open(name string, data []byte) (any, error) {
	f, err := weights.FromBytes(name, data)
	if err != nil {
		return nil, err
	}
	m, err := engine.Load(f, engine.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	e.model, e.patches = m, map[string]*bankai.Patch{}
	return struct {
		anatomy.Model
		Kernel string `json:"kernel"`
	}{anatomy.NewModel(name, m.Weights()), m.Kernel()}, nil
}

// patch keeps a patch under a name, if it is one for the model.
func (e *engineOf) patch(name string, data []byte) (any, error) {
	if e.model == nil {
		return nil, errNoModel
	}
	p, err := bankai.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f := e.model.Weights()
	if p, err = f.Fit(p); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	facts, err := anatomy.NewPatch(name, int64(len(data)), p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	e.patches[name] = p
	return facts, nil
}

var errNoModel = errors.New("there is no model yet: open one first")

// request is a prompt to be continued, once for every set of patches.
type request struct {
	Prompt      string     `json:"prompt"`
	IDs         []int32    `json:"ids"`  // instead of the prompt
	Sets        [][]string `json:"sets"` // names of patches; an empty set is the model as it is
	Max         int        `json:"max"`  // tokens
	Stop        []string   `json:"stop"` // texts
	Temperature float64    `json:"temperature"`
	Seed        uint64     `json:"seed"`
	Top         int        `json:"top"` // how many of the likeliest tokens to tell of
}

// ids are the tokens of the prompt.
func (e *engineOf) ids(q request) []int32 {
	if q.IDs != nil {
		return q.IDs
	}
	return e.model.Tokenizer().Encode(q.Prompt)
}

// overlay combines patches by their names. Two of which one says that they do not go
// together are refused, as everywhere.
func (e *engineOf) overlay(names []string) (*engine.Overlay, error) {
	sum := bankai.New(bankai.Digest{}, bankai.Meta{})
	for i, name := range names {
		p := e.patches[name]
		if p == nil {
			return nil, fmt.Errorf("there is no patch %q", name)
		}
		for _, before := range names[:i] {
			if c, declared := bankai.ConflictOf(e.patches[before], p); declared {
				return nil, fmt.Errorf("%s must not be combined with %s (%s): switch one of them off", name, before, c.Why)
			}
		}
		var err error
		if sum, err = sum.Xor(p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return e.model.Overlay(sum)
}

// answer is how one of the answers ended.
type answer struct {
	Text      string  `json:"text"`
	IDs       []int32 `json:"ids"`
	Finish    string  `json:"finish_reason"` // as "bankai generate" has it
	Prompted  int     `json:"prompt_tokens"`
	Generated int     `json:"generated_tokens"`
	Reading   float64 `json:"reading_seconds"`    // until the first token
	Writing   float64 `json:"generation_seconds"` // from the first token to the last
}

// generate continues a prompt under every set, in one batch.
func (e *engineOf) generate(what, tell js.Value) (any, error) {
	var q request
	switch err := read(what, &q); {
	case err != nil:
		return nil, err
	case e.model == nil:
		return nil, errNoModel
	case e.end != nil:
		return nil, errors.New("something is being generated: stop it first")
	}
	requests, tellers, err := e.requests(q, tell)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	e.end = end
	defer func() { end(); e.end = nil }()
	began := time.Now()
	results, err := e.model.Generate(ctx, requests, nil)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	answers := make([]answer, len(results))
	for i, r := range results {
		first, last := tellers[i].first, tellers[i].last
		answers[i] = answer{r.Text, append([]int32{}, r.IDs...), r.Finish, r.Prompted, r.Generated, max(0, first.Sub(began).Seconds()), last.Sub(first).Seconds()}
		if r.Err != nil {
			answers[i].Finish = "interrupted"
		}
	}
	return answers, nil
}

// requests are those of all sets.
func (e *engineOf) requests(q request, tell js.Value) ([]engine.Request, []*teller, error) {
	ids := e.ids(q)
	requests, tellers := make([]engine.Request, len(q.Sets)), make([]*teller, len(q.Sets))
	for i, names := range q.Sets {
		overlay, err := e.overlay(names)
		if err != nil {
			return nil, nil, err
		}
		tellers[i] = &teller{engine: e, set: i, tell: tell}
		requests[i] = engine.Request{
			Prompt: ids, Overlay: overlay, Max: q.Max, StopTexts: q.Stop,
			Sampling: engine.Sampling{Temperature: q.Temperature, Seed: q.Seed}, LogProbs: true, TopLogProbs: q.Top,
			Emit: tellers[i].token,
		}
	}
	return requests, tellers, nil
}

func (e *engineOf) stop() {
	if e.end != nil {
		e.end()
	}
}

// logits identifies what the model says next: the SHA-256 of all logits, as "bankai logits
// --all" writes them.
func (e *engineOf) logits(what js.Value) (any, error) {
	var q request
	if err := read(what, &q); err != nil {
		return nil, err
	}
	if e.model == nil {
		return nil, errNoModel
	}
	digests := []string{}
	for _, names := range q.Sets {
		overlay, err := e.overlay(names)
		if err != nil {
			return nil, err
		}
		b := e.model.NewBatch(0)
		rows, err := b.Step(context.Background(), []engine.Input{{Seq: b.NewSeq(overlay), Tokens: e.ids(q), Logits: 1}})
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		binary.Write(sum, binary.LittleEndian, rows[0])
		digests = append(digests, fmt.Sprintf("%x", sum.Sum(nil)))
	}
	return digests, nil
}

package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"bankai/engine"
	"bankai/internal/text"
)

// Bounds of what one request may ask for.
const (
	maxChoices  = 16  // of one prompt
	maxSequence = 128 // of all prompts
	maxStops    = 4   // OpenAI's
	maxTop      = 20  // likeliest tokens told of, beside each
	maxTokens   = math.MaxInt32
)

// job is what a request asks for, whatever API it came by.
type job struct {
	model string // what the answer calls the model
	set   *patchSet
	// compared are the patch sets of each prompt's choices, instead of set; nil for no others.
	compared []*patchSet
	prompts  [][]int32
	choices  int           // of each prompt
	max      int           // tokens of each choice
	talk     *conversation // that the prompt is made of, if it is

	// sampling is that of the first choice of a prompt. Each further one has the next seed,
	// unless patch sets are compared: then all have the same.
	sampling engine.Sampling
	stops    []string
	logProbs bool
	top      int // likeliest tokens told of, beside each
	// promptLogProbs says that the prompt's tokens are told of, too.
	promptLogProbs bool

	client string // who asks: clients take turns
	tenant string // whose prompts begin alike without anybody learning it
	cached bool   // what was computed for such prompts may be used
}

// common takes the fields that all requests for text have.
func (l *loaded) common(f *fields, o Options) (*job, error) {
	j := l.drawn(f, maxStops)
	j.choices = f.whole("n", 1, maxChoices, 1)
	f.ignore("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prediction")
	j.cached = f.boolOr("cache_prompt", true)
	j.tenant, _ = f.text("cache_salt")
	var err error
	if j.set, j.model, err = l.under(f, o); err != nil && f.fault == nil {
		return nil, err
	}
	return j, nil
}

// drawn takes how tokens are chosen and which texts end an answer, into a job of one
// choice. In OpenAI's API they are fields of the request, in Ollama's of its "options".
func (l *loaded) drawn(f *fields, stops int) *job {
	j := &job{choices: 1, cached: true, stops: f.stops(stops), sampling: f.sampling(l.drawing)}
	for id := range j.sampling.Bias {
		if vocab := l.model.Config().Vocab; id < 0 || int(id) >= vocab {
			f.fail(invalid("logit_bias", "logit_bias: %v", &engine.TokenError{ID: id, Vocab: vocab}))
		}
	}
	return j
}

// sampling takes how tokens are chosen; otherwise is what goes for fields that are not
// there. OpenAI's own temperature of 1, without cuts, is what "temperature": 1,
// "top_k": 0, "top_p": 1, "min_p": 0 asks for. Without a seed, or with −1, which stands for
// none in llama.cpp's server and Ollama, one is drawn, which the answer tells.
func (f *fields) sampling(otherwise engine.Sampling) engine.Sampling {
	s := engine.Sampling{
		Temperature: f.number("temperature", 0, math.Inf(1), otherwise.Temperature),
		TopK:        f.whole("top_k", 0, math.MaxInt32, otherwise.TopK),
		TopP:        f.number("top_p", 0, 1, otherwise.TopP),
		MinP:        f.number("min_p", 0, 1, otherwise.MinP),
	}
	if s.TopP == 0 { // which for the engine is no cut
		s.TopP = math.SmallestNonzeroFloat64
	}
	s.RepeatPenalty = f.number("repeat_penalty", 0, 10, cmp.Or(otherwise.RepeatPenalty, 1))
	f.penalties(&s)
	var seed json.Number
	if !f.take("seed", &seed, "a whole number") || seed == "-1" {
		s.Seed = rand.Uint64() >> 11 // exact in a float64, as clients in JavaScript read it
		return s
	}
	if v, err := strconv.ParseInt(seed.String(), 10, 64); err == nil {
		s.Seed = uint64(v)
	} else if s.Seed, err = strconv.ParseUint(seed.String(), 10, 64); err != nil {
		f.fail(invalid("seed", "seed is %s: must be a whole number of 64 bits", seed))
	}
	return s
}

// maxBiased bounds the tokens that one request may favour: OpenAI takes as many.
const maxBiased = 1024

// penalties takes what changes the logits before a token is chosen.
func (f *fields) penalties(s *engine.Sampling) {
	s.FrequencyPenalty = f.number("frequency_penalty", -2, 2, 0)
	s.PresencePenalty = f.number("presence_penalty", -2, 2, 0)
	switch s.RepeatLast = f.whole("repeat_last_n", -1, math.MaxInt32, 64); s.RepeatLast {
	case 0:
		s.RepeatPenalty = 0
	case -1: // in llama.cpp's server and Ollama: all that there are
		s.RepeatLast = math.MaxInt32
	}
	var bias map[string]float64
	if !f.take("logit_bias", &bias, "an object with a number for each token id") {
		return
	}
	if len(bias) > maxBiased {
		f.fail(invalid("logit_bias", "logit_bias has %d tokens: at most %d are allowed", len(bias), maxBiased))
		return
	}
	s.Bias = make(map[int32]float32, len(bias))
	for key, b := range bias {
		id, err := strconv.ParseInt(key, 10, 32)
		// Written in two ways, a token could be there twice.
		if err != nil || strconv.FormatInt(id, 10) != key || !(b >= -100 && b <= 100) {
			f.fail(invalid("logit_bias", "logit_bias has %.20q: %g: must have token ids with numbers from -100 to 100", key, b))
			return
		}
		s.Bias[int32(id)] = float32(b)
	}
}

// stops takes the texts that end an answer: one, or a list.
func (f *fields) stops(most int) (stops []string) {
	what := fmt.Sprintf("a text, or a list of at most %d", most)
	value := f.raw("stop")
	switch {
	case value == nil:
		return nil
	case value[0] == '"':
		stops = make([]string, 1)
		json.Unmarshal(value, &stops[0])
	case json.Unmarshal(value, &stops) != nil:
		f.fail(invalid("stop", "stop must be %s", what))
		return nil
	}
	if len(stops) > most {
		f.fail(invalid("stop", "stop has %d texts: must be %s", len(stops), what))
	}
	for _, s := range stops {
		if s == "" {
			f.fail(invalid("stop", "a stop text is empty: give it some text, or leave it out"))
		}
	}
	return stops
}

// limit takes the most tokens of an answer, by the first of several names that is there.
// They must agree.
func (f *fields) limit(least, otherwise int, names ...string) int {
	const absent = -1
	limit := absent
	for _, name := range names {
		n := f.whole(name, least, maxTokens, absent)
		if n != absent && limit != absent && n != limit {
			f.fail(invalid(name, "%s do not agree: give one of them", text.Listed(names)))
		}
		if limit == absent {
			limit = n
		}
	}
	if limit == absent {
		return otherwise
	}
	return limit
}

// under takes the patches that a request is answered under: of its "model", its
// "patches", or both, which then must be the same. A list of patches together with the
// base's own name is those patches.
func (l *loaded) under(f *fields, o Options) (*patchSet, string, error) {
	id, hasModel := f.text("model")
	var refs []json.RawMessage
	hasList := f.take("patches", &refs, `a list of names, digests as "sha256:…", or {"data": BASE64}`)
	if !hasModel {
		id = l.name
	}
	byName, err := l.patches.resolve(l.name, id)
	if err != nil {
		return nil, "", err
	}
	set, err := l.patches.set(byName)
	if err != nil || !hasList {
		return set, id, err
	}
	listed, err := l.listed(refs, o)
	if err != nil {
		return nil, "", err
	}
	both, err := l.patches.set(listed)
	if err != nil {
		return nil, "", err
	}
	if len(byName) > 0 && both.digest != set.digest {
		return nil, "", invalid("patches", "the model %q and the field patches name different patches: give one of them, or the same in both", id)
	}
	return both, both.id(l.name), nil
}

// maxListed bounds the patches of one request.
const maxListed = 64

func (l *loaded) listed(refs []json.RawMessage, o Options) (all []*patch, err error) {
	if len(refs) > maxListed {
		return nil, invalid("patches", "patches has %d items: at most %d are allowed", len(refs), maxListed)
	}
	for i, ref := range refs {
		p, err := l.listedPatch(ref, o)
		if err != nil {
			return nil, inPatches(i, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// listedPatch is one item of "patches".
func (l *loaded) listedPatch(ref json.RawMessage, o Options) (*patch, error) {
	var name string
	if json.Unmarshal(ref, &name) == nil && ref[0] == '"' {
		return l.patches.referred(name)
	}
	var inline map[string]json.RawMessage
	var data string
	if json.Unmarshal(ref, &inline) != nil || len(inline) != 1 || json.Unmarshal(inline["data"], &data) != nil {
		return nil, invalid("patches", `an item of patches must be a name, a digest as "sha256:…", or {"data": BASE64}`)
	}
	if o.RequireSigned {
		return nil, notSigned("patches", "patches inside of requests have no signatures, and this server takes only patches that are signed: put it under a name, with its signature, with PUT /api/patches/NAME")
	}
	return l.patches.inline(data, o.InlinePatches)
}

// inPatches says which item of "patches" is at fault.
func inPatches(i int, err error) error {
	f := *patchFailure(err)
	if f.param == "" {
		f.param = "patches"
	}
	f.message = fmt.Sprintf("patches[%d]: %s", i, f.message)
	return &f
}

// fitContext refuses prompts that fill the model's context, in which there is no room for
// an answer. most is how many tokens are wanted at least.
func (l *loaded) fitContext(prompts [][]int32, param string, least int) error {
	limit := l.model.Context()
	for _, p := range prompts {
		if limit > 0 && len(p)+least > limit {
			f := invalid(param, "the prompt has %d tokens, but the model's context holds %d with the answer: shorten it", len(p), limit)
			f.code = "context_length_exceeded"
			return f
		}
		if len(p) == 0 {
			return invalid(param, "the prompt has no tokens: give the model some text")
		}
	}
	return nil
}

// fingerprint tells what an answer's bytes depend on beside the request: equal
// fingerprints, seeds and requests have equal answers.
func (l *loaded) fingerprint(sets ...*patchSet) string {
	parts := []string{"bk1", fmt.Sprintf("%.8s", l.model.Digest()), digestOf(sets), l.model.Precision().String()}
	return strings.Join(parts, "-")
}

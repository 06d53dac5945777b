package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
)

// maxCompared bounds the patch sets of one request.
const maxCompared = 8

// compare takes the patch sets that a request is answered under one beside the other:
// choice i of each prompt is made under set i, all with the same seed, so that where two
// choices differ first their patches make the difference. It comes last, when n and what
// names patches otherwise are taken.
func (l *loaded) compare(f *fields, j *job, o Options) error {
	var sets []json.RawMessage
	if !f.take("compare", &sets, `a list of patch sets, each a list as "patches" has it: [[], ["NAME"]]`) {
		return nil
	}
	switch {
	case len(sets) == 0 || len(sets) > maxCompared:
		return invalid("compare", "compare has %d patch sets: must have 1 to %d", len(sets), maxCompared)
	case len(j.set.patches) > 0:
		return invalid("compare", "compare says which patches each choice is made under: leave them out of model and patches")
	case j.choices > 1:
		return invalid("n", "n is %d, but compare makes one choice under each of its patch sets: leave n out", j.choices)
	}
	for i, refs := range sets {
		set, err := l.setOf(refs, o)
		if err != nil {
			return inCompare(i, err)
		}
		j.compared = append(j.compared, set)
	}
	j.choices = len(sets)
	return nil
}

// setOf is one item of "compare".
func (l *loaded) setOf(value json.RawMessage, o Options) (*patchSet, error) {
	var refs []json.RawMessage
	if bytes.Equal(value, []byte("null")) || json.Unmarshal(value, &refs) != nil {
		return nil, invalid("compare", `must be a list of names, digests as "sha256:…", or {"data": BASE64}; [] is the model as it is`)
	}
	patches, err := l.listed(refs, o)
	if err != nil {
		return nil, err
	}
	return l.patches.set(patches)
}

// inCompare says which item of "compare" is at fault.
func inCompare(i int, err error) error {
	f := *patchFailure(err)
	f.param = "compare"
	f.message = fmt.Sprintf("compare[%d]: %s", i, f.message)
	return &f
}

// sets are the patch sets that a job is done under: one, or those that are compared.
func (j *job) sets() []*patchSet {
	if j.compared == nil {
		return []*patchSet{j.set}
	}
	return j.compared
}

// under is the patch set of a choice, counted through all prompts.
func (j *job) under(choice int) *patchSet {
	if j.compared == nil {
		return j.set
	}
	return j.compared[choice%j.choices]
}

// madeUnder is what a choice tells of its patch set, if several are compared.
type madeUnder struct {
	Model       string `json:"model,omitempty"` // as a request of its own would name it
	Fingerprint string `json:"system_fingerprint,omitempty"`
}

func (l *loaded) madeUnder(j *job, choice int) madeUnder {
	if j.compared == nil {
		return madeUnder{}
	}
	set := j.under(choice)
	return madeUnder{set.id(l.name), l.fingerprint(set)}
}

// noPatches stands in the header for the model as it is, among sets that are compared.
const noPatches = "-"

// headerOf says which patches an answer is made under: the sets that are compared one after
// the other.
func headerOf(sets []*patchSet) string {
	if len(sets) == 1 {
		return sets[0].header()
	}
	all := make([]string, len(sets))
	for i, s := range sets {
		if all[i] = s.header(); all[i] == "" {
			all[i] = noPatches
		}
	}
	return strings.Join(all, "; ")
}

// digestOf tells sets of patches apart by what they flip: a digest's first digits.
func digestOf(sets []*patchSet) string {
	if len(sets) == 1 {
		return fmt.Sprintf("%.8s", sets[0].digest)
	}
	sum := sha256.New()
	for _, s := range sets {
		sum.Write(s.digest[:])
	}
	return fmt.Sprintf("%.8x", sum.Sum(nil))
}

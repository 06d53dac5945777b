package server

import (
	"fmt"
	"strings"

	"bankai"
	"bankai/store"
)

// latest is the tag that stands for the model as it is, as Ollama's clients write it.
const latest = store.Latest

// CheckName refuses what cannot be the name of a patch in requests: a name as those of the
// library are, with a tag or without.
func CheckName(name string) error {
	ref, err := store.ParseRef(name)
	if err == nil && (ref.Name == "" || ref.Digest != "") {
		err = fmt.Errorf("%q cannot be the name of a patch: it is a digest", name)
	}
	return err
}

// CheckModelName refuses what cannot be the name of a model, which requests and answers
// write in one line and clients in a path.
func CheckModelName(name string) error {
	if name == "" || len(name) > 200 {
		return fmt.Errorf("the model's name has %d characters: give it 1 to 200", len(name))
	}
	for _, r := range name {
		if r <= ' ' || r == '+' || r == 0x7f || r == 0xFFFD {
			return fmt.Errorf("the model's name %q has the character %q: white space and '+' are not allowed", name, r)
		}
	}
	return nil
}

// resolve finds the patches that a model's id names. The rule, in this order:
//
//  1. The id is the base's name, as it is: no patches. So a base that is called
//     gpt-oss:120b is never taken for the patch 120b on something else.
//  2. The id is a patch's name: that patch.
//  3. The id is BASE:REST, where BASE is the base's name. REST is "latest", for no patches,
//     or PATCH[+PATCH…], each the name of a patch that the server has, none of them twice.
//     A patch of the library may have a tag, as in demo:math:v2+units.
//
// Anything else is not found. It is never answered by the base.
func (r *registry) resolve(base, id string) ([]*patch, error) {
	if id == base {
		return nil, nil
	}
	if p := r.get(id); p != nil {
		return []*patch{p}, nil
	}
	tag, ofBase := strings.CutPrefix(id, base+":")
	if !ofBase {
		if r.whyNot(id) != nil {
			return nil, unknownModel(id, "%s", r.missing(id, ""))
		}
		return nil, unknownModel(id, "there is no model %q: GET /v1/models lists those that there are", id)
	}
	if tag == latest {
		return nil, nil
	}
	if n := strings.Count(tag, "+") + 1; n > maxListed {
		return nil, invalid("model", "the model names %d patches: at most %d are allowed", n, maxListed)
	}
	var found []*patch
	for name := range strings.SplitSeq(tag, "+") {
		p := r.get(name)
		if p == nil {
			return nil, unknownModel(id, "there is no model %q, because %s", id, r.missing(name, "GET /v1/models"))
		}
		found = append(found, p)
	}
	return found, nil
}

// referred finds the patch of a reference in a request's "patches": a name, the digest
// of what it flips as sha256:HEX, or both as NAME@sha256:HEX.
func (r *registry) referred(ref string) (*patch, error) {
	name, digest, pinned := strings.Cut(ref, "@")
	if rest, only := strings.CutPrefix(ref, "sha256:"); only {
		d, err := bankai.ParseDigest(rest)
		if err != nil {
			return nil, invalid("patches", "the patch %q is no digest: want sha256: and 64 hexadecimal digits", ref)
		}
		if p := r.digest(d); p != nil {
			return p, nil
		}
		return nil, unknownPatch("there is no patch with the digest %s: GET /api/patches lists those that there are", ref)
	}
	p := r.get(name)
	switch {
	case p == nil:
		return nil, unknownPatch("%s", r.missing(name, "GET /api/patches"))
	case pinned && digest != "sha256:"+p.Digest.String():
		return nil, unknownPatch("the patch %q is not what %q names: its digest is sha256:%s", name, ref, p.Digest)
	}
	return p, nil
}

// unknownPatch is notFound of a patch that a request lists.
func unknownPatch(format string, args ...any) *failure {
	f := notFound(format, args...)
	f.param = "patches"
	return f
}

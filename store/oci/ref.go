package oci

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"oras.land/oras-go/v2/registry"

	"bankai"
)

// Ref says where an artifact is: in a repository of a registry, or in an OCI layout on
// disk.
type Ref struct {
	Registry   string        // host and, if any, port; empty for a layout
	Repository string        // as "team/fix"; empty for a layout
	Layout     string        // path of a folder or a tar file; empty for a registry
	Tag        string        // empty if none was given
	Digest     bankai.Digest // of the manifest; zero if none was given
}

// grammar is how references are written, for messages.
const grammar = "REGISTRY/REPOSITORY[:TAG][@sha256:…], as registry.example.com/team/fix:v1, or oci:PATH[:TAG] for an OCI layout"

// layoutPrefix begins the references of layouts.
const layoutPrefix = "oci:"

// defaultTag is meant where a reference has neither a tag nor a digest.
const defaultTag = "latest"

const digestPrefix = "sha256:"

var (
	tagPattern  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	hostPattern = regexp.MustCompile(`^([a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$`)
)

// maxRef bounds a reference, in bytes.
const maxRef = 4096

// ParseRef reads REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST], or oci:PATH with the same
// ending. The host of a registry has a dot or a port or is "localhost": no registry is
// taken for granted, and what begins otherwise may be a path.
func ParseRef(s string) (Ref, error) {
	r, err := parseRef(s)
	if err != nil {
		return Ref{}, fmt.Errorf("%.200q: %w: write %s", s, err, grammar)
	}
	return r, nil
}

func parseRef(s string) (r Ref, err error) {
	if len(s) > maxRef {
		return r, fmt.Errorf("is longer than %d bytes", maxRef)
	}
	if scheme, _, has := strings.Cut(s, "://"); has {
		return r, fmt.Errorf("leave %.40q out", scheme+"://")
	}
	rest, isLayout := strings.CutPrefix(s, layoutPrefix)
	if at := strings.LastIndex(rest, "@"+digestPrefix); at >= 0 {
		if r.Digest, err = bankai.ParseDigest(rest[at+1+len(digestPrefix):]); err != nil {
			return r, err
		}
		if r.Digest.IsZero() {
			return r, errors.New("nothing has the digest of zeros alone")
		}
		rest = rest[:at]
	}
	if isLayout {
		return r, r.readPath(rest)
	}
	return r, r.readRepository(rest)
}

// readPath reads PATH[:TAG].
func (r *Ref) readPath(s string) error {
	r.Layout = s
	// On Windows the colon behind a drive's letter is one of the path.
	if at := strings.LastIndexByte(s, ':'); at >= len(filepath.VolumeName(s)) && !strings.ContainsAny(s[at:], `/\`) {
		r.Layout, r.Tag = s[:at], s[at+1:]
		if !tagPattern.MatchString(r.Tag) {
			return fmt.Errorf("%.80q cannot be a tag", r.Tag)
		}
	}
	if r.Layout == "" || strings.ContainsRune(r.Layout, 0) {
		return fmt.Errorf("%s is followed by no path", layoutPrefix)
	}
	if r.Layout[0] == '-' {
		return fmt.Errorf("a layout's path does not begin with '-', and is no pipe")
	}
	return nil
}

// readRepository reads REGISTRY/REPOSITORY[:TAG].
func (r *Ref) readRepository(s string) error {
	host, path, has := strings.Cut(s, "/")
	switch {
	case !has:
		return fmt.Errorf("has no registry and repository")
	case !hostPattern.MatchString(host) || !isHost(host):
		return fmt.Errorf("%.80q is no host of a registry", host)
	}
	r.Registry = host
	name, tag, has := strings.Cut(path, ":")
	if has && !tagPattern.MatchString(tag) {
		return fmt.Errorf("%.80q cannot be a tag", tag)
	}
	r.Repository, r.Tag = name, tag
	if err := (registry.Reference{Registry: host, Repository: name}).Validate(); err != nil || len(name) > 255 {
		return fmt.Errorf("%.80q cannot be the name of a repository, which has lower-case letters, digits and . _ - between them", name)
	}
	return nil
}

// isHost tells a host from the first folder of a path.
func isHost(s string) bool {
	return strings.ContainsAny(s, ".:") || s == "localhost"
}

// IsRef reports whether s is the reference of an artifact, rather than another name.
func IsRef(s string) bool {
	_, err := parseRef(s)
	return err == nil
}

// Name is what an artifact may be called after its reference: the last part of the
// repository, or the layout's name without ending.
func (r Ref) Name() string {
	if r.Layout == "" {
		return r.Repository[strings.LastIndexByte(r.Repository, '/')+1:]
	}
	name := filepath.Base(r.Layout)
	return cmp.Or(strings.TrimSuffix(name, filepath.Ext(name)), name)
}

// place is the reference without tag and digest.
func (r Ref) place() string {
	if r.Layout != "" {
		return layoutPrefix + r.Layout
	}
	return r.Registry + "/" + r.Repository
}

// String is the reference as ParseRef reads it.
func (r Ref) String() string {
	s := r.place()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if !r.Digest.IsZero() {
		s += "@" + digestPrefix + r.Digest.String()
	}
	return s
}

// version is what the registry is asked for: a digest, which wins, or a tag.
func (r Ref) version() string {
	switch {
	case !r.Digest.IsZero():
		return digestPrefix + r.Digest.String()
	case r.Tag != "":
		return r.Tag
	}
	return defaultTag
}

package oci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bankai"
	"bankai/internal/text"
)

// Pulled is what a pull brought.
type Pulled struct {
	Ref    Ref           // with the digest of the manifest
	Digest bankai.Digest // of the manifest
	Patch  *bankai.Patch
	Bytes  int64 // of what was read
}

// Pull brings the artifact that ref means, with all that is attached to it of the kinds
// that this package knows. It is checked: sizes before anything is read, digests, types,
// and that the manifest says of the patch what the patch does. Whether a signature is
// good is not.
func Pull(ctx context.Context, ref Ref, o Options) (Artifact, Pulled, error) {
	got := &pulling{ref: ref, options: o}
	err := on(ctx, ref, o, "pull", false, func(t target) error { return got.from(ctx, t) })
	if err != nil {
		return Artifact{}, Pulled{}, err
	}
	return got.artifact, got.Pulled, nil
}

// pulling is a pull that goes on.
type pulling struct {
	Pulled
	ref      Ref
	options  Options
	artifact Artifact
}

func (g *pulling) from(ctx context.Context, t target) error {
	d, data, err := t.resolve(ctx, g.ref.version())
	if errors.Is(err, errNone) {
		return none(ctx, t, g.ref.version())
	}
	if err != nil {
		return err
	}
	m, err := decodeManifest(d, data)
	if err != nil {
		return err
	}
	if m.ArtifactType != PatchType {
		return otherKind(d, m)
	}
	l, err := layer(m, PatchType, "patch", g.options.maxPatch())
	if err != nil {
		return err
	}
	if g.artifact.Patch, err = g.blob(ctx, t, "patch", l); err != nil {
		return err
	}
	if g.Patch, err = decodePatch(g.artifact.Patch); err != nil {
		return err
	}
	if err := agrees(m.Annotations, g.Patch); err != nil {
		return err
	}
	g.Bytes += d.Size
	g.Digest, err = sum(d)
	g.Ref = g.ref
	g.Ref.Digest = g.Digest
	if err != nil {
		return err
	}
	return g.attached(ctx, t, plain(d))
}

// blob reads the one layer of a manifest, whose descriptor was checked.
func (g *pulling) blob(ctx context.Context, t target, what string, d descriptor) ([]byte, error) {
	m := g.options.meter(what, d.Size)
	defer m.Stop()
	data, err := t.fetch(ctx, d, m)
	g.Bytes += int64(len(data))
	return data, inPart(err, what)
}

// inPart says which part an error is about that does not say so.
func inPart(err error, what string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("the %s: %w", what, err)
}

// attached reads all that is attached to the patch, in the order of its digests: that of
// a registry's list means nothing.
func (g *pulling) attached(ctx context.Context, t target, subject descriptor) error {
	all, err := t.referrers(ctx, subject)
	if err != nil {
		return inPart(err, "list of what is attached")
	}
	byDigest := func(a, b descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) }
	slices.SortFunc(all, byDigest)
	all = slices.CompactFunc(all, func(a, b descriptor) bool { return a.Digest == b.Digest })
	left := int64(maxAttached)
	for _, d := range all {
		x, err := g.attachment(ctx, t, d, subject, left)
		if err != nil {
			return err
		}
		if x.kind != nil {
			left -= int64(len(x.data))
			g.artifact.attach(x)
		}
	}
	return nil
}

// attachment reads one thing that is attached, of at most left bytes. It is empty if the
// thing turns out to be none of ours.
func (g *pulling) attachment(ctx context.Context, t target, d, subject descriptor, left int64) (x attachment, err error) {
	const what = "manifest of something attached"
	if err := checkDescriptor(d, what, maxManifest); err != nil {
		return x, err
	}
	data, err := t.fetch(ctx, d, unseen{})
	if err != nil {
		return x, inPart(err, what)
	}
	m, err := decodeManifest(d, data)
	if err != nil {
		return x, inPart(err, what)
	}
	k, listed := kindOf(m.ArtifactType), kindOf(d.ArtifactType)
	switch {
	case listed != nil && k != listed:
		return x, fmt.Errorf("%s is listed as a %s, and is %s", d.Digest, listed.what, kindInWords(d, m))
	case k == nil:
		return x, nil
	case m.Subject == nil || m.Subject.Digest != subject.Digest:
		return x, fmt.Errorf("the %s %s is attached to something else", k.what, d.Digest)
	}
	l, err := layer(m, k.mediaType, k.what, k.most)
	if err != nil {
		return x, err
	}
	if l.Size > left {
		return x, fmt.Errorf("more than %s are attached to the patch", text.Size(maxAttached))
	}
	x = attachment{kind: k, name: l.Annotations[ocispec.AnnotationTitle]}
	if x.data, err = g.blob(ctx, t, k.what, l); err != nil {
		return x, err
	}
	return x, inPart(x.check(), k.what)
}

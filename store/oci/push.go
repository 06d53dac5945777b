package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/text"
)

// Pushed is what a push did.
type Pushed struct {
	Ref      Ref           // with the tag and the digest of the manifest
	Digest   bankai.Digest // of the manifest
	Moved    bankai.Digest // what the tag meant before, zero if that was the same or nothing
	Bytes    int64         // of what was sent; 0 if all of it was there
	Attached int           // things that are attached to the patch now and were not before
}

// Push sends an artifact to where ref says. What is there already is not sent again. The
// tag moves last: who pulls meanwhile gets all of what it meant before, or all of what it
// means then. A tag that something else than a patch has is left alone, unless o.Force
// is set.
func Push(ctx context.Context, ref Ref, a Artifact, o Options) (Pushed, error) {
	p, err := a.check(o)
	if err != nil {
		return Pushed{}, fmt.Errorf("%s: %w", ref, err)
	}
	if !ref.Digest.IsZero() {
		return Pushed{}, fmt.Errorf("%s: a digest is what a push results in: leave it out, and give a tag", ref)
	}
	if ref.Tag == "" {
		ref.Tag = defaultTag
	}
	sent := &pushing{ref: ref, patch: p, artifact: a, options: o}
	err = on(ctx, ref, o, "push", true, func(t target) error { return sent.to(ctx, t) })
	return sent.Pushed, err
}

// pushing is a push that goes on.
type pushing struct {
	Pushed
	ref      Ref
	patch    *bankai.Patch
	artifact Artifact
	options  Options
}

func (s *pushing) to(ctx context.Context, t target) error {
	d, manifest, err := patchManifest(s.patch, s.artifact.Patch)
	if err != nil {
		return err
	}
	before, err := s.before(ctx, t)
	if err != nil {
		return err
	}
	if err := s.blob(ctx, t, "config", ocispec.DescriptorEmptyJSON, ocispec.DescriptorEmptyJSON.Data); err != nil {
		return err
	}
	if err := s.blob(ctx, t, "patch", describe(PatchType, s.artifact.Patch), s.artifact.Patch); err != nil {
		return err
	}
	if err := s.blob(ctx, t, "manifest", d, manifest); err != nil {
		return err
	}
	if err := s.attachTo(ctx, t, plain(d)); err != nil {
		return err
	}
	if before.Digest != d.Digest {
		if err := t.tag(ctx, d, manifest, s.ref.Tag); err != nil {
			return err
		}
		if before.Digest != "" {
			if s.Moved, err = sum(before); err != nil {
				return err
			}
		}
	}
	s.Digest, err = sum(d)
	s.Ref = s.ref
	s.Ref.Digest = s.Digest
	return err
}

// before is the manifest that has the tag now, which must be one of a patch.
func (s *pushing) before(ctx context.Context, t target) (descriptor, error) {
	d, data, err := t.resolve(ctx, s.ref.Tag)
	if errors.Is(err, errNone) {
		return descriptor{}, nil
	}
	if s.options.Force && ctx.Err() == nil {
		if _, bad := sum(d); err != nil || bad != nil {
			return descriptor{}, nil // whatever it is
		}
		return d, nil
	}
	if err != nil {
		return d, err
	}
	m, err := decodeManifest(d, data)
	if err == nil && m.ArtifactType == PatchType {
		return d, nil
	}
	return d, fmt.Errorf("the tag is that of %s: choose another one, or replace it with --force", kindInWords(d, m))
}

// blob sends a blob or a manifest that is not there.
func (s *pushing) blob(ctx context.Context, t target, what string, d descriptor, data []byte) error {
	switch there, err := t.has(ctx, d); {
	case err != nil:
		return err
	case there:
		return nil
	}
	m := s.options.meter(what, d.Size)
	defer m.Stop()
	s.Bytes += d.Size
	return t.push(ctx, d, data, m)
}

// maxRounds bounds how often what is missing in a list is put into it.
const maxRounds = 20

// errCrowded is that others overwrite the list of what is attached, again and again.
var errCrowded = errors.New("what is attached is overwritten by others who push at the same time, again and again: push once more when they are done")

// attachTo attaches what is not attached yet, and looks whether it is listed then. Where
// those who push keep the list, one who read it before this one wrote it may write it
// after that: so this one waits for longer than it took itself, and by chance, so that
// two do not get into each other's way for ever.
func (s *pushing) attachTo(ctx context.Context, t target, subject descriptor) error {
	if len(s.artifact.attachments()) == 0 {
		return nil
	}
	for round := range maxRounds {
		began := time.Now()
		sent, err := s.attachMissing(ctx, t, subject)
		if s.Attached = max(s.Attached, sent); err != nil || sent == 0 {
			return err
		}
		if t.ownsList() {
			if round+1 == maxTries {
				return nil // some registries list with a delay
			}
			continue
		}
		pause := time.Since(began) + s.options.pauses.orUsual().first
		if err := sleep(ctx, pause+rand.N(pause)); err != nil {
			return err
		}
	}
	return errCrowded
}

// attachMissing attaches what is not listed, and returns how many things that were.
func (s *pushing) attachMissing(ctx context.Context, t target, subject descriptor) (sent int, err error) {
	listed, err := t.referrers(ctx, subject)
	if err != nil {
		return 0, err
	}
	for _, x := range s.artifact.attachments() {
		d, manifest, err := x.manifest(subject)
		if err != nil {
			return sent, err
		}
		if slices.ContainsFunc(listed, func(l descriptor) bool { return l.Digest == d.Digest }) {
			continue
		}
		if len(listed)+sent >= maxReferrers {
			return sent, fmt.Errorf("%s are attached to the patch, and there can be no more", text.Count(maxReferrers, "thing"))
		}
		if err := s.attach(ctx, t, x, d, manifest); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

// attach sends one thing that is attached. Its manifest is sent also if it is there: it
// may be missing in the list alone.
func (s *pushing) attach(ctx context.Context, t target, x attachment, d descriptor, manifest []byte) error {
	if err := s.blob(ctx, t, x.kind.what, describe(x.kind.mediaType, x.data), x.data); err != nil {
		return err
	}
	s.Bytes += d.Size
	return t.push(ctx, d, manifest, unseen{})
}

// on works on what a reference means. Errors say which one, and what to do.
func on(ctx context.Context, ref Ref, o Options, doing string, write bool, work func(target) error) error {
	if ref.Layout == "" {
		r, done, err := openRepository(ref, o)
		if err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
		defer done()
		return r.explain(work(r), doing)
	}
	err := onLayout(ctx, ref.Layout, write, func(l layout) error {
		return work(l)
	})
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", ref, err)
	}
	if errors.Is(err, errNone) && !errors.As(err, new(*otherTags)) {
		err = fmt.Errorf("%w: check the path and the tag", err)
	}
	return err
}

func onLayout(ctx context.Context, path string, write bool, work func(layout) error) error {
	switch {
	case !isArchive(path):
		l := layout{folder(path)}
		begin := l.check
		if write {
			begin = func() error { return l.begin(ctx) }
		}
		if err := begin(); err != nil {
			return err
		}
		return work(l)
	case write:
		return updateArchive(ctx, path, work)
	}
	return readArchive(path, func(l layout) error {
		if err := l.check(); err != nil {
			return err
		}
		return work(l)
	})
}

// updateArchive works on the layout in the tar file at a path and writes it anew, as a
// whole, or makes it.
func updateArchive(ctx context.Context, path string, work func(layout) error) error {
	if info, err := os.Stat(path); err == nil && info.Size() > maxArchive {
		return fmt.Errorf("has more than %s, which is too much for a tar file that is changed: use a folder", text.Size(maxArchive))
	}
	return durable.Update(path, func(old []byte) ([]byte, error) {
		a := &archive{bytes.NewReader(nil), map[string]span{}, map[string][]byte{}}
		if len(old) > 0 {
			var err error
			if a, err = openArchive(bytes.NewReader(old)); err != nil {
				return nil, err
			}
		}
		if err := (layout{a}).begin(ctx); err != nil {
			return nil, err
		}
		if err := work(layout{a}); err != nil {
			return nil, err
		}
		if len(a.added) == 0 {
			return old, nil
		}
		return a.encode()
	})
}

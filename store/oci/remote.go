package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"bankai/internal/progress"
	"bankai/internal/text"
)

// repository is a repository of a registry, as a target.
type repository struct {
	*remote.Repository
	ref    Ref
	pauses pauses
}

// userAgent is what requests call this program.
const userAgent = "bankai"

// maxPages bounds the pages of a list of referrers.
const maxPages = 10

// openRepository does not ask the registry yet. To be closed.
func openRepository(ref Ref, o Options) (r *repository, done func(), err error) {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("credentials: the configuration of Docker cannot be read: %w", err)
	}
	at := registry.Reference{Registry: ref.Registry, Repository: ref.Repository}
	address := &url.URL{Scheme: "https", Host: at.Host()}
	if o.PlainHTTP || isLoopback(hostname(ref.Registry)) {
		address.Scheme = "http"
	}
	c, done := client(address, o)
	return &repository{&remote.Repository{
		Client: &auth.Client{
			Client: c, Header: http.Header{"User-Agent": {userAgent}}, ClientID: userAgent,
			Credential: quiet(credentials.Credential(store)), Cache: auth.NewCache(),
		},
		Reference:          at,
		PlainHTTP:          address.Scheme == "http",
		ManifestMediaTypes: accepted, ReferrerListMaxPages: maxPages, TagListPageSize: maxTags, MaxMetadataBytes: maxManifest,
		SkipReferrersGC: true, // many registries refuse to delete, and nobody else must lose what they read
	}, ref, o.pauses.orUsual()}, done, nil
}

// accepted are the types of manifests that are asked for: also those of which can only be
// said what they are.
var accepted = []string{
	ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
}

// errHelper is that the credentials of a registry cannot be had. What a helper says is
// not repeated: it may be a secret.
var errHelper = errors.New("the credentials of Docker's configuration for this registry cannot be had: its helper fails, or they are damaged")

func quiet(get auth.CredentialFunc) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		c, err := get(ctx, host)
		if err != nil && ctx.Err() == nil {
			return auth.EmptyCredential, final{errHelper}
		}
		return c, err
	}
}

// resolve implements target.
func (r *repository) resolve(ctx context.Context, version string) (descriptor, []byte, error) {
	var d descriptor
	var body io.ReadCloser
	err := r.soon(ctx, func(ctx context.Context) (err error) {
		d, body, err = r.FetchReference(ctx, version)
		return err
	})
	if errors.Is(err, errdef.ErrNotFound) {
		return d, nil, errNone
	}
	if err != nil {
		return d, nil, r.odd(err)
	}
	body.Close() // what comes below is resumed and watched
	if !slices.Contains(accepted, d.MediaType) {
		return d, nil, fmt.Errorf("answers with %.80q in place of a manifest: check that %s is a container registry, and not a page to log in", d.MediaType, r.ref.Registry)
	}
	if err := checkDescriptor(d, "manifest", maxManifest); err != nil {
		return d, nil, err
	}
	data, err := r.fetch(ctx, d, unseen{})
	return d, data, err
}

// maxCuts bounds how often one transfer goes on.
const maxCuts = 100

// fetch implements target. A transfer that was cut goes on where it was, if the registry
// can do that, and else is read over.
func (r *repository) fetch(ctx context.Context, d descriptor, m progress.Meter) ([]byte, error) {
	data := make([]byte, 0, min(d.Size, 1<<20))
	for try, cuts := 0, 0; ; try, cuts = try+1, cuts+1 {
		before := len(data)
		more, err := r.read(ctx, d, data, m)
		switch data = more; {
		case err == nil:
			return data, checkData(d, data)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.As(err, new(*cut)):
			return nil, err
		case len(data) > before && cuts < maxCuts:
			try = 0
		case try+1 >= maxTries, cuts >= maxCuts:
			return nil, err
		}
		if err := sleep(ctx, r.pauses.first<<try); err != nil {
			return nil, err
		}
	}
}

// cut is that a transfer ended before its end.
type cut struct {
	error
	have, want int64
}

func (c *cut) Error() string {
	return fmt.Sprintf("the connection broke after %d of %d bytes, again and again (%v)", c.have, c.want, c.error)
}

func (c *cut) Unwrap() error { return c.error }

// leastBytes is what a blob of that size or more brings in the time that a registry may be
// silent: one that sends a byte now and then could else hold a transfer for days.
const leastBytes = 64 << 10

// soon ends what is small when it takes longer than that may, however busily the registry
// answers.
func (r *repository) soon(ctx context.Context, work func(context.Context) error) error {
	ctx, stop := context.WithTimeoutCause(ctx, r.pauses.small, errSilence)
	defer stop()
	err := work(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errSilence) {
		return final{errSilence}
	}
	return err
}

// read reads what is missing of a blob, or of a manifest. It returns what there is then.
func (r *repository) read(ctx context.Context, d descriptor, have []byte, m progress.Meter) ([]byte, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(r.pauses.silence, func() { stop(errSilence) })
	defer silence.Stop()
	broken := func(err error) error {
		if errors.Is(context.Cause(ctx), errSilence) {
			return final{errSilence}
		}
		return &cut{err, int64(len(have)), d.Size}
	}
	body, err := r.Fetch(ctx, d)
	if errors.Is(err, context.Canceled) {
		return have, broken(err)
	}
	if err != nil {
		return have, r.odd(err)
	}
	defer body.Close()
	if body, err = skip(body, int64(len(have))); err != nil {
		return have, broken(err)
	}
	buf, fresh := make([]byte, 32<<10), 0
	for int64(len(have)) < d.Size {
		n, err := body.Read(buf[:min(int64(len(buf)), d.Size-int64(len(have)))])
		have = append(have, buf[:n]...)
		m.Set(int64(len(have)), "")
		if fresh += n; fresh >= leastBytes && !slices.Contains(accepted, d.MediaType) {
			silence.Reset(r.pauses.silence)
			fresh = 0
		}
		if err != nil && int64(len(have)) < d.Size {
			return have, broken(err)
		}
	}
	return have, nil
}

var errSilence = errors.New("the registry began to answer and then all but fell silent: try again")

// skip leaves out the bytes that are there already, without their transfer where the
// registry knows ranges.
func skip(body io.ReadCloser, n int64) (io.ReadCloser, error) {
	if n == 0 {
		return body, nil
	}
	if s, can := body.(io.Seeker); can {
		_, err := s.Seek(n, io.SeekStart)
		return body, err
	}
	_, err := io.CopyN(io.Discard, body, n)
	return body, err
}

// checkData refuses what is not what a descriptor describes.
func checkData(d descriptor, data []byte) error {
	if got := describe("", data); got.Size != d.Size || got.Digest != d.Digest {
		return fmt.Errorf("what came is not what its digest %.80s names: it was changed or damaged on the way or where it lies", d.Digest)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// has implements target.
func (r *repository) has(ctx context.Context, d descriptor) (there bool, err error) {
	err = r.soon(ctx, func(ctx context.Context) (err error) {
		there, err = r.Exists(ctx, d)
		return err
	})
	return there, err
}

// push implements target.
func (r *repository) push(ctx context.Context, d descriptor, data []byte, m progress.Meter) error {
	if d.MediaType != ocispec.MediaTypeImageManifest {
		return r.Push(context.WithValue(ctx, meterKey{}, m), d, bytes.NewReader(data))
	}
	return r.once(ctx, func(ctx context.Context) error { return r.Push(ctx, d, bytes.NewReader(data)) })
}

// once sends a manifest. What it names was sent, but a registry to which others send the
// same at the same time may take a moment to see it.
func (r *repository) once(ctx context.Context, send func(context.Context) error) error {
	for try := 0; ; try++ {
		err := r.soon(ctx, send)
		if !isUnknown(err) || try+1 >= maxTries {
			return err
		}
		pause := r.pauses.first << try
		if err := sleep(ctx, pause+rand.N(pause)); err != nil {
			return err
		}
	}
}

// isUnknown reports whether a registry has refused a manifest since it does not see what
// the manifest names.
func isUnknown(err error) bool {
	var answer *errcode.ErrorResponse
	return errors.As(err, &answer) && slices.ContainsFunc(answer.Errors, func(e errcode.Error) bool {
		return e.Code == errcode.ErrorCodeManifestBlobUnknown || e.Code == errcode.ErrorCodeBlobUnknown || e.Code == errcode.ErrorCodeManifestUnknown
	})
}

// tag implements target.
func (r *repository) tag(ctx context.Context, d descriptor, data []byte, tag string) error {
	return r.once(ctx, func(ctx context.Context) error { return r.PushReference(ctx, d, bytes.NewReader(data), tag) })
}

// ownsList implements target: a registry that has a list of referrers does. Without one,
// the list is a manifest that whoever pushes reads, changes and writes.
func (r *repository) ownsList() bool {
	return errors.Is(r.SetReferrersCapability(false), remote.ErrReferrersCapabilityAlreadySet)
}

// referrers implements target.
func (r *repository) referrers(ctx context.Context, of descriptor) (all []descriptor, err error) {
	take := func(page []descriptor) error {
		for _, d := range page {
			if mayBeOurs(d.ArtifactType) {
				all = append(all, d)
			}
		}
		if len(all) > maxReferrers {
			return final{fmt.Errorf("more than %d things are attached to the patch: whoever owns it should remove some", maxReferrers)}
		}
		return nil
	}
	err = r.soon(ctx, func(ctx context.Context) error { return r.Referrers(ctx, of, "", take) })
	return all, r.odd(err)
}

// maxTags bounds the tags that are asked for.
const maxTags = 100

// errEnough ends a list of which the first page will do.
var errEnough = errors.New("that is enough")

// tags implements target.
func (r *repository) tags(ctx context.Context) (all []string, err error) {
	first := func(page []string) error {
		all = page
		return errEnough
	}
	err = r.soon(ctx, func(ctx context.Context) error { return r.Tags(ctx, "", first) })
	if errors.Is(err, errEnough) {
		err = nil
	}
	return all, err
}

// isRealm reports whether the client's library has refused to ask a server of tokens,
// such as one whose name is that of this machine. It has no type for that.
func isRealm(err error) bool { return strings.Contains(err.Error(), "bearer realm ") }

// odd adds to an error about an answer that no registry should give what that may be.
func (r *repository) odd(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, errdef.ErrNotFound), isRealm(err),
		errors.As(err, new(final)), errors.As(err, new(*url.Error)), errors.As(err, new(*errcode.ErrorResponse)):
		return err
	case strings.Contains(err.Error(), "mismatch Content-Length"):
		return fmt.Errorf("the answer of %s has another length than its manifest says: check what stands before it, or have the patch pushed again", r.ref.Registry)
	}
	return fmt.Errorf("%w: check that %s is a container registry, and what stands before it", err, r.ref.Registry)
}

// explain says of an error from a registry what it is about and what to do.
func (r *repository) explain(err error, doing string) error {
	var answer *errcode.ErrorResponse
	var busy *busyError
	name := r.ref.String()
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &busy):
		return fmt.Errorf("%s: %s is busy: %w: try later", name, r.ref.Registry, busy)
	case errors.Is(err, errHelper):
		return fmt.Errorf("%s: %w: run \"docker login %s\"", name, errHelper, r.ref.Registry)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return fmt.Errorf("%s: %s wants to know who asks: run \"docker login %s\"", name, r.ref.Registry, r.ref.Registry)
	case errors.As(err, new(final)):
		var f final
		errors.As(err, &f)
		return fmt.Errorf("%s: %w", name, f.error)
	case errors.As(err, &answer):
		return fmt.Errorf("%s: %s", name, r.explainAnswer(answer, doing))
	case isRealm(err):
		return fmt.Errorf("%s: %s sends elsewhere for a token, which is refused: %w: credentials go to the registry itself, or by https to another machine", name, r.ref.Registry, trimmed{err})
	case errors.As(err, new(*otherTags)):
		return fmt.Errorf("%s: %w", name, err)
	case errors.Is(err, errNone), errors.Is(err, errdef.ErrNotFound):
		return fmt.Errorf("%s: %w: check the name and the tag", name, errNone)
	}
	if errors.As(err, new(*url.Error)) {
		return fmt.Errorf("%s: cannot reach %s: %w%s", name, r.ref.Registry, trimmed{err}, advice(err))
	}
	return fmt.Errorf("%s: %w%s", name, trimmed{err}, advice(err))
}

// explainAnswer is about an answer with another status than it should have.
func (r *repository) explainAnswer(a *errcode.ErrorResponse, doing string) string {
	host := r.ref.Registry
	said := ""
	if len(a.Errors) > 0 {
		said = " (" + text.Clip(text.Line(a.Errors.Error()), 200) + ")"
	}
	switch a.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Sprintf("%s does not accept the credentials of Docker's configuration, or wants some%s: run \"docker login %s\"", host, said, host)
	case http.StatusForbidden:
		return fmt.Sprintf("%s does not let you %s%s: ask its owner for the right, or run \"docker login %s\" as somebody else", host, doing, said, host)
	case http.StatusNotFound:
		return fmt.Sprintf("%s knows nothing of that name%s: check the name and the tag; at some registries a repository has to be made before it is pushed to", host, said)
	case http.StatusMethodNotAllowed:
		return fmt.Sprintf("%s does not allow that%s: it may be for reading only", host, said)
	case http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("it is larger than %s takes%s", host, said)
	}
	if a.StatusCode == http.StatusBadRequest && r.PlainHTTP {
		return fmt.Sprintf("%s refuses with status 400%s: it may want TLS, which this machine's own names, and --plain-http, are asked without", host, said)
	}
	if a.StatusCode >= 500 {
		return fmt.Sprintf("%s fails with status %d%s: try later, or ask its owner", host, a.StatusCode, said)
	}
	return fmt.Sprintf("%s refuses with status %d%s: check that it is a container registry that takes artifacts of OCI 1.0 or later", host, a.StatusCode, said)
}

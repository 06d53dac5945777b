package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// checkJetStream refuses a server that keeps nothing.
func (c *Conn) checkJetStream(ctx context.Context) error {
	ctx, end := c.request(ctx)
	defer end()
	_, err := c.js.AccountInfo(ctx)
	return c.explain(ctx, "JetStream", "", err)
}

// deny ends the requests that wait for an answer: the server gives none to what it does
// not permit. If there are none, people are told.
func (c *Conn) deny(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cancel := range c.asking {
		(*cancel)(err)
	}
	if len(c.asking) == 0 {
		c.log("the NATS server at %s: the user has no right for what is needed: %s", c.url, plain(err))
	}
}

// request is a context for a request that permissions may forbid.
func (c *Conn) request(ctx context.Context) (context.Context, func()) {
	ctx, cancelTime := context.WithTimeout(ctx, apiTimeout)
	ctx, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	c.asking[&cancel] = struct{}{}
	c.mu.Unlock()
	return ctx, func() {
		c.mu.Lock()
		delete(c.asking, &cancel)
		c.mu.Unlock()
		cancel(nil)
		cancelTime()
	}
}

// fullErrors are the codes of a server that can keep no more: the account's limit, the
// server's resources, its memory, its disk, a stream that takes no more.
var fullErrors = []jetstream.ErrorCode{10002, 10023, 10028, 10047, 10077}

// explain says of an error of a request, which ctx of [Conn.request] was for, what it
// means for what was asked; right is what the user of the server needs for it.
func (c *Conn) explain(ctx context.Context, what, right string, err error) error {
	if err == nil {
		return nil
	}
	prefix := fmt.Sprintf("the NATS server at %s: %s", c.url, what)
	var api *jetstream.APIError
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, nats.ErrPermissionViolation):
		return fmt.Errorf("%s: the user has no right for it: %s%s", prefix, plain(cause), needs(right))
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%s: JetStream is not enabled for this user: start the server with -js, enable it for the account, or look whether its disk is full", prefix)
	case errors.As(err, &api) && slices.Contains(fullErrors, api.ErrorCode):
		return fmt.Errorf("%s: its store is full (%s): free space on its disk, or raise its limits: %w", prefix, api.Description, err)
	case c.diskFull():
		return fmt.Errorf("%s: its disk is full: free space there and start the server anew: it stores nothing more until then: %w", prefix, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("%s: no answer; is the server's disk full? %w", prefix, err)
	}
	return fmt.Errorf("%s: %w", prefix, err)
}

// diskFull says whether the server is in this process and cannot write.
func (c *Conn) diskFull() bool { return c.local != nil && c.local.log.diskFull() }

func needs(right string) string {
	if right == "" {
		return ""
	}
	return "; allow it to " + right
}

// keyValues opens a bucket, and makes it if it is not there.
func (c *Conn) keyValues(ctx context.Context, config jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	return ensure(ctx, c, "the bucket "+config.Bucket, "KV_"+config.Bucket, jetstream.ErrBucketNotFound, jetstream.ErrBucketExists,
		func(ctx context.Context) (jetstream.KeyValue, error) { return c.js.KeyValue(ctx, config.Bucket) },
		func(ctx context.Context) (jetstream.KeyValue, error) { return c.js.CreateKeyValue(ctx, config) })
}

// objectStore opens a bucket of objects, and makes it if it is not there.
func (c *Conn) objectStore(ctx context.Context, config jetstream.ObjectStoreConfig) (jetstream.ObjectStore, error) {
	return ensure(ctx, c, "the object store "+config.Bucket, "OBJ_"+config.Bucket, jetstream.ErrBucketNotFound, jetstream.ErrBucketExists,
		func(ctx context.Context) (jetstream.ObjectStore, error) { return c.js.ObjectStore(ctx, config.Bucket) },
		func(ctx context.Context) (jetstream.ObjectStore, error) { return c.js.CreateObjectStore(ctx, config) })
}

// stream opens a stream, and makes it if it is not there.
func (c *Conn) stream(ctx context.Context, config jetstream.StreamConfig) (jetstream.Stream, error) {
	return ensure(ctx, c, "the stream "+config.Name, config.Name, jetstream.ErrStreamNotFound, jetstream.ErrStreamNameAlreadyInUse,
		func(ctx context.Context) (jetstream.Stream, error) { return c.js.Stream(ctx, config.Name) },
		func(ctx context.Context) (jetstream.Stream, error) { return c.js.CreateStream(ctx, config) })
}

// ensureTries is how often the server is asked that gives no answer: it may be gone, and
// back, in between.
const ensureTries = 3

// ensure opens what open finds, or else what create makes. Another process may make it
// at the same time, with the same configuration or that of another version, which is
// used as it is.
func ensure[T any](ctx context.Context, c *Conn, what, stream string, missing, exists error, open, create func(context.Context) (T, error)) (v T, err error) {
	for range ensureTries {
		v, err = openOrCreate(ctx, c, what, stream, missing, exists, open, create)
		if !isSilence(ctx, err) || c.diskFull() {
			break
		}
	}
	return v, err
}

func openOrCreate[T any](ctx context.Context, c *Conn, what, stream string, missing, exists error, open, create func(context.Context) (T, error)) (T, error) {
	asked, end := c.request(ctx)
	v, err := open(asked)
	end()
	if !errors.Is(err, missing) {
		return v, c.explain(asked, what, "publish to $JS.API.STREAM.INFO."+stream, err)
	}
	made, end := c.request(ctx)
	defer end()
	v, err = create(made)
	if errors.Is(err, exists) {
		v, err = open(made)
	}
	return v, c.explain(made, what+" is not there and cannot be made", "publish to $JS.API.STREAM.CREATE."+stream, err)
}

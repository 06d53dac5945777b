package cluster

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// keyValues opens a bucket, and makes it if it is not there.
func (c *Conn) keyValues(ctx context.Context, config jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	panic("skeleton")
}

// stream opens a stream, and makes it if it is not there.
func (c *Conn) stream(ctx context.Context, config jetstream.StreamConfig) (jetstream.Stream, error) {
	panic("skeleton")
}

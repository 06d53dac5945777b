package cluster

import (
	"context"
	"io"

	"bankai"

	"github.com/nats-io/nats.go/jetstream"
)

// Objects are contents by SHA-256, kept by the NATS server for all machines and in a
// folder of each machine that has read them.
type Objects struct {
	conn  *Conn
	store jetstream.ObjectStore
	cache string // folder
}

// Objects opens the store of contents, and makes it if it is not there. Contents that
// were read are kept in the folder cache; "" means [CacheFolder].
func (c *Conn) Objects(ctx context.Context, cache string) (*Objects, error) { panic("skeleton") }

// CacheFolder is where a machine keeps contents that it has read: cluster in what
// BANKAI_HOME names, or bankai/cluster in the user's folder for caches. It may be
// removed at any time.
func CacheFolder() (string, error) { panic("skeleton") }

// Put stores what r reads from its beginning, unless it is there already; what is a
// word for people. progress, which may be nil, is told how many bytes have gone.
func (o *Objects) Put(ctx context.Context, what string, r io.ReadSeeker, progress func(done int64)) (bankai.Digest, error) {
	panic("skeleton")
}

// PutBytes stores data, unless it is there already.
func (o *Objects) PutBytes(ctx context.Context, what string, data []byte) (bankai.Digest, error) {
	panic("skeleton")
}

// Bytes is the content with a digest, of at most max bytes. It is not kept on the
// machine.
func (o *Objects) Bytes(ctx context.Context, d bankai.Digest, max int64) ([]byte, error) {
	panic("skeleton")
}

// File is the path of a file on this machine with the content of that digest, which is
// fetched if it is not there. Nobody may write to it.
func (o *Objects) File(ctx context.Context, d bankai.Digest, ext string, progress func(done, total int64)) (path string, err error) {
	panic("skeleton")
}

// Delete removes a content from the server. To remove what is not there is no error.
func (o *Objects) Delete(ctx context.Context, d bankai.Digest) error { panic("skeleton") }

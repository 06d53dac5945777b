package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"bankai"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// objectBucket is the object store of all contents. A content's name is its SHA-256 in
// hexadecimal digits; the layout is that of every NATS object store, so that the tools
// of NATS show and remove contents.
const objectBucket = "bankai-objects"

// objectAge is how long the server keeps a content after it was put: one that is used
// again after half of it is put again.
const objectAge = 30 * 24 * time.Hour

// Objects are contents by SHA-256, which the NATS server keeps for all machines, and
// every machine that has read a file of them in a folder of its own.
type Objects struct {
	conn   *Conn
	store  jetstream.ObjectStore
	stream jetstream.Stream // of the store
	cache  string           // folder; "": CacheFolder
}

// Objects opens the store of contents, and makes it if it is not there. Files that were
// fetched are kept in the folder cache; "" means [CacheFolder].
func (c *Conn) Objects(ctx context.Context, cache string) (*Objects, error) {
	store, err := c.contents(ctx)
	if err != nil {
		return nil, err
	}
	asked, end := c.request(ctx)
	defer end()
	stream, err := c.js.Stream(asked, "OBJ_"+objectBucket)
	if err != nil {
		return nil, c.explain(asked, "the object store "+objectBucket, "publish to $JS.API.STREAM.INFO.OBJ_"+objectBucket, err)
	}
	return &Objects{conn: c, store: store, stream: stream, cache: cache}, nil
}

// contents opens the store, and makes it if it is not there. The server may lose it later,
// with a disk that it was given for a time only.
func (c *Conn) contents(ctx context.Context) (jetstream.ObjectStore, error) {
	return c.objectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: objectBucket, Description: "models, probes and patches of bankai, by SHA-256", TTL: objectAge,
	})
}

// NotThereError says that the server has no content with a digest.
type NotThereError struct{ Digest bankai.Digest }

// Error says which content is missing.
func (e *NotThereError) Error() string {
	return fmt.Sprintf("the NATS server has no content with the SHA-256 %s: it was removed, or its store was lost", e.Digest)
}

// Put stores what r reads from its beginning to its end, unless that is there already.
// what says what it is, for people. progress, which may be nil, is told how many bytes
// the server has.
func (o *Objects) Put(ctx context.Context, what string, r io.ReadSeeker, progress func(done int64)) (bankai.Digest, error) {
	h, size := sha256.New(), int64(0)
	for _, step := range []func() error{
		func() error { return rewind(r) },
		func() (err error) { size, err = io.Copy(h, reading{ctx, r}); return err },
		func() error { return rewind(r) },
	} {
		if err := step(); err != nil {
			return bankai.Digest{}, err
		}
	}
	d := bankai.Digest(h.Sum(nil))
	if _, err := o.conn.contents(ctx); err != nil {
		return d, err
	}
	info, err := o.info(ctx, d)
	var missing *NotThereError
	switch {
	case err == nil && time.Since(info.ModTime) < objectAge/2 && o.holds(ctx, d, size, info):
		if progress != nil {
			progress(int64(info.Size))
		}
		return d, nil
	case err != nil && !errors.As(err, &missing):
		return d, err
	}
	return d, o.upload(ctx, d, what, r, progress)
}

// mostRead is up to how many bytes a content is read that is there already, to see that
// it is what its name says. A longer one is found out by whoever reads it first.
const mostRead = 8 << 20

// holds reports whether the server has the content of a digest and size, as far as that is
// told with little effort. What is something else is removed.
func (o *Objects) holds(ctx context.Context, d bankai.Digest, size int64, info *jetstream.ObjectInfo) bool {
	if info.Size != uint64(size) || info.Digest != storedDigest(d) {
		o.Delete(ctx, d)
		return false
	}
	return size > mostRead || o.download(ctx, d, info, io.Discard, nil) == nil
}

// storedDigest is a digest as NATS's object stores write it.
func storedDigest(d bankai.Digest) string {
	return "SHA-256=" + base64.URLEncoding.EncodeToString(d[:])
}

func rewind(r io.Seeker) error {
	_, err := r.Seek(0, io.SeekStart)
	return err
}

// reading is a reader that ends with a context.
type reading struct {
	ctx context.Context
	r   io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// PutBytes is Put of data.
func (o *Objects) PutBytes(ctx context.Context, what string, data []byte) (bankai.Digest, error) {
	return o.Put(ctx, what, bytes.NewReader(data), nil)
}

// info is what the store knows of a content.
func (o *Objects) info(ctx context.Context, d bankai.Digest) (*jetstream.ObjectInfo, error) {
	asked, end := o.conn.request(ctx)
	defer end()
	info, err := o.store.GetInfo(asked, d.String())
	if errors.Is(err, jetstream.ErrObjectNotFound) || errors.Is(err, nats.ErrNoResponders) && o.isLost(asked) {
		return nil, &NotThereError{d}
	}
	return info, o.conn.explain(asked, "a content", "publish to $JS.API.DIRECT.GET.OBJ_"+objectBucket+".>", err)
}

// isLost says whether the server has no store any more, so that nobody answers.
func (o *Objects) isLost(ctx context.Context) bool {
	_, err := o.conn.js.Stream(ctx, "OBJ_"+objectBucket)
	return errors.Is(err, jetstream.ErrStreamNotFound)
}

func chunkSubject(id string) string { return "$O." + objectBucket + ".C." + id }

func metaSubject(name string) string {
	return "$O." + objectBucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

// upload stores what r reads, a chunk at a time: the server has each before the next is
// sent, so neither its memory nor the line is flooded. What was stored of a content that
// did not come to its end is removed.
func (o *Objects) upload(ctx context.Context, d bankai.Digest, what string, r io.Reader, progress func(int64)) (err error) {
	info := &jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: d.String(), Description: what, Opts: &jetstream.ObjectMetaOptions{ChunkSize: maxMessage}},
		Bucket:     objectBucket, NUID: nuid.Next(),
	}
	defer func() {
		if err != nil {
			o.purge(info.NUID)
		}
	}()
	h, chunk := sha256.New(), make([]byte, maxMessage)
	for {
		n, err := io.ReadFull(r, chunk)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if n == 0 {
			break
		}
		h.Write(chunk[:n])
		if err := o.publish(ctx, &nats.Msg{Subject: chunkSubject(info.NUID), Data: chunk[:n]}, info.NUID+"."+strconv.Itoa(int(info.Chunks))); err != nil {
			return err
		}
		info.Chunks++
		info.Size += uint64(n)
		if progress != nil {
			progress(int64(info.Size))
		}
	}
	if bankai.Digest(h.Sum(nil)) != d {
		return fmt.Errorf("%s changed while it was read", what)
	}
	info.Digest = storedDigest(d)
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: metaSubject(info.Name), Header: nats.Header{jetstream.MsgRollup: {jetstream.MsgRollupSubject}}, Data: text}
	return o.publish(ctx, m, info.NUID)
}

// putPatience bounds how long the server may take to store one chunk, breaks of the
// connection included.
const putPatience = 2 * time.Minute

// publish stores a message. It is sent again, with the same id, until the server says
// that it has it.
func (o *Objects) publish(ctx context.Context, m *nats.Msg, id string) error {
	late := time.Now().Add(putPatience)
	for {
		asked, end := o.conn.request(ctx)
		_, err := o.conn.js.PublishMsg(asked, m, jetstream.WithMsgID(id))
		end()
		if err == nil {
			return nil
		}
		passing := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || !o.conn.nc.IsConnected()
		if ctx.Err() != nil || o.conn.Err() != nil || o.conn.diskFull() || !passing || time.Now().After(late) {
			return o.conn.explain(asked, "storing a content", "publish to $O."+objectBucket+".>", err)
		}
		if err := sleep(ctx, reconnectWait); err != nil {
			return err
		}
	}
}

// purge removes the chunks of a content, if it can.
func (o *Objects) purge(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	if o.conn.nc.IsConnected() {
		o.stream.Purge(ctx, jetstream.WithPurgeSubject(chunkSubject(id)))
	}
}

// Bytes is the content with a digest, of at most most bytes. It is not kept on the
// machine.
func (o *Objects) Bytes(ctx context.Context, d bankai.Digest, most int64) ([]byte, error) {
	info, err := o.info(ctx, d)
	if err != nil {
		return nil, err
	}
	if int64(info.Size) < 0 || int64(info.Size) > most {
		return nil, fmt.Errorf("the content %s has %d bytes, more than the %d that are taken here", d, info.Size, most)
	}
	var b bytes.Buffer
	b.Grow(int(min(info.Size, maxMessage))) // what it says to have, it may not have
	err = o.download(ctx, d, info, &b, nil)
	return b.Bytes(), err
}

// DamagedError says that what the server had under a digest was something else. It is
// removed, so that whoever has the content puts it anew.
type DamagedError struct {
	Digest bankai.Digest
	Reason string
}

// Error says what is wrong.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("the NATS server's content with the SHA-256 %s was damaged and is removed: %s", e.Digest, e.Reason)
}

// download writes a content to w and checks its digest. What was written is worth nothing
// if there is an error. A content that turns out to be damaged is removed.
func (o *Objects) download(ctx context.Context, d bankai.Digest, info *jetstream.ObjectInfo, w io.Writer, progress func(done, total int64)) error {
	err := o.copy(ctx, d, info, w, progress)
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		return errors.Join(err, o.Delete(ctx, d))
	}
	return err
}

// copy is download, of a chunk at a time, which leaves what is damaged.
func (o *Objects) copy(ctx context.Context, d bankai.Digest, info *jetstream.ObjectInfo, w io.Writer, progress func(done, total int64)) error {
	h, next, done := sha256.New(), uint64(0), uint64(0)
	for k := range info.Chunks {
		m, err := o.chunk(ctx, info.NUID, next+1)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return &DamagedError{d, fmt.Sprintf("chunk %d of %d is not there", k+1, info.Chunks)}
		}
		if err != nil {
			return err
		}
		next = m.Sequence
		h.Write(m.Data)
		if done += uint64(len(m.Data)); done > info.Size {
			return &DamagedError{d, "it is longer than it should be"}
		}
		if _, err := w.Write(m.Data); err != nil {
			return err
		}
		if progress != nil {
			progress(int64(done), int64(info.Size))
		}
	}
	if bankai.Digest(h.Sum(nil)) != d {
		return &DamagedError{d, "its bytes have another SHA-256"}
	}
	return nil
}

// chunk is the first message of a content's chunks that was stored at a place of the
// stream or behind it. It is asked for again while the connection is broken.
func (o *Objects) chunk(ctx context.Context, id string, from uint64) (*jetstream.RawStreamMsg, error) {
	late := time.Now().Add(putPatience)
	for {
		asked, end := o.conn.request(ctx)
		m, err := o.stream.GetMsg(asked, from, jetstream.WithGetMsgSubject(chunkSubject(id)))
		end()
		if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
			return m, err
		}
		passing := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || !o.conn.nc.IsConnected()
		if ctx.Err() != nil || o.conn.Err() != nil || !passing || time.Now().After(late) {
			return nil, cmp.Or(ctx.Err(), o.conn.explain(asked, "reading a content", "publish to $JS.API.DIRECT.GET.OBJ_"+objectBucket, err))
		}
		if err := sleep(ctx, reconnectWait); err != nil {
			return nil, err
		}
	}
}

// Delete removes a content from the server. One that is not there is no error.
func (o *Objects) Delete(ctx context.Context, d bankai.Digest) error {
	asked, end := o.conn.request(ctx)
	defer end()
	err := o.store.Delete(asked, d.String())
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil
	}
	return o.conn.explain(asked, "removing a content", "publish to $JS.API.STREAM.PURGE.OBJ_"+objectBucket, err)
}

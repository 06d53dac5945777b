package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"bankai/internal/progress"
	"bankai/internal/text"
)

// maxUnsaid bounds a file whose size the hub does not say, in bytes.
const maxUnsaid = 64 << 20

// leastBytes are what a server sends in the time after which a connection is given up: one
// that sends a byte now and then could else go on for days.
const leastBytes = 64 << 10

// download is one file on its way into the cache.
type download struct {
	*Client
	ref   Ref
	file  remote
	part  *os.File // what came so far, under the blob's name and .incomplete
	meter progress.Meter
}

// obtain has a file in the cache, under its name in the snapshot: what is there stays if
// it has its digest still, what began to come goes on, and what came is checked before it
// gets its name.
func (c *Client) obtain(ctx context.Context, r *repository, ref Ref, f remote) error {
	unlock, err := c.lock(ctx, r, f.etag)
	if err != nil {
		return err
	}
	defer unlock()
	if r.isPlaced(f) {
		return r.check(ctx, c.Watcher, pointer(f.commit, f.name), f.etag)
	}
	has, err := r.has(f)
	switch {
	case err != nil:
		return err
	case has:
		err = r.check(ctx, c.Watcher, blob(f.etag), f.etag)
	default:
		err = c.download(ctx, r, ref, f)
	}
	if err != nil {
		return err
	}
	return r.link(f)
}

// download brings a blob.
func (c *Client) download(ctx context.Context, r *repository, ref Ref, f remote) error {
	name := blob(f.etag) + ".incomplete"
	if info, err := r.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: is no file of its own: remove it", r.at(name))
	}
	part, err := r.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer part.Close()
	d := &download{c, ref, f, part, c.Watcher.Meter(f.name, max(f.size, 0))}
	defer d.meter.Stop()
	if err := d.complete(ctx); err != nil {
		return err
	}
	if err := part.Sync(); err != nil { // a full disk may show only now
		return err
	}
	if err := part.Close(); err != nil {
		return err
	}
	if err := r.Rename(name, blob(f.etag)); err != nil {
		if has, _ := r.has(f); !has { // another process was first, where there are no locks
			return err
		}
	}
	if blobs, err := r.Open("blobs"); err == nil {
		blobs.Sync() // so that the name survives a power failure, where folders can be synced
		blobs.Close()
	}
	return nil
}

// complete brings what is missing and checks the whole. If what came earlier was not of
// this file, all of it is brought again, once.
func (d *download) complete(ctx context.Context) error {
	for {
		before, err := d.have()
		if err != nil {
			return err
		}
		if err := d.persist(ctx, func() (bool, error) { return d.attempt(ctx) }); err != nil {
			return err
		}
		err = d.verify(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if dropped := d.part.Truncate(0); dropped != nil || before == 0 {
			return errors.Join(err, dropped)
		}
	}
}

// have is how many bytes came so far.
func (d *download) have() (int64, error) {
	info, err := d.part.Stat()
	if err != nil {
		return 0, err
	}
	if d.file.size >= 0 && info.Size() > d.file.size {
		return 0, d.part.Truncate(0)
	}
	return info.Size(), nil
}

// attempt brings as much as one connection does.
func (d *download) attempt(ctx context.Context) (further bool, err error) {
	at, err := d.have()
	if err != nil || at == d.file.size {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(d.idle, func() { cancel(stalled(d.ref)) })
	defer silence.Stop()
	header := http.Header{}
	if at > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", at))
	}
	address := d.address(append(append(strings.Split(d.ref.Repo, "/"), "resolve", d.file.commit), strings.Split(d.file.name, "/")...)...)
	r, err := d.send(ctx, http.MethodGet, address, header, false)
	if err != nil {
		return false, err
	}
	defer r.Body.Close()
	if at, err = d.begins(r, at); err != nil {
		return false, err
	}
	n, err := d.take(ctx, r, at, silence)
	return n >= leastBytes || n > 0 && !isStalled(ctx), err
}

// begins checks the head of an answer, and returns where its bytes belong.
func (d *download) begins(r *reply, at int64) (int64, error) {
	if commit := r.hub.Get(headerCommit); commit != "" && commit != d.file.commit {
		return 0, fmt.Errorf("%s: changed on the hub while it was downloaded (commit %.12s, then %.12s): pull it again", d.ref, d.file.commit, commit)
	}
	switch r.StatusCode {
	case http.StatusPartialContent:
		var from, to, total int64
		_, err := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total)
		if err != nil || from != at {
			return 0, d.again("sends another part than was asked for")
		}
		return at, d.checkLength(r, total)
	case http.StatusOK:
		if err := d.checkLength(r, r.ContentLength); err != nil {
			return 0, err
		}
		return 0, d.part.Truncate(0)
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, d.again("has no more of it than came")
	}
	return 0, d.refusal(d.ref, d.file.name, r)
}

// checkLength refuses a file of another length than the hub says.
func (d *download) checkLength(r *reply, length int64) error {
	if length < 0 || d.file.size < 0 || length == d.file.size {
		return nil
	}
	return fmt.Errorf("%s: %s has %d bytes of it, and the hub says %d: try later", d.ref, r.Request.URL.Host, length, d.file.size)
}

// again drops what came, so that the next attempt brings the file from its start.
func (d *download) again(why string) error {
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	return transient{error: fmt.Errorf("%s: the server %s", d.ref, why)}
}

// take writes the bytes of an answer behind the first at, and no more than the file has.
func (d *download) take(ctx context.Context, r *reply, at int64, silence *time.Timer) (n int64, err error) {
	most := d.file.size
	if most < 0 {
		most = maxUnsaid
	}
	if d.ref.Most > 0 {
		most = min(most, d.ref.Most)
	}
	began, buffer, fresh := time.Now(), make([]byte, 256<<10), 0
	for {
		k, err := r.Body.Read(buffer)
		if fresh += k; fresh >= leastBytes {
			silence.Reset(d.idle)
			fresh = 0
		}
		if at+int64(k) > most {
			return n, errors.Join(fmt.Errorf("%s: %s sends more than the %d bytes that the file has: try later", d.ref, r.Request.URL.Host, most), d.part.Truncate(0))
		}
		if _, err := d.part.WriteAt(buffer[:k], at); err != nil {
			return n, err
		}
		n, at = n+int64(k), at+int64(k)
		rate := float64(n) / max(time.Since(began).Seconds(), 1e-3)
		d.meter.Set(at, text.Size(int64(rate))+"/s")
		switch {
		case err == io.EOF && (at == d.file.size || d.file.size < 0):
			return n, nil
		case ctx.Err() != nil:
			return n, ended(ctx)
		case err != nil:
			return n, transient{error: fmt.Errorf("%s: the connection was cut after %s of %s", d.ref, text.Size(at), text.Size(most))}
		}
	}
}

// verify compares what came with the digest that the hub names.
func (d *download) verify(ctx context.Context) error {
	size, err := d.have()
	if err != nil {
		return err
	}
	m := d.Watcher.Meter(d.file.name+", check", size)
	defer m.Stop()
	sum, err := digestOf(ctx, d.part, size, d.file.etag, m)
	if err == nil && sum != d.file.etag {
		err = fmt.Errorf("%s: what came is not the file: its digest is %.12s…, and the hub says %.12s…; it was dropped: pull it again", d.ref, sum, d.file.etag)
	}
	return err
}

// digestOf is the digest of the first bytes of a file, of the kind that an etag is: that
// of a git object if it is short, SHA-256 if not.
func digestOf(ctx context.Context, f io.ReaderAt, size int64, etag string, m progress.Meter) (string, error) {
	var h hash.Hash
	if len(etag) == 2*sha1.Size {
		h = sha1.New()
		fmt.Fprintf(h, "blob %d\x00", size)
	} else {
		h = sha256.New()
	}
	in, done := io.NewSectionReader(f, 0, size), int64(0)
	for {
		n, err := io.CopyN(h, in, 4<<20)
		done += n
		m.Set(done, "")
		switch {
		case err == io.EOF:
			return fmt.Sprintf("%x", h.Sum(nil)), nil
		case err != nil:
			return "", err
		case ctx.Err() != nil:
			return "", ctx.Err()
		}
	}
}

// room refuses to begin what the disk cannot hold.
func (c *Client) room(r *repository, ref Ref, files []remote) error {
	var need int64
	for _, f := range files {
		has, err := r.has(f)
		if err != nil {
			return err
		}
		if has || r.isPlaced(f) {
			continue
		}
		need += max(f.size, 0)
		if info, err := r.Lstat(blob(f.etag) + ".incomplete"); err == nil && info.Size() <= f.size {
			need -= info.Size()
		}
	}
	free, known := c.space(r.Name())
	if known && free < need {
		return fmt.Errorf("%s: %s are to be written, and the disk of %s has room for %s: make room, or name a folder on another with HF_HOME", ref, text.Size(need), c.Folder, text.Size(max(free, 0)))
	}
	return nil
}

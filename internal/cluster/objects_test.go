package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bankai"

	"github.com/nats-io/nats.go/jetstream"
)

// objectsOf are those of a broker, with a cache of their own.
func objectsOf(t testing.TB, b *Broker) *Objects {
	t.Helper()
	o, err := dial(t, remote(b)).Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// noise is data without a pattern.
func noise(n int) []byte {
	rng, data := rand.New(rand.NewPCG(1, uint64(n))), make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

func TestObjects(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	here, there := objectsOf(t, b), objectsOf(t, b)
	for _, n := range []int{0, 1, maxMessage - 1, maxMessage, maxMessage + 1, 3*maxMessage + 7} {
		data := noise(n)
		var put int64
		d, err := here.Put(t.Context(), "noise", bytes.NewReader(data), func(done int64) { put = done })
		if err != nil || put != int64(n) {
			t.Fatalf("%d bytes: %d put, %v", n, put, err)
		}
		if again, err := there.PutBytes(t.Context(), "the same", data); err != nil || again != d {
			t.Errorf("%d bytes: put again as %s, %v", n, again, err)
		}
		if got, err := there.Bytes(t.Context(), d, int64(n)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d are read, %v", n, len(got), err)
		}
		if n > 0 {
			_, err = there.Bytes(t.Context(), d, int64(n)-1)
			wantError(t, err, d.String(), "more than")
		}
		var fetched int64
		path, err := there.File(t.Context(), d, ".bin", func(done, _ int64) { fetched = done })
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) || fetched != int64(n) {
			t.Errorf("%d bytes: the file has %d, %d were fetched, %v", n, len(got), fetched, err)
		}
	}
}

// TestObjectsAreThoseOfNATS reads and removes with the client's own object store.
func TestObjectsAreThoseOfNATS(t *testing.T) {
	o := objectsOf(t, startBroker(t, BrokerOptions{}))
	data := noise(maxMessage + 1)
	d, err := o.PutBytes(t.Context(), "noise", data)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := o.store.GetBytes(t.Context(), d.String()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := o.store.Delete(t.Context(), d.String()); err != nil {
		t.Fatal(err)
	}
	var missing *NotThereError
	if _, err := o.Bytes(t.Context(), d, 1<<20); !errors.As(err, &missing) || missing.Digest != d {
		t.Errorf("after its removal: %v", err)
	}
	if err := o.Delete(t.Context(), d); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := o.PutBytes(t.Context(), "noise", data); err != nil {
		t.Fatal(err)
	}
	if got, err := o.Bytes(t.Context(), d, 1<<20); err != nil || !bytes.Equal(got, data) {
		t.Errorf("put anew: %d bytes, %v", len(got), err)
	}
}

// TestFileIsFetchedOnce even if what is there is read by several at once, and fetched
// anew if it is not what it should be.
func TestFileIsFetchedOnce(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	here, there := objectsOf(t, b), objectsOf(t, b)
	data := noise(maxMessage + 5)
	d, err := here.PutBytes(t.Context(), "noise", data)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			path, err := there.File(t.Context(), d, "", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	all.Wait()
	path := filepath.Join(there.cache, d.String())
	fetches := 0
	fetch := func() {
		t.Helper()
		if _, err := there.File(t.Context(), d, "", func(int64, int64) { fetches++ }); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if fetch(); fetches != 0 {
		t.Error("it is fetched though it is there")
	}
	for name, bad := range map[string][]byte{"another byte": append([]byte{data[0] ^ 1}, data[1:]...), "cut off": data[:100], "empty": {}} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if fetches = 0; true {
			fetch()
		}
		if fetches == 0 {
			t.Errorf("%s: it is not fetched anew", name)
		}
	}
	if left, err := filepath.Glob(filepath.Join(there.cache, "*")); err != nil || len(left) != 1 {
		t.Errorf("the folder has %v, %v", left, err)
	}
}

func TestFileNames(t *testing.T) {
	o := objectsOf(t, startBroker(t, BrokerOptions{}))
	for _, ext := range []string{"/../x", ".a/b", "gguf", ".", "..", ".a.b", ".\x00"} {
		_, err := o.File(t.Context(), bankai.Digest{1}, ext, nil)
		wantError(t, err, "cannot end with")
	}
}

// TestDamagedObjects are noticed and removed, so that the next one who has the content
// puts it anew.
func TestDamagedObjects(t *testing.T) {
	o := objectsOf(t, startBroker(t, BrokerOptions{}))
	data := noise(2*maxMessage + 9)
	for name, damage := range map[string]func(info *jetstream.ObjectInfo){
		"a chunk is missing": func(info *jetstream.ObjectInfo) {
			m, err := o.stream.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject(chunkSubject(info.NUID)))
			if err != nil {
				t.Fatal(err)
			}
			if err := o.stream.DeleteMsg(t.Context(), m.Sequence); err != nil {
				t.Fatal(err)
			}
		},
		"all chunks are missing": func(info *jetstream.ObjectInfo) { o.purge(info.NUID) },
		"another content": func(info *jetstream.ObjectInfo) {
			other := bytes.Clone(data)
			other[maxMessage] ^= 1
			if _, err := o.store.PutBytes(t.Context(), info.Name, other); err != nil {
				t.Fatal(err)
			}
		},
		"one that is longer than it says": func(info *jetstream.ObjectInfo) {
			if _, err := o.conn.js.Publish(t.Context(), chunkSubject(info.NUID), []byte("more")); err != nil {
				t.Fatal(err)
			}
			// The last chunk is not among those that are counted, the one before goes.
			m, err := o.stream.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject(chunkSubject(info.NUID)))
			if err != nil {
				t.Fatal(err)
			}
			if err := o.stream.DeleteMsg(t.Context(), m.Sequence); err != nil {
				t.Fatal(err)
			}
		},
	} {
		d, err := o.PutBytes(t.Context(), "noise", data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		info, err := o.info(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		damage(info)
		var damaged *DamagedError
		if _, err := o.File(t.Context(), d, "", nil); !errors.As(err, &damaged) || damaged.Digest != d {
			t.Errorf("%s: %v", name, err)
		}
		if files, err := filepath.Glob(filepath.Join(o.cache, "*")); err != nil || len(files) > 0 {
			t.Errorf("%s: it left %v, %v", name, files, err)
		}
		var missing *NotThereError
		if _, err := o.Bytes(t.Context(), d, 1<<30); !errors.As(err, &missing) {
			t.Errorf("%s: it is still there: %v", name, err)
		}
	}
}

// changing is a reader whose content is another each time it is read.
type changing struct {
	bytes.Reader
	times byte
}

func (c *changing) Seek(offset int64, whence int) (int64, error) {
	if offset == 0 && whence == io.SeekStart {
		c.times++
		c.Reset(bytes.Repeat([]byte{c.times}, 3*maxMessage))
	}
	return c.Reader.Seek(offset, whence)
}

func TestPutFails(t *testing.T) {
	o := objectsOf(t, startBroker(t, BrokerOptions{}))
	_, err := o.Put(t.Context(), "the model", &changing{}, nil)
	wantError(t, err, "the model changed while it was read")
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := o.Put(ctx, "noise", bytes.NewReader(noise(3*maxMessage)), func(int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: %v", err)
	}
	info, err := o.stream.Info(t.Context())
	if err != nil || info.State.Msgs != 0 {
		t.Errorf("%d messages are left, %v", info.State.Msgs, err)
	}
}

// TestObjectsOverABreak go on when the server is back.
func TestObjectsOverABreak(t *testing.T) {
	dir := t.TempDir()
	b, err := StartBroker(BrokerOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	o := objectsOf(t, b)
	restart := func() {
		listen := b.server.Addr().String()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if b, err = StartBroker(BrokerOptions{Dir: dir, Listen: listen}); err != nil {
			t.Error(err)
		}
	}
	data, broken := noise(4*maxMessage), false
	once := func(int64) {
		if !broken {
			broken = true
			restart()
		}
	}
	d, err := o.Put(t.Context(), "noise", bytes.NewReader(data), once)
	if err != nil {
		t.Fatal(err)
	}
	broken = false
	path, err := o.File(t.Context(), d, "", func(done, _ int64) { once(done) })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestStoreIsLost with the server's disk: what is put then is there.
func TestStoreIsLost(t *testing.T) {
	first, err := StartBroker(BrokerOptions{Token: "the same token for both"})
	if err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	a := remote(first)
	a.Log = log.log
	o, err := dial(t, a).Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, err := o.PutBytes(t.Context(), "text", []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	listen := first.server.Addr().String()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	startBroker(t, BrokerOptions{Token: "the same token for both", Listen: listen})
	eventually(t, "the server is back", func() bool { return log.count("is back") == 1 })
	var missing *NotThereError
	if _, err := o.Bytes(t.Context(), d, 100); !errors.As(err, &missing) {
		t.Errorf("the content of a lost store: %v", err)
	}
	if again, err := o.PutBytes(t.Context(), "text", []byte("text")); err != nil || again != d {
		t.Fatalf("%s, %v", again, err)
	}
	if got, err := o.Bytes(t.Context(), d, 100); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestUnusedFilesGo when another is fetched; what was used of late stays, as does what
// others have put there.
func TestUnusedFilesGo(t *testing.T) {
	o := objectsOf(t, startBroker(t, BrokerOptions{}))
	old := time.Now().Add(-2 * cacheAge)
	file := func(text string) string {
		t.Helper()
		d, err := o.PutBytes(t.Context(), text, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		path, err := o.File(t.Context(), d, ".bin", nil)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	unused, used, other := file("unused"), file("used"), filepath.Join(o.cache, "notes.txt")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{unused, used, other} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	file("used")
	file("new")
	for path, want := range map[string]bool{unused: false, used: true, other: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

package cluster

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/testmodel"
	"bankai/probe"
	"bankai/score"
	"bankai/search"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What is measured is put anew where the server has lost it, or has something else in its
// place; that is no failure of the worker that finds it out.
func TestTaskIsPutAgain(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := testmodel.Write(path, testmodel.Tiny, 1); err != nil {
		t.Fatal(err)
	}
	b := startBroker(t, BrokerOptions{})
	s := openSession(t, dial(t, remote(b)), m, Options{Cache: t.TempDir(), Check: -1})
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "far", Open: opener(path), Cache: t.TempDir()})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for i, lose := range []func(task bankai.Digest) error{
		func(task bankai.Digest) error { return s.objects.Delete(t.Context(), task) },
		func(task bankai.Digest) error {
			_, err := s.objects.store.PutBytes(t.Context(), task.String(), []byte("something else"))
			return err
		},
	} {
		e, err := score.NewProbeEvaluator(m, enginetest.DemoSet(t, "search_few")[:20], nil, score.Options{
			Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: float64(i + 1)}, // another task each
		})
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Measurer(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := lose(d.peers.task); err != nil {
			t.Fatal(err)
		}
		before := s.Workers()[0].Units
		n, err := e.Blocks(search.Sample{})
		if err != nil || n < 2 {
			t.Fatalf("%d blocks, %v", n, err)
		}
		eventually(t, "the worker does its share", func() bool {
			parts := []score.Part{{Block: score.Block{Index: 0}}, {Block: score.Block{Index: 1}}}
			for b := range parts {
				v, err := e.Values(t.Context(), bankai.New(m.Digest(), bankai.Meta{}), parts[b].Block, []search.Move{{}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				parts[b].N = len(v[0])
			}
			if len(s.Workers()) == 0 {
				t.Fatal("the worker was dropped")
			}
			if _, err := d.Values(t.Context(), bankai.New(m.Digest(), bankai.Meta{}), []search.Move{{}}, parts); err != nil {
				t.Fatal(err)
			}
			return s.Workers()[0].Units > before
		})
		d.peers.mu.Lock()
		for _, f := range d.peers.failures {
			if f.row > 0 || f.all == 0 {
				t.Errorf("%d failures, %d of them in a row", f.all, f.row)
			}
		}
		if len(d.peers.failures) == 0 {
			t.Error("the worker did not notice")
		}
		d.peers.mu.Unlock()
		d.Close()
	}
}

// What the server has under a digest is not taken for the content because of its name.
func TestPutDoesNotTrustNames(t *testing.T) {
	o := objectsOf(t, startBroker(t, BrokerOptions{}))
	data := noise(maxMessage + 9)
	other := bytes.Clone(data)
	other[7] ^= 1
	for name, there := range map[string][]byte{"another content": other, "a shorter one": data[:10], "nothing": {}} {
		d, err := o.PutBytes(t.Context(), "noise", data)
		if err != nil {
			t.Fatal(err)
		}
		info, err := o.store.PutBytes(t.Context(), d.String(), there)
		if err != nil {
			t.Fatal(err)
		}
		if len(there) == len(data) { // what it says of itself is what it should be
			info.Digest = storedDigest(d)
			if err := o.publish(t.Context(), metaMessage(t, info), "another"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := o.PutBytes(t.Context(), "noise", data); err != nil {
			t.Fatal(err)
		}
		if got, err := o.Bytes(t.Context(), d, 1<<30); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// metaMessage is what stores what is said of a content.
func metaMessage(t *testing.T, info *jetstream.ObjectInfo) *nats.Msg {
	t.Helper()
	text, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return &nats.Msg{Subject: metaSubject(info.Name), Header: nats.Header{jetstream.MsgRollup: {jetstream.MsgRollupSubject}}, Data: text}
}

package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bankai/internal/hubtest"
)

// childEndpoint is set where the test's program is to pull, and to be killed meanwhile.
const childEndpoint = "BANKAI_TEST_HUB"

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(childEndpoint); endpoint != "" {
		c := &Client{Endpoint: endpoint, Folder: os.Getenv("HF_HUB_CACHE"), Watcher: &quiet{}}
		ref, err := Parse("hf:" + repo)
		if err := errors.Join(err, c.prepare()); err != nil {
			panic(err)
		}
		if _, err := c.Pull(context.Background(), ref); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Whenever a pull is killed, while bytes come or while what came is checked and placed, no
// blob has a name that its content does not have, and the next pull goes on and completes.
// HUB_KILLS is how often.
func TestKilledPull(t *testing.T) {
	h := newHub(t, map[string]string{"M-Q1_0-00001-of-00002.gguf": weights, "M-Q1_0-00002-of-00002.gguf": weights[1:]})
	rounds := 40
	if n, err := strconv.Atoi(os.Getenv("HUB_KILLS")); err == nil {
		rounds = n
	}
	resumed, killed := 0, 0
	for round := range rounds {
		c, _ := newClient(t, h)
		if killWhile(t, h, c, rand.New(rand.NewPCG(uint64(round), 3)), round%2 == 0) {
			killed++
		}
		checkBlobs(t, c.Folder)
		h.Before(nil)
		h.Seen()
		p, got, err := pull(t, c, "hf:"+repo)
		if err != nil || got != weights || p.Bytes != int64(2*len(weights)-1) {
			t.Fatalf("round %d: the next pull: %+v, %v", round, p, err)
		}
		checkBlobs(t, c.Folder)
		for _, line := range h.Seen() {
			if strings.HasPrefix(line, "storage GET") && strings.HasSuffix(line, "-") {
				resumed++
			}
		}
	}
	t.Logf("%d of %d children were killed, and %d pulls went on from a part", killed, rounds, resumed)
	if killed < rounds/2 || resumed < rounds/4 {
		t.Errorf("%d of %d children were killed, and %d pulls went on from a part", killed, rounds, resumed)
	}
}

// killWhile has a child pull, and kills it when some of the bytes came, or a moment after a
// whole file did. It reports whether the child was still at work.
func killWhile(t *testing.T, h *hubtest.Hub, c *Client, r *rand.Rand, inside bool) bool {
	t.Helper()
	stop := 1 + r.IntN(2*len(weights)-2) // bytes of the storage after which the child is killed
	kill := make(chan int, 2)            // bytes that are sent of a file
	var sent atomic.Int64
	h.Before(func(w http.ResponseWriter, r *http.Request, storage bool) bool {
		if !storage {
			return false
		}
		content := weights
		if r.URL.Path == "/"+hubtest.ETag("a.gguf", weights[1:]) {
			content = weights[1:]
		}
		room := stop - int(sent.Add(int64(len(content)))) + len(content)
		switch {
		case room >= len(content):
			return false
		case inside:
			sendSome(w, content, room)
			kill <- room
			<-r.Context().Done()
		default:
			sendAll(w, content)
			kill <- 0
		}
		return true
	})
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEndpoint+"="+h.URL, "HF_HUB_CACHE="+c.Folder)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if n := <-kill; inside {
		waitUntilWritten(t, c, n)
	} else {
		time.Sleep(time.Duration(r.IntN(8000)) * time.Microsecond)
	}
	child.Process.Kill()
	return child.Wait() != nil
}

// sendSome promises a content and sends the beginning of it.
func sendSome(w http.ResponseWriter, content string, n int) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.Write([]byte(content[:n]))
	http.NewResponseController(w).Flush()
}

// waitUntilWritten waits until n bytes of a part are on the disk.
func waitUntilWritten(t *testing.T, c *Client, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if incomplete(t, c.Folder) >= n {
			return
		}
	}
	t.Fatalf("%d bytes did not come", n)
}

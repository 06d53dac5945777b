package e2e

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// narrow stands between the page and a server. It lets pieces of answers through as it is
// told to, so that a test can look at the page in the middle of one.
type narrow struct {
	*httptest.Server
	mu    sync.Mutex
	to    *url.URL
	left  int           // pieces of one answer that come through; below 0: all
	more  chan struct{} // closed: the rest comes, too
	asked []string      // the bodies of requests for answers
}

func behind(t *testing.T, s *served) *narrow {
	t.Helper()
	n := &narrow{left: -1}
	n.turnTo(t, s)
	n.Server = httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // answers are cut off on purpose
		Rewrite: func(r *httputil.ProxyRequest) {
			n.mu.Lock()
			defer n.mu.Unlock()
			r.SetURL(n.to)
			if strings.HasPrefix(r.In.URL.Path, "/v1/") && r.In.Body != nil {
				body, _ := io.ReadAll(r.In.Body)
				n.asked = append(n.asked, string(body))
				r.Out.Body = io.NopCloser(bytes.NewReader(body))
			}
		},
		ModifyResponse: func(a *http.Response) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.left >= 0 && strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") {
				a.Body = &pieces{a.Body, n.left, n.more, a.Request.Context().Done()}
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(func() { n.all(); n.CloseClientConnections(); n.Close() })
	return n
}

func (n *narrow) turnTo(t *testing.T, s *served) {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.to = to
}

// let lets a number of pieces of each answer through.
func (n *narrow) let(pieces int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left, n.more = pieces, make(chan struct{})
}

// all lets everything through.
func (n *narrow) all() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.more != nil {
		close(n.more)
	}
	n.left, n.more = -1, nil
}

// requests are those for answers so far.
func (n *narrow) requests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

// pieces is the body of an answer that stands still after some of its events.
type pieces struct {
	io.ReadCloser
	left int
	more <-chan struct{}
	gone <-chan struct{}
}

func (p *pieces) Read(to []byte) (int, error) {
	if p.left <= 0 {
		select {
		case <-p.more:
		case <-p.gone:
			return 0, io.ErrUnexpectedEOF
		}
	}
	n, err := p.ReadCloser.Read(to[:min(len(to), 1<<9)])
	p.left -= bytes.Count(to[:n], []byte("\n\n"))
	return n, err
}

// In the middle of an answer it can be stopped, and the server can go: what came stays, and
// the same is asked again when it is back.
func TestChatInTheMiddle(t *testing.T) {
	t.Parallel()
	s := chatServer(t)
	n := behind(t, s)
	p := open(t, n.URL)
	p.see("#view-chat h1")
	p.greedy()
	n.let(8)
	p.write("#prompt", night)
	p.press(kb.Enter)
	p.see(".token")
	p.click("#stop")
	p.answered(1)
	p.seeText(".facts-line", "stopped by you")
	n.all()
	n.let(8)
	p.write("#prompt", night)
	p.press(kb.Enter)
	p.see(".turn:nth-child(2) .token")
	p.press(kb.Escape)
	p.answered(2)
	n.all()

	n.let(8)
	p.write("#prompt", "The derivative of 2x^5 + 4x^3 is")
	p.press(kb.Enter)
	p.see(".turn:nth-child(3) .token")
	came := p.said(3, "")
	p.allow("Failed to load resource", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_INTERNET_DISCONNECTED", "502")
	s.stop()
	n.CloseClientConnections()
	p.answered(3)
	p.seeText("#notice", "broke off")
	p.seeText(".turn:nth-child(3) .facts-line", "broken off")
	if got := p.said(3, ""); came == "" || !strings.HasPrefix(got, came) {
		t.Errorf("what came was %q, now it is %q", came, got)
	}
	n.all()
	p.offline(true)
	p.click(".turn:last-child .retry")
	p.answered(3)
	p.seeText("#notice", "cannot be reached")
	p.accessible()
	p.offline(false)
	n.turnTo(t, chatServer(t))
	p.click(".turn:last-child .retry")
	p.answered(3)
	p.wait(`document.querySelector("#notice").hidden && !document.querySelector(".turn:last-child .retry")`)
	p.seeText(".turn:nth-child(3) .facts-line", "ended at the end of the line")
	checkUnanswered(p, n)
}

// checkUnanswered asks what nobody answers, and finds that it is said so and that what follows
// is asked without it.
func checkUnanswered(p *tab, n *narrow) {
	p.Helper()
	p.offline(true)
	p.ask(4, "Nobody hears this")
	p.seeText(".turn:nth-child(4) .turn-foot", "Nobody answered")
	p.offline(false)
	p.ask(5, "And")
	p.wait(`!document.querySelector(".turn:nth-child(5)").classList.contains("unanswered")`)
	asked := n.requests()
	if last := asked[len(asked)-1]; strings.Contains(last, "Nobody hears") || !strings.Contains(last, night) {
		p.Errorf("asked %s", last)
	}
}

// A server that wants a key is asked for with one, once, and what was typed stays.
func TestChatWithKey(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("open-sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := chatServer(t, "--api-key-file", keys)
	p := open(t, "about:blank")
	p.origin = strings.TrimSuffix(s.url, "/")
	p.allow("401")
	p.do(chromedp.Navigate(s.url))
	p.see("#key-value")
	p.seeText("#key-why", "This server wants a key. Whoever runs the server")
	p.accessible()
	p.write("#key-value", "wrong")
	p.click("#key-use")
	p.seeText("#key-why", "not one of this server's. Look whether it is whole")
	p.wait(`document.querySelector("#key").open && document.querySelector("#key-value").value === ""`)
	p.write("#key-value", "open-sesame")
	p.click("#key-use")
	p.see("#view-chat h1")
	p.ask(1, night)
	p.seeText(".facts-line", "ended at the end of the line")
}

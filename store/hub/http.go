package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bankai/internal/program"
	"bankai/internal/text"
)

// What the hub says of itself and of files, in headers.
const (
	headerCommit    = "X-Repo-Commit"
	headerETag      = "Etag"
	headerLinked    = "X-Linked-Etag" // of a file that lies elsewhere
	headerLinkedLen = "X-Linked-Size"
	headerError     = "X-Error-Code"
	headerMessage   = "X-Error-Message"
)

// maxRedirects bounds how often a request is sent on.
const maxRedirects = 10

// reply is an answer, perhaps of another server than the hub.
type reply struct {
	*http.Response
	hub http.Header // what the hub said before it led elsewhere, and if it did not
}

// send asks the hub. Where it leads to another server that one is asked, without the
// token, unless stay is set: then the answer is the hub's, which says where a file lies.
func (c *Client) send(ctx context.Context, method, address string, header http.Header, stay bool) (*reply, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	own := at.Host
	r := &reply{hub: http.Header{}}
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
		if err != nil {
			return nil, err
		}
		for name, values := range header {
			req.Header[name] = values
		}
		req.Header.Set("User-Agent", "bankai/"+program.Version)
		req.Header.Set("Accept-Encoding", "identity") // lengths and ranges are of the file
		if at.Host == own && c.Token != "" {
			req.Header.Set("Authorization", "Bearer "+c.Token)
		}
		if r.Response, err = c.http.Do(req); err != nil {
			return nil, c.unreachable(ctx, at.Host, err)
		}
		if at.Host == own { // which may lead to itself, and say half of it here and half there
			r.note()
		}
		to, err := redirect(at, r.Response)
		if to == nil && err == nil {
			return r, nil
		}
		if err == nil && stay && to.Host != own {
			return r, nil
		}
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		at = to
	}
	return nil, fmt.Errorf("%s: sends requests on and on: check HF_ENDPOINT", own)
}

// note remembers what the hub says of itself and of a file.
func (r *reply) note() {
	for _, name := range []string{headerCommit, headerLinked, headerLinkedLen, headerETag} {
		if value := r.Header.Get(name); value != "" {
			r.hub.Set(name, value)
		}
	}
}

// redirect is where an answer leads, nil if it is one by itself.
func redirect(at *url.URL, r *http.Response) (*url.URL, error) {
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	to, err := at.Parse(r.Header.Get("Location"))
	switch {
	case err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https":
		return nil, fmt.Errorf("%s: leads to no address: check HF_ENDPOINT", at.Host)
	case at.Scheme == "https" && to.Scheme == "http":
		return nil, fmt.Errorf("%s: leads from https to http, to %s: this is refused", at.Host, to.Host)
	}
	return to, nil
}

// ErrNoFile says that a repository has no file of a name.
var ErrNoFile = errors.New("the repository has no file")

// transient is an error that may be gone at the next attempt.
type transient struct {
	error
	after time.Duration // that the server asks to wait
}

func (t transient) Unwrap() error { return t.error }

// offlineError says that a server cannot be reached at all.
type offlineError struct{ error }

func (e offlineError) Unwrap() error { return e.error }

// unreachable says which server did not answer, and whether it may at another time.
func (c *Client) unreachable(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return fmt.Errorf("%s: is not who it says: %w: a proxy that reads along needs its certificate in SSL_CERT_FILE", host, err)
	}
	var dial *net.OpError
	if errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect") {
		return transient{error: offlineError{fmt.Errorf("%s: cannot be reached: %w", host, err)}}
	}
	return transient{error: fmt.Errorf("%s: gives no answer: %w", host, err)}
}

// ended is why ctx ended: a server that says nothing may do so later, a user who wants an
// end wants no other attempt.
func ended(ctx context.Context) error {
	var t transient
	if errors.As(context.Cause(ctx), &t) {
		return t
	}
	return ctx.Err()
}

// isStalled reports whether ctx ended since a server sent nothing, or next to nothing.
func isStalled(ctx context.Context) bool { return errors.As(context.Cause(ctx), new(transient)) }

// Limits of attempts.
const (
	maxAttempts = 5 // one after the other in which not a byte came
	firstWait   = time.Second
	longestWait = 5 * time.Minute
)

// persist repeats an attempt as long as its error is a transient one. An attempt says
// whether it got further. A server that was never reached is not tried again.
func (c *Client) persist(ctx context.Context, try func() (further bool, err error)) error {
	reached, failed := false, 0
	for {
		further, err := try()
		var t transient
		if err == nil || !errors.As(err, &t) {
			return err
		}
		var off offlineError
		if isOffline := errors.As(err, &off); isOffline && !reached {
			return t.error
		} else if !isOffline {
			reached = true
		}
		if further {
			reached, failed = true, 0
		}
		if failed++; failed == maxAttempts {
			return fmt.Errorf("%w; %d attempts: try later", t.error, failed)
		}
		wait := max(t.after, firstWait<<(failed-1))
		if wait > longestWait {
			return fmt.Errorf("%w: try again in %s", t.error, wait.Round(time.Second))
		}
		c.Watcher.Note("%v: trying again in %s", t.error, wait)
		if err := c.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// refusal is the error of an answer that is no success. It closes the answer.
func (c *Client) refusal(ref Ref, file string, r *reply) error {
	defer r.Body.Close()
	io.CopyN(io.Discard, r.Body, 1<<16) // so that the connection can serve again
	if host := r.Request.URL.Host; "https://"+host != c.Endpoint && "http://"+host != c.Endpoint {
		return transient{fmt.Errorf("%s: %s, where the hub has the file, answers with status %d", ref, host, r.StatusCode), retryAfter(r.Header)}
	}
	page := c.page(ref.Repo)
	code, said := r.Header.Get(headerError), text.Clip(text.Line(r.Header.Get(headerMessage)), 200)
	switch status := r.StatusCode; {
	case code == "GatedRepo":
		return fmt.Errorf("%s: its owner wants its terms accepted first: do that at %s, and set HF_TOKEN to a token of the account that did", ref, page)
	case code == "RevisionNotFound":
		return fmt.Errorf("%s: the repository has no revision %s: see %s", ref, ref.Revision, page)
	case code == "EntryNotFound":
		return fmt.Errorf("%s: %w %s at revision %s: see %s/tree/%s", ref, ErrNoFile, file, ref.Revision, page, url.PathEscape(ref.Revision))
	case strings.Contains(said, "resource is disabled"):
		return fmt.Errorf("%s: the hub has closed the repository: see %s", ref, page)
	case status == http.StatusUnauthorized && c.Token != "":
		return fmt.Errorf("%s: there is no such repository, or the hub does not take the token%s: check both", ref, quoted(said))
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s: there is no such repository, or it is not open to everybody: check the name, or set HF_TOKEN", ref)
	case code == "RepoNotFound" || status == http.StatusNotFound:
		return fmt.Errorf("%s: there is no such repository at %s: check the name", ref, c.Endpoint)
	case status == http.StatusForbidden:
		return fmt.Errorf("%s: the hub forbids it%s: check what the token may do, at %s/settings/tokens", ref, quoted(said), c.Endpoint)
	case status == http.StatusTooManyRequests:
		return transient{fmt.Errorf("%s: the hub wants fewer requests (429)", ref), retryAfter(r.Header)}
	case status >= 500 || status == http.StatusRequestTimeout:
		return transient{fmt.Errorf("%s: the server has a fault (%d)%s", ref, status, quoted(said)), retryAfter(r.Header)}
	default:
		return fmt.Errorf("%s: %s answers with status %d%s: check HF_ENDPOINT", ref, r.Request.URL.Host, status, quoted(said))
	}
}

// quoted is what a server says, behind something.
func quoted(said string) string {
	if said == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", said)
}

// retryAfter is how long a server asks to wait.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at).Round(time.Second))
	}
	return 0
}

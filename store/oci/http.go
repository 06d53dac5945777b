package oci

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"

	"bankai/internal/progress"
)

// pauses are how long a client waits.
type pauses struct {
	first   time.Duration // before the first retry; the next ones are twice as long each
	most    time.Duration // that a registry may ask to wait with Retry-After
	silence time.Duration // in which a transfer brings something worth the name, and a manifest is whole
	small   time.Duration // that something small may take, with all retries
}

func (p pauses) orUsual() pauses {
	if p == (pauses{}) {
		return pauses{first: 250 * time.Millisecond, most: 20 * time.Second, silence: time.Minute, small: 90 * time.Second}
	}
	return p
}

// maxTries is how often a request is sent that may succeed the next time.
const maxTries = 4

// maxRedirects is how many redirects of one request are followed.
const maxRedirects = 5

// client is an HTTP client for the registry at an address, of which only scheme and host
// count. Requests go only where they may, retries are few, and what is sent is shown. To
// be closed.
func client(registry *url.URL, o Options) (c *http.Client, done func()) {
	p := o.pauses.orUsual()
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.ResponseHeaderTimeout = p.silence
	base.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{
		Transport: &retry.Transport{
			Base:   guarded{base, registry},
			Policy: func() retry.Policy { return policy{p} },
		},
		CheckRedirect: checkRedirect,
	}, base.CloseIdleConnections
}

// checkRedirect refuses redirects that lead from TLS to none, or nowhere.
func checkRedirect(q *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= maxRedirects:
		return final{fmt.Errorf("redirects in circles: the registry, or a proxy before it, is not well")}
	case via[len(via)-1].URL.Scheme == "https" && q.URL.Scheme != "https":
		return final{fmt.Errorf("redirects from https to %s, which is refused: the registry, or a proxy before it, is not well", q.URL.Scheme)}
	}
	return nil
}

// final marks an error that no retry helps against.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// guarded sees to where a registry leads requests, as redirects or as its server of
// tokens, and shows how far a body is that is sent.
type guarded struct {
	base     *http.Transport
	registry *url.URL
}

// check refuses what would be asked without TLS on another machine than the registry, and
// servers of tokens, who are sent credentials, but for the registry itself and those on
// other machines that are asked by TLS.
func (g guarded) check(q *http.Request) error {
	to := q.URL
	tls, here := to.Scheme == "https", isLoopback(to.Hostname())
	switch {
	case authority(to) == authority(g.registry) && (tls || g.registry.Scheme == "http"):
		return nil
	case isForToken(q) && (!tls || here):
		return final{fmt.Errorf("%s sends to %s://%s for a token, which is refused: credentials go to the registry itself, or by https to another machine", g.registry.Host, to.Scheme, to.Host)}
	case !tls && !here:
		return final{fmt.Errorf("%s leads to %s, which is on another machine and would be asked without TLS: this is refused, as --plain-http is for the registry alone", g.registry.Host, to.Host)}
	}
	return nil
}

// isForToken reports whether a request that does not go to the registry asks for a token.
// Whatever else goes elsewhere is a redirect, or sends a blob.
func isForToken(q *http.Request) bool {
	return q.Response == nil && q.Method != http.MethodPut && q.Method != http.MethodPatch
}

// authority is the host and the port of an address, which need not name it.
func authority(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

func (g guarded) RoundTrip(q *http.Request) (*http.Response, error) {
	if err := g.check(q); err != nil {
		return nil, err
	}
	if m, ok := q.Context().Value(meterKey{}).(progress.Meter); ok && q.Body != nil && q.Method == http.MethodPut {
		q = q.Clone(q.Context())
		q.Body = &shown{q.Body, m, 0}
	}
	return g.base.RoundTrip(q)
}

// meterKey is the key of a context's meter.
type meterKey struct{}

// shown is a body whose bytes are told to a meter.
type shown struct {
	io.ReadCloser
	meter progress.Meter
	n     int64
}

func (s *shown) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	s.n += int64(n)
	s.meter.Set(s.n, "")
	return n, err
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// policy says which requests are sent again, and when.
type policy struct{ pauses }

// busyError is that a registry has asked to wait for longer than this run does.
type busyError struct {
	status int
	after  string // as in Retry-After, "" if it did not say
}

func (e *busyError) Error() string {
	if e.after == "" {
		return fmt.Sprintf("it answers with status %d, however often it is asked", e.status)
	}
	return fmt.Sprintf("it answers with status %d and wants to be asked again after %.40q", e.status, e.after)
}

// Retry implements retry.Policy.
func (p policy) Retry(attempt int, a *http.Response, err error) (time.Duration, error) {
	pause := p.first << attempt
	switch {
	case err != nil && !passing(err):
		return -1, nil
	case err != nil:
	case a.StatusCode == http.StatusTooManyRequests, a.StatusCode == http.StatusServiceUnavailable:
		after := a.Header.Get("Retry-After")
		if asked := until(after); asked > pause {
			pause = asked
		}
		if attempt+1 >= maxTries || pause > p.most {
			return -1, &busyError{a.StatusCode, after}
		}
	case a.StatusCode != http.StatusRequestTimeout && a.StatusCode < 500:
		return -1, nil
	}
	if attempt+1 >= maxTries {
		return -1, nil
	}
	return pause, nil
}

// passing reports whether an error of the network may be gone the next time. What a
// context's end brought about is none: its retries end by themselves.
func passing(err error) bool {
	if errors.As(err, new(final)) {
		return false
	}
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// until is how long a Retry-After asks to wait, 0 if it does not say: seconds, or a time.
func until(after string) time.Duration {
	if seconds, err := strconv.ParseUint(after, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(after); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

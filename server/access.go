package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"bankai/internal/text"
)

// access decides who may ask for what.
type access struct {
	keys, admin []keyDigest
	loopback    bool
	origins     []string
}

// keyDigest is what is kept of a key: digests are compared in a time that does not depend
// on where they differ, nor on the key's length.
type keyDigest [sha256.Size]byte

func newAccess(o Options) access {
	return access{keys: digests(o.Keys), admin: digests(o.AdminKeys), loopback: o.Loopback, origins: o.Origins}
}

func digests(keys []string) (all []keyDigest) {
	for _, k := range keys {
		all = append(all, sha256.Sum256([]byte(k)))
	}
	return all
}

// holds says whether a key is one of several. It looks at all of them.
func holds(keys []keyDigest, key keyDigest) bool {
	found := 0
	for _, k := range keys {
		found |= subtle.ConstantTimeCompare(k[:], key[:])
	}
	return found == 1
}

// shown is the key that a request shows.
func shown(r *http.Request) (key keyDigest, there bool) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	value = strings.TrimSpace(value)
	return sha256.Sum256([]byte(value)), strings.EqualFold(scheme, "Bearer") && value != ""
}

// user lets those in who show a key, if keys are asked for. client tells them apart: by
// their keys, or else by their addresses.
func (a *access) user(r *http.Request) (client string, err error) {
	key, there := shown(r)
	switch {
	case len(a.keys) == 0:
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		return host, nil
	case !there:
		return "", unauthorized("no_api_key", "this server wants a key: send the header Authorization: Bearer KEY")
	case !holds(a.keys, key) && !holds(a.admin, key):
		return "", unauthorized("invalid_api_key", "the key is not one of this server's")
	}
	return fmt.Sprintf("key %x", key[:4]), nil
}

// tenant is who may learn what a request asked before, by how soon an answer begins: who
// shows the same key. Without keys it is all of this machine, or each other machine alone.
func (a *access) tenant(r *http.Request) string {
	if len(a.keys) > 0 {
		key, _ := shown(r)
		return string(key[:])
	}
	if a.loopback {
		return ""
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

// administrator lets those in who may change patches: who shows an admin key, or on this
// machine, where there are no such keys, every user.
func (a *access) administrator(r *http.Request) error {
	if len(a.admin) == 0 && a.loopback {
		_, err := a.user(r)
		return err
	}
	if len(a.admin) == 0 {
		return &failure{
			status: http.StatusForbidden, kind: kindPermission, code: "no_admin_key",
			message: "patches cannot be changed here: that takes an admin key, and the server was started without --admin-key-file",
		}
	}
	key, there := shown(r)
	switch {
	case !there:
		return unauthorized("no_api_key", "changing patches takes an admin key: send the header Authorization: Bearer KEY")
	case holds(a.admin, key):
		return nil
	case holds(a.keys, key):
		return &failure{status: http.StatusForbidden, kind: kindPermission, code: "not_admin", message: "changing patches takes an admin key, and this key is none"}
	}
	return unauthorized("invalid_api_key", "the key is not one of this server's")
}

func unauthorized(code, message string) *failure {
	return &failure{status: http.StatusUnauthorized, kind: kindAuth, code: code, message: message}
}

// host refuses requests to another host than this machine, if the server listens on this
// machine only.
func (a *access) host(r *http.Request) error {
	if !a.loopback || r.Host == "" || isLocal(r.Host) { // only old programs name no host
		return nil
	}
	return &failure{
		status: http.StatusForbidden, kind: kindPermission, code: "wrong_host",
		message: fmt.Sprintf("the server listens on this machine only, and does not answer to the name %q: use localhost or 127.0.0.1", r.Host),
	}
}

// isLocal says whether a host, with its port or without, is this machine by its very name.
func isLocal(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// CheckOrigin refuses what is no origin of a page: a scheme and a host, with a port or
// without.
func CheckOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("%q is not the origin of a page: want one such as https://example.org or http://localhost:3000", origin)
	}
	return nil
}

// origin lets pages in browsers read answers if their origin is allowed; h is the head of
// the answer. Others must not change anything, either: a browser sends their simple
// requests without asking. done says that the request was only a browser's question.
func (a *access) origin(h http.Header, r *http.Request) (done bool, err error) {
	if len(a.origins) > 0 {
		h.Add("Vary", "Origin") // whether or not there is one: caches must know
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false, nil
	}
	allowed := slices.Contains(a.origins, origin)
	if allowed {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", strings.Join([]string{requestID, seedHeader, patchHeader, "Retry-After"}, ", "))
	}
	asks := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	switch {
	case asks && allowed:
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
		h.Set("Access-Control-Max-Age", "600")
		return true, nil
	case allowed, !asks && (r.Method == http.MethodGet || r.Method == http.MethodHead), isOwn(origin, r):
		return false, nil
	}
	return false, &failure{
		status: http.StatusForbidden, kind: kindPermission, code: "wrong_origin",
		message: fmt.Sprintf("pages of %q may not ask this server: start it with --cors-origin %s if they shall", origin, origin),
	}
}

// isOwn says whether a request is of the server's own page. Behind a proxy, which may have
// another name and scheme, the browser tells: pages cannot set this header.
func isOwn(origin string, r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return true
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return origin == scheme+r.Host
}

// user makes a handler that only those reach who may ask.
func (s *Server) user(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.access.user(r); err != nil {
			failureOf(err).write(w, openAI)
			return
		}
		h(w, r)
	}
}

// change is answer for requests that change patches.
func (s *Server) change(api string, do func(x *exchange) error) http.HandlerFunc {
	admin := s.answer(api, openAI, do)
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.access.administrator(r); err != nil {
			failureOf(err).write(w, openAI)
			return
		}
		admin(w, r)
	}
}

// ServeHTTP is the way of every request: to a host and from a page that are allowed, then
// along its route.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = s.times.timed(w)
	h := w.Header()
	h.Set(requestID, newID("req-"))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if err := s.access.host(r); err != nil {
		failureOf(err).write(w, dialectOf(r))
		return
	}
	if r = s.below(w, r); r == nil {
		return
	}
	done, err := s.access.origin(h, r)
	switch {
	case err != nil:
		failureOf(err).write(w, dialectOf(r))
	case done:
		w.WriteHeader(http.StatusNoContent)
	default:
		s.route(w, r)
	}
}

// below is a request with the path that it has below the server's prefix; nil if it has
// none, and was answered.
func (s *Server) below(w http.ResponseWriter, r *http.Request) (inner *http.Request) {
	prefix := s.o.PathPrefix
	switch {
	case prefix == "":
		return r
	case r.URL.Path == prefix: // whose page would look for its files beside it
		http.Redirect(w, r, prefix+"/", http.StatusPermanentRedirect)
		return nil
	case !strings.HasPrefix(r.URL.Path, prefix+"/"):
		f := &failure{status: http.StatusNotFound, kind: kindInvalid, code: "unknown_route", message: fmt.Sprintf("there is nothing at %s: all that this server has is below %s/", r.URL.Path, prefix)}
		f.write(w, dialectOf(r))
		return nil
	}
	http.StripPrefix(prefix, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inner = r })).ServeHTTP(w, r)
	return inner
}

// CheckPathPrefix refuses what all paths of a server cannot begin with.
func CheckPathPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if prefix[0] != '/' || path.Clean(prefix) != prefix || prefix == "/" || strings.ContainsAny(prefix, " ?#%{}\\\"'<>") || text.Printable(prefix) != prefix {
		return fmt.Errorf("%q cannot be the beginning of all paths: want one such as /bankai, without a slash at its end", prefix)
	}
	return nil
}

// route is the mux, whose own refusals are texts, in the words of this server.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	h, pattern := s.routes.Handler(r)
	if pattern != "" {
		s.routes.ServeHTTP(w, r)
		return
	}
	said := &headOnly{header: http.Header{}}
	h.ServeHTTP(said, r)
	f := &failure{status: http.StatusNotFound, kind: kindInvalid, code: "unknown_route", message: fmt.Sprintf("there is nothing at %s %s", r.Method, r.URL.Path)}
	if said.status == http.StatusMethodNotAllowed {
		f.status, f.code = said.status, "method_not_allowed"
		f.message = fmt.Sprintf("%s does not take %s: use %s", r.URL.Path, r.Method, said.header.Get("Allow"))
		w.Header().Set("Allow", said.header.Get("Allow"))
	}
	f.write(w, dialectOf(r))
}

// headOnly takes the head of an answer, and drops its body.
type headOnly struct {
	header http.Header
	status int
}

func (h *headOnly) Header() http.Header         { return h.header }
func (h *headOnly) WriteHeader(status int)      { h.status = status }
func (h *headOnly) Write(p []byte) (int, error) { return len(p), nil }

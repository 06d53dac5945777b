// Package hubtest is a server that answers as Hugging Face's hub does, with a second one
// that holds the large files: for tests.
package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Hub is a hub and the storage that it leads to, each at an address of its own.
type Hub struct {
	*httptest.Server
	Storage *httptest.Server

	mu     sync.Mutex
	repos  map[string]Repo
	seen   []string
	before Handler
	stall  int // bytes of a large file after which no more come; 0: all come
}

// Handler is asked first, on both servers. It may answer in a way of its own, and says
// whether it did.
type Handler func(w http.ResponseWriter, r *http.Request, storage bool) bool

// Repo is a repository. Large files, by their names' endings, lie in the storage.
type Repo struct {
	Commit string // that its branch main is at
	Files  map[string]string
	Token  string // that is needed to read it; empty: none
	Gated  bool   // its terms have to be accepted, which nobody did
}

// New starts a hub without repositories. It has to be closed.
func New() *Hub {
	h := &Hub{repos: map[string]Repo{}}
	h.Storage = httptest.NewServer(h.logged(true, h.serveStorage))
	h.Server = httptest.NewServer(h.logged(false, h.serveHub))
	return h
}

// Close ends both servers.
func (h *Hub) Close() {
	h.Server.Close()
	h.Storage.Close()
}

// Put has a repository be as it is given.
func (h *Hub) Put(name string, r Repo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.repos[name] = r
}

// Before has a handler be asked first; nil for none.
func (h *Hub) Before(first Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before = first
}

// Stall gives whoever asks for a large file from its start its first after bytes, and no
// more; whoever asks for the rest gets that.
func (h *Hub) Stall(after int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stall = after
}

// Seen are the requests since the last call, one a line: the server, the method, the
// path, the range, and the token.
func (h *Hub) Seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := h.seen
	h.seen = nil
	return seen
}

func (h *Hub) logged(storage bool, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		server := map[bool]string{false: "hub", true: "storage"}[storage]
		line := strings.Join(strings.Fields(server+" "+r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")+" "+r.Header.Get("Authorization")), " ")
		h.mu.Lock()
		h.seen = append(h.seen, line)
		before := h.before
		h.mu.Unlock()
		if before == nil || !before(w, r, storage) {
			serve(w, r)
		}
	}
}

// Large reports whether the hub keeps a file of that name in the storage.
func Large(name string) bool {
	return slices.ContainsFunc([]string{".gguf", ".safetensors", ".bankai"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

// ETag is what the hub names the content of a file by.
func ETag(name, content string) string {
	if Large(name) {
		return fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	}
	return fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)))
}

// cached begins the paths to which the hub leads for small files.
const cached = "/api/resolve-cache/models/"

// serveHub answers /OWNER/REPO/resolve/REVISION/FILE and /api/models/OWNER/REPO/revision/REVISION.
func (h *Hub) serveHub(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutPrefix(r.URL.Path, cached); ok {
		h.serveSmall(w, r, path)
		return
	}
	var parts []string
	for p := range strings.SplitSeq(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/") {
		p, _ = url.PathUnescape(p)
		parts = append(parts, p)
	}
	api := len(parts) == 6 && parts[0] == "api" && parts[1] == "models" && parts[4] == "revision"
	if api {
		parts = parts[2:]
	}
	if len(parts) < 4 || !api && parts[2] != "resolve" {
		fail(w, http.StatusNotFound, "", "")
		return
	}
	h.mu.Lock()
	repo, there := h.repos[parts[0]+"/"+parts[1]]
	h.mu.Unlock()
	switch token := r.Header.Get("Authorization"); {
	case !there && token == "", there && repo.Token != "" && token == "":
		fail(w, http.StatusUnauthorized, "", "Invalid username or password.")
	case !there, repo.Token != "" && token != "Bearer "+repo.Token:
		fail(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
	case repo.Gated && !api:
		fail(w, http.StatusForbidden, "GatedRepo", "Access to the model is restricted")
	case parts[3] != "main" && parts[3] != repo.Commit && parts[3] != "refs/pr/1":
		fail(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+parts[3])
	case api:
		list(w, repo)
	default:
		h.resolve(w, r, parts[0]+"/"+parts[1], repo, strings.Join(parts[4:], "/"))
	}
}

func fail(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	http.Error(w, message, status)
}

// list answers with the files of a repository.
func list(w http.ResponseWriter, repo Repo) {
	type sibling struct {
		Name string `json:"rfilename"`
		Size int    `json:"size"`
	}
	doc := struct {
		SHA      string    `json:"sha"`
		Siblings []sibling `json:"siblings"`
	}{SHA: repo.Commit}
	for name, content := range repo.Files {
		doc.Siblings = append(doc.Siblings, sibling{name, len(content)})
	}
	slices.SortFunc(doc.Siblings, func(a, b sibling) int { return strings.Compare(a.Name, b.Name) })
	json.NewEncoder(w).Encode(doc)
}

// resolve leads to a file: a large one in the storage, a small one on the hub itself.
func (h *Hub) resolve(w http.ResponseWriter, r *http.Request, in string, repo Repo, name string) {
	w.Header().Set("X-Repo-Commit", repo.Commit)
	content, there := repo.Files[name]
	etag := `"` + ETag(name, content) + `"`
	switch {
	case !there:
		fail(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
	case Large(name):
		w.Header().Set("X-Linked-Etag", etag)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(content)))
		http.Redirect(w, r, h.Storage.URL+"/"+ETag(name, content)+"?signature=1", http.StatusFound)
	default:
		http.Redirect(w, r, cached+in+"/"+repo.Commit+"/"+url.PathEscape(name)+"?etag="+url.QueryEscape(etag), http.StatusTemporaryRedirect)
	}
}

// serveSmall answers with a small file.
func (h *Hub) serveSmall(w http.ResponseWriter, r *http.Request, path string) {
	parts := strings.SplitN(path, "/", 4)
	h.mu.Lock()
	content, there := h.repos[strings.Join(parts[:2], "/")].Files[parts[3]]
	h.mu.Unlock()
	if !there {
		fail(w, http.StatusNotFound, "", "")
		return
	}
	w.Header().Set("ETag", `"`+ETag(parts[3], content)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader([]byte(content)))
}

// serveStorage answers with a large file, or a part of it, and another ETag.
func (h *Hub) serveStorage(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	content, found := "", false
	for _, repo := range h.repos {
		for name, c := range repo.Files {
			if Large(name) && "/"+ETag(name, c) == r.URL.Path {
				content, found = c, true
			}
		}
	}
	stall := h.stall
	h.mu.Unlock()
	if !found || r.URL.RawQuery == "" || r.Header.Get("Authorization") != "" {
		http.Error(w, "only one signature is taken", http.StatusBadRequest)
		return
	}
	if stall > 0 && r.Header.Get("Range") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write([]byte(content[:min(stall, len(content))]))
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	w.Header().Set("ETag", `"storage-1"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader([]byte(content)))
}

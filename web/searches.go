package web

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"bankai/internal/source"
	"bankai/server"
)

// searches starts searches for patches, each as a process of its own: a search changes its
// model in place, and a server's must stay what it is. Each has a folder below the user's,
// with all that it was asked and found, so that whoever serves next finds it there.
type searches struct {
	o   Options
	dir string // "" if there is no place for them

	mu      sync.Mutex
	runs    map[string]*searchRun
	closed  bool
	closing chan struct{} // closed with it
}

// addSearches adds the routes of searches.
func (w *Web) addSearches() {
	s := &searches{o: w.o, runs: map[string]*searchRun{}, closing: make(chan struct{})}
	if path, err := filepath.Abs(s.o.Model); err == nil && s.o.Model != source.DemoModel && !source.IsPublished(s.o.Model) {
		s.o.Model = path // a search works in another folder
	}
	if s.o.Home != "" {
		s.dir = filepath.Join(s.o.Home, "searches")
	}
	w.searches = s
	of := func(do func(x *server.Exchange, r *searchRun) error) func(x *server.Exchange) error {
		return func(x *server.Exchange) error {
			r, err := s.find(x.Request().PathValue("id"))
			if err != nil {
				return err
			}
			return do(x, r)
		}
	}
	const one = " /api/searches/{id}"
	w.add(s.close,
		server.Route{Pattern: "GET /api/searches", Answer: s.list},
		server.Route{Pattern: "POST /api/searches", Change: true, Answer: s.start},
		server.Route{Pattern: "GET" + one, Answer: of(s.show)},
		server.Route{Pattern: "DELETE" + one, Change: true, Answer: of(s.remove)},
		server.Route{Pattern: "GET" + one + "/events", Answer: of(s.events)},
		server.Route{Pattern: "GET" + one + "/chart.svg", Answer: of(s.chart)},
		server.Route{Pattern: "GET" + one + "/patch", Answer: of(s.download)},
		server.Route{Pattern: "POST" + one + "/stop", Change: true, Answer: of(s.stop)},
		server.Route{Pattern: "POST" + one + "/resume", Change: true, Answer: of(s.resume)},
		server.Route{Pattern: "POST" + one + "/keep", Change: true, Answer: of(s.keep)},
	)
}

// searchID is what a search is called, and its folder. Nothing else is ever a part of a path.
var searchID = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$`)

// newSearchID is the name of a search that begins now: they are in order of their names.
func newSearchID(now time.Time) string {
	var b [4]byte
	rand.Read(b[:])
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}

// find is a search by its name.
func (s *searches) find(id string) (*searchRun, error) {
	if searchID.MatchString(id) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r := s.known(id); r != nil {
			return r, nil
		}
	}
	return nil, server.Refuse(http.StatusNotFound, "id", "search_not_found", "there is no search %q: GET /api/searches lists those that there are", id)
}

// known is a search whose folder is there, or whose process is; nil if neither is. s.mu is
// held.
func (s *searches) known(id string) *searchRun {
	if r := s.runs[id]; r != nil {
		if r.isThere() || r.isRunning() {
			return r
		}
		delete(s.runs, id)
		return nil
	}
	if s.dir == "" {
		return nil
	}
	r, err := openSearch(filepath.Join(s.dir, id))
	if err != nil {
		return nil
	}
	s.runs[id] = r
	return r
}

// all are the searches that there are, the newest first.
func (s *searches) all() (all []*searchRun, err error) {
	if s.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ids := map[string]bool{}
	for _, e := range entries {
		if searchID.MatchString(e.Name()) {
			ids[e.Name()] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.runs { // somebody may have removed the folder of one that runs
		ids[id] = true
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(ids))) {
		if r := s.known(id); r != nil {
			all = append(all, r)
		}
	}
	return all, nil
}

// searchList is the answer of GET /api/searches.
type searchList struct {
	Searches []searchDoc `json:"searches"`
	Sets     []builtIn   `json:"sets"`    // that are part of the program
	Threads  threadsDoc  `json:"threads"` // of a search
	Place    bool        `json:"place"`   // there is a folder for searches
}

// threadsDoc says how many threads a search may have.
type threadsDoc struct {
	Usual int `json:"usual"` // leaves the server as many
	Most  int `json:"most"`
}

func (s *searches) threads() threadsDoc {
	most := s.o.Threads
	if most <= 0 {
		most = runtime.NumCPU()
	}
	return threadsDoc{max(1, most/2), most}
}

// list answers GET /api/searches.
func (s *searches) list(x *server.Exchange) error {
	all, err := s.all()
	if err != nil {
		return err
	}
	doc := searchList{Searches: []searchDoc{}, Sets: s.o.sets(), Threads: s.threads(), Place: s.dir != ""}
	for _, r := range all {
		doc.Searches = append(doc.Searches, r.brief())
	}
	return x.Document(http.StatusOK, doc)
}

// show answers GET /api/searches/{id}.
func (s *searches) show(x *server.Exchange, r *searchRun) error {
	return x.Document(http.StatusOK, r.doc())
}

// start answers POST /api/searches.
func (s *searches) start(x *server.Exchange) error {
	var ask searchAsk
	if err := x.Read(&ask); err != nil {
		return err
	}
	for _, set := range ask.parts() {
		if err := s.again(set); err != nil {
			return err
		}
	}
	asked, files, err := ask.checked(x.Model(), s.threads())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.free(); err != nil {
		return err
	}
	asked.Started = time.Now().UTC().Truncate(time.Second)
	dir := filepath.Join(s.dir, newSearchID(asked.Started))
	r, err := makeSearch(dir, asked, files)
	if err == nil {
		err = r.begin(s.o, false)
	}
	if err != nil {
		os.RemoveAll(dir) // nobody would find it
		return s.unusable("the search could not begin", err)
	}
	s.runs[r.id] = r
	s.o.Log.Info("a search began", "search", r.id, "name", asked.Name)
	return x.Document(http.StatusCreated, r.doc())
}

// free says why no search may begin now. s.mu is held.
func (s *searches) free() error {
	switch {
	case s.closed:
		return server.Refuse(http.StatusServiceUnavailable, "", "draining", "the server is going down: ask again when it is back")
	case s.dir == "":
		return server.Refuse(http.StatusServiceUnavailable, "", "no_home", "there is no folder to keep a search in: set BANKAI_HOME to one, and start the server anew")
	}
	for _, r := range s.runs {
		if r.isRunning() {
			return server.Refuse(http.StatusConflict, "", "search_running", "the search for %s is running, and only one can: stop it, or wait for its end", r.name)
		}
	}
	return nil
}

// again puts the file of an earlier search into a request that names it.
func (s *searches) again(set askedPart) error {
	if set.Of == "" {
		return nil
	}
	r, err := s.find(set.Of)
	if err != nil {
		return refused(set.name, "the file was that of a search which is not there any more: give it again")
	}
	for _, had := range r.request().parts() {
		if had.name != set.name || had.IsZero() || had.isBuiltIn() {
			continue
		}
		data, err := os.ReadFile(r.file(had.file(had.name)))
		if err != nil {
			return refused(set.name, "the file of the earlier search cannot be read: give it again")
		}
		text := string(data)
		*set.askedSet = askedSet{Name: had.Name, Data: &text}
		return nil
	}
	return refused(set.name, "the earlier search had no such file: give one")
}

// unusable is the error of a folder that cannot be written to, or a program that cannot be
// started, without the paths of this machine.
func (s *searches) unusable(what string, err error) error {
	s.o.Log.Error(what, "error", err)
	if errors.Is(err, syscall.ENOSPC) {
		return server.Refuse(http.StatusInsufficientStorage, "", "disk_full", "%s: no space is left on the server's disk; make room there, and try again", what)
	}
	var path *os.PathError
	var number syscall.Errno
	if errors.As(err, &number) {
		err = number
	} else if errors.As(err, &path) {
		err = path.Err
	}
	return server.Refuse(http.StatusInternalServerError, "", "search_failed", "%s: %v (the server's log says where)", what, err)
}

// close ends the searches that run, which keep what they found, and waits for their ends.
func (s *searches) close() {
	s.mu.Lock()
	s.closed = true
	runs := s.runs
	s.mu.Unlock()
	close(s.closing)
	var all sync.WaitGroup
	for _, r := range runs {
		all.Go(r.end)
	}
	all.Wait()
}

//go:build !nocluster && !js

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/cluster"
	"bankai/internal/outputs"
	"bankai/internal/program"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/score"
)

// crew is the machines that work for this run, by way of a broker.
type crew struct {
	app     *app
	room    func()          // takes back the room for messages
	broker  *cluster.Broker // nil: it is elsewhere
	conn    *cluster.Conn
	session *cluster.Session
	opened  atomic.Pointer[cluster.Session] // session, for those who are told of what happens there

	model    *engine.Model // asks all of them
	searcher score.Searcher
}

// openMachines connects to the broker of --workers, or starts one, and lets workers come.
func openMachines(ctx context.Context, a *app, f *modelFlags, m *engine.Model) (_ machines, err error) {
	where, err := f.workers.where()
	if err != nil {
		return nil, err
	}
	c := &crew{app: a, room: a.roomForMessages()}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	access, err := f.workers.access(where.url, a.Warn)
	if err != nil {
		return nil, err
	}
	if where.url == "" {
		c.broker, err = cluster.StartBroker(cluster.BrokerOptions{Listen: where.listen, Token: access.Token, Warn: a.Warn})
		if err != nil {
			return nil, fmt.Errorf("--workers %s: %w", f.workers.at, err)
		}
		c.invite(&f.workers)
		access = c.broker.Access()
		access.Log = a.Warn
	}
	if c.conn, err = cluster.Dial(ctx, access); err != nil {
		return nil, reached(err)
	}
	c.session, err = cluster.Open(ctx, c.conn, m, cluster.Options{
		Name: sessionName(a), ModelFile: offered(f.path),
		Joined: c.joined, Left: c.left, Refused: c.refused, Log: a.Note,
	})
	if err != nil {
		return nil, err
	}
	c.opened.Store(c.session)
	elsewhere, err := c.session.Elsewhere(ctx)
	if err != nil {
		return nil, err
	}
	if c.searcher, err = c.session.Searcher(ctx); err != nil {
		return nil, err
	}
	c.model = m.Through(elsewhere)
	a.Beside = func() string { return machinesText(c.working()) }
	return c, nil
}

// access is what gets to a broker.
func (f *accessFlags) access(address string, log func(format string, args ...any)) (cluster.Access, error) {
	token, err := f.token()
	if err == nil && f.tokenFile != "" && othersMayRead(f.tokenFile) {
		log("%s: others on this machine can read this token: chmod 600 %s", text.Printable(f.tokenFile), text.Printable(f.tokenFile))
	}
	return cluster.Access{URL: address, Token: token, NKeySeed: f.nkey, Creds: f.creds, CA: f.ca, Log: log}, err
}

// reached adds to an error of a broker what sets it right.
func reached(err error) error {
	var e *cluster.ServerError
	switch {
	case !errors.As(err, &e):
		return err
	case e.Refused() && e.Shown == "token":
		return fmt.Errorf("the broker at %s does not take this token: it is that of another broker, or of a run that has ended: give the right one by %s or --token-file", e.URL, workerTokenVariable)
	case e.Refused() && e.Shown == "":
		return fmt.Errorf("the broker at %s lets in who has its token, and none was given: give it by %s or --token-file, or say who you are by --nkey or --creds", e.URL, workerTokenVariable)
	}
	return err
}

// sessionName tells people whose work it is, and what.
func sessionName(a *app) string {
	host, err := os.Hostname()
	if err != nil {
		return a.Command
	}
	return a.Command + " on " + host
}

// offered is the file of a model that workers may have, if it is one.
func offered(model string) string {
	path, err := source.LocateModel(model)
	if err != nil || model == source.DemoModel || source.IsFolder(path) || len(outputs.Inputs([]string{path})) != 1 {
		return ""
	}
	return path
}

// working is how many machines work, this one among them.
func (c *crew) working() int {
	if s := c.opened.Load(); s != nil {
		return s.Working()
	}
	return 1
}

func (c *crew) joined(w cluster.Member) {
	n := max(2, c.working()) // it may be the first, and quicker than the session is known here
	c.app.Note("%s helps (%s, %s): %s work", text.Printable(w.Name), text.Count(w.Cores, "core"), w.Kernel, text.Count(n, "machine"))
}

func (c *crew) left(w cluster.Member, why string) {
	n := c.working()
	rest := text.Plural(n, "machine works", "machines work")
	if n == 1 {
		rest = "this machine works alone"
	}
	c.app.Warn("%s is gone: %s; %s", text.Printable(w.Name), text.Printable(why), rest)
}

func (c *crew) refused(name, why string) {
	c.app.Warn("%s may not help: %s", text.Printable(name), text.Printable(why))
}

// Model is the model that they share, which asks its questions of all of them.
func (c *crew) Model() *engine.Model { return c.model }

// Measurer is what measures for an evaluator on all of them, nil if the broker does not
// take what the workers need for it: this machine measures alone then.
func (c *crew) Measurer(e *score.Evaluator) (score.Measurer, error) {
	m, err := c.session.Measurer(e)
	if err != nil {
		c.app.Warn("%v; this machine measures alone", err)
		return nil, nil
	}
	return m, nil
}

// Searcher lets whole searches run on them, side by side.
func (c *crew) Searcher() score.Searcher { return c.searcher }

// Again reports whether a wrong answer made something fail.
func (c *crew) Again(err error) bool { return c.session.Again(err) }

// List are those that took part, this one first.
func (c *crew) List() []workerDoc {
	name, err := os.Hostname()
	if err != nil {
		name = "this machine"
	}
	var docs []workerDoc
	for i, w := range c.session.Shares() {
		d := workerDoc{
			Name: w.Name, Doing: w.Doing, Units: w.Units, Tokens: w.Tokens, Speed: w.Speed,
			Kernel: w.Kernel, Cores: w.Cores, Tool: program.Tool(), // those of other versions are refused
		}
		if i == 0 {
			d.Name, d.Kernel, d.Cores = name, c.model.Kernel(), runtime.NumCPU()
		} else {
			d.For = time.Since(w.Since).Seconds()
		}
		docs = append(docs, d)
	}
	return docs
}

// Close lets the workers go.
func (c *crew) Close() {
	if c.session != nil {
		if said := sharesText(c.session.Shares()); said != "" {
			c.app.Note("%s", said)
		}
		c.session.Close()
	}
	if c.conn != nil {
		c.conn.Close()
	}
	if c.broker != nil {
		c.broker.Close()
	}
	c.room()
}

// mostShares is how many machines are named at the end.
const mostShares = 8

// sharesText says who did how much, this machine, the first, last; "" if it was alone.
func sharesText(all []cluster.Member) string {
	if len(all) < 2 {
		return ""
	}
	said := text.Count(len(all), "machine") + " took part"
	var sum int64
	for _, m := range all {
		sum += m.Tokens
	}
	if sum == 0 {
		return said
	}
	others := slices.SortedStableFunc(slices.Values(all[1:]), func(a, b cluster.Member) int { return cmp.Compare(b.Tokens, a.Tokens) })
	var parts []string
	for i, m := range others[:min(len(others), mostShares)] {
		part := text.Printable(m.Name)
		if i == 0 {
			part += " did"
		}
		part += fmt.Sprintf(" %.0f %%", 100*float64(m.Tokens)/float64(sum))
		if i == 0 {
			part += " of the tokens"
		}
		parts = append(parts, part)
	}
	if n := len(others) - len(parts); n > 0 {
		parts = append(parts, fmt.Sprintf("%d more", n))
	}
	return said + ": " + strings.Join(append(parts, fmt.Sprintf("this one %.0f %%", 100*float64(all[0].Tokens)/float64(sum))), ", ")
}

// runWorker takes part in work until ctx ends.
func runWorker(ctx context.Context, a *app, f *workerFlags) error {
	access, err := f.access(f.broker, a.said)
	if err != nil {
		return err
	}
	if err := source.FoundModel(f.model); err != nil {
		return err
	}
	a.longer.Store(int64(cluster.Leaving + 2*time.Second)) // to say goodbye as well
	a.leaves.Store(true)
	access.Wait = true // machines are started in any order
	conn, err := cluster.Dial(ctx, access)
	if err != nil {
		return ended(reached(err))
	}
	defer conn.Close()
	defer a.roomForMessages()()
	w := cluster.Worker{Conn: conn, Name: f.name, Cores: int(a.threads), Log: a.said, Open: (&shelf{app: a, names: []string{f.model, source.DemoModel}, digests: map[string]bankai.Digest{}}).open}
	if f.once {
		w.Sessions = 1
	}
	return ended(reached(w.Run(ctx)))
}

// ended is the error of a worker, for which it is no failure to be told to end.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// shelf is the models that a worker has.
type shelf struct {
	app     *app
	names   []string
	digests map[string]bankai.Digest // of those that were opened once
}

// open opens the model that a session needs, nil if it is not here.
func (s *shelf) open(_ context.Context, need cluster.Need) (*engine.Model, error) {
	names := s.names
	if need.File != "" {
		names = []string{need.File}
	}
	for _, name := range names {
		if d, known := s.digests[name]; known && d != need.Model {
			continue
		}
		file, err := s.app.openWeights(name)
		if err != nil {
			return nil, err
		}
		s.digests[name] = file.Digest()
		if file.Digest() != need.Model {
			if err := file.Close(); err != nil {
				return nil, err
			}
			continue
		}
		m, err := engine.Load(file, engine.Options{Threads: int(s.app.threads), Precision: need.Precision})
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		return m, nil
	}
	return nil, nil
}

// listWorkers asks those that are connected to a broker what they do.
func listWorkers(ctx context.Context, a *app, broker string, f *accessFlags) ([]workerDoc, error) {
	access, err := f.access(broker, a.Warn)
	if err != nil {
		return nil, err
	}
	conn, err := cluster.Dial(ctx, access)
	if err != nil {
		return nil, reached(err)
	}
	defer conn.Close()
	found, err := cluster.Workers(ctx, conn)
	docs := []workerDoc{}
	for _, w := range found {
		d := workerDoc{
			Name: w.Name, Doing: w.Doing, Units: w.Units, Tokens: w.Tokens, Speed: w.Speed, Session: w.Session,
			Kernel: w.Kernel, Cores: w.Cores, Tool: w.Program,
		}
		if since := w.Since; !since.IsZero() {
			d.For = time.Since(since).Seconds()
		}
		if !w.Model.IsZero() {
			d.Digest = w.Model.String()
		}
		docs = append(docs, d)
	}
	return docs, err
}

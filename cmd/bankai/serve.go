package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	neturl "net/url"
	"os"
	"strings"
	"time"

	"bankai/engine"
	"bankai/internal/flagtype"
	"bankai/internal/program"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/server"
	"bankai/store"
	"bankai/store/signature"
	"bankai/web"

	"github.com/cli/browser"
	"github.com/spf13/cobra"
)

// serveFlags are the flags of `serve`.
type serveFlags struct {
	model    modelFlags
	patches  []string // NAME=PATCH or PATCH
	folder   string   // --library
	no       bool     // --no-library
	signed   bool     // --require-signed
	alias    string
	listen   string
	prefix   string // --path-prefix
	show     bool   // --open
	tlsCert  string
	tlsKey   string
	keyFile  string
	adminKey string
	insecure bool
	origins  []string

	kvMemory   flagtype.Size
	sequences  flagtype.Count
	queue      flagtype.Count
	queueTok   flagtype.Count
	inline     flagtype.Size
	logFormat  flagtype.Choice[logFormat]
	logPrompts bool
	drain      time.Duration
	cmd        *cobra.Command
	trust      func() (signature.Trust, error) // whom the user trusts now
	loopback   bool                            // only this machine can reach the server
}

func serveCommand(a *app) *cobra.Command {
	cmd, _ := newServe(a)
	return cmd
}

// newServe is the command with its flags, as they are where nobody gives them.
func newServe(a *app) (*cobra.Command, *serveFlags) {
	f := &serveFlags{
		listen: "127.0.0.1:8181", sequences: 32, queue: 256, queueTok: 200_000, logFormat: flagtype.NewChoice(logFormat("text"), "FORMAT", parseLogFormat), drain: 30 * time.Second,
	}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "answer over HTTP as OpenAI and Ollama do, under each request's own patches",
		Long: `Serves a model over HTTP, to people and to programs.

People open its address in a browser, as --open does: a page on which the model
answers with patches and without, side by side, and which shows what patches are
made of, what they fixed and broke, and searches as they go. It loads nothing
from anywhere else.

Clients of OpenAI's API work with it: chats,
responses and completions, whole or streamed. So do those of Ollama's, most of
which look for it at port 11434. A request chooses its patches by the name of its
model, or by a field of its own:

  "model": "demo"                the model as it is; also "demo:latest"
  "model": "demo:math+units"     under two patches; "math" alone will do for one
  "model": "demo:math:v2"        under the one with the tag v2 in the library
  "patches": ["math", "sha256:…"]
  "compare": [[], ["math"]]      a choice under each of these, with one seed

Requests under different patches run together, and each gets the bytes that it
would get alone: equal requests with equal seeds and fingerprints have equal
answers. A patch that is not known is an error, never the answer without it, and
so are two of which one says that it must not be combined with the other.

It has the patches of the user's library that were made for the model, each by
its name (bankai library list); --patch gives more, and --library all *.bankai
files of a folder. What is added to the library or removed from it counts at
once. PUT /api/patches/NAME with the bytes of a patch file adds one for as long
as the server runs, and DELETE takes its name away. Requests under way keep what
they have. POST /api/patches/check looks at such a file and adds nothing, and
/api/patches/combine tells what comes of several patches together.

With --require-signed a patch must have been signed by somebody whom you trust
("bankai library trust"); others are left out, and requests for them told why. A
patch that is put then needs its signature, the text of P.minisig in base64, in
the header Bankai-Signature. What you trust counts at once: a patch whose key is
trusted no more, or not with it, is withheld, wherever it came from, and comes
back when it is trusted again.

It listens on this machine only, unless --listen says otherwise: then it wants
keys. --api-key-file and --admin-key-file hold one key a line, and comments that
begin with #; BANKAI_API_KEY is a key, too. Changing patches takes an admin key
wherever others can reach it.

GET /health says when the model is loaded, GET /metrics counts for Prometheus.
SIGTERM or Ctrl-C ends it when the answers under way are complete, a second one
at once.`,
		Example: `  bankai serve
  bankai serve --open
  bankai serve --model Bonsai-8B.gguf --patch math=fix.bankai --library patches
  bankai serve --model Bonsai-8B.gguf --listen 127.0.0.1:11434
  bankai serve --listen 0.0.0.0:8181 --api-key-file keys --tls-cert cert.pem --tls-key key.pem`,
		Args: arguments(0, 0, "no argument; --model names the model"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			log := f.logOf(a)
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a, log)
		}),
	}
	f.cmd = cmd
	f.model.add(cmd)
	f.add(cmd)
	return cmd, f
}

func (f *serveFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.patches, "patch", nil, "a patch that requests can name, as `NAME=PATCH`, or PATCH alone for its own name: a file, or a name of the library; may be repeated")
	flags.Bool(forceName, false, "take patches made for other settings of the model")
	flags.StringVar(&f.folder, "library", "", "`DIR` whose *.bankai files are patches, too, each under its file's name")
	flags.BoolVar(&f.no, "no-library", false, "leave out the patches of the user's library (bankai library)")
	flags.BoolVar(&f.signed, "require-signed", false, "take only patches that are signed by somebody whom you trust (bankai library trust)")
	flags.StringVar(&f.alias, "alias", "", "`NAME` of the model in requests, instead of its file's")
	flags.StringVar(&f.listen, "listen", f.listen, "`ADDRESS` to listen on, with a port; port 0 is any free one")
	flags.StringVar(&f.prefix, "path-prefix", "", "`PATH` below which all is, as /bankai, for a proxy that leaves it in requests")
	flags.BoolVar(&f.show, "open", false, "open the page in a browser when the server is ready")
	flags.StringVar(&f.keyFile, "api-key-file", "", "`FILE` with the keys of those who may ask, one a line")
	flags.StringVar(&f.adminKey, "admin-key-file", "", "`FILE` with the keys of those who may change patches, one a line")
	flags.BoolVar(&f.insecure, "insecure", false, "listen for other machines without keys")
	flags.StringArrayVar(&f.origins, "cors-origin", nil, "`ORIGIN` of pages in browsers that may ask, as http://localhost:3000; may be repeated")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "`FILE` with the certificate for HTTPS (PEM)")
	flags.StringVar(&f.tlsKey, "tls-key", "", "`FILE` with its private key (PEM)")
	flags.Var(&f.kvMemory, "kv-memory", "`SIZE`, as 2GB, for the keys and values of requests, and those kept for later ones; a quarter of what is free if it is left out")
	flags.Var(&f.sequences, "max-sequences", "at most `N` answers at once; others wait")
	flags.Var(&f.queue, "queue", "at most `N` answers wait; more requests are refused, but one that finds nobody waiting may bring more")
	flags.Var(&f.queueTok, "queue-tokens", "at most `N` tokens of prompts wait; more requests are refused")
	flags.Var(&f.inline, "inline-patches", "allow patches of up to `SIZE` inside requests, at most 64KB; 0 for none")
	flags.Var(&f.logFormat, "log-format", "of the log on stderr: text or json")
	flags.BoolVar(&f.logPrompts, "log-prompts", false, "log what was asked and answered, too")
	flags.DurationVar(&f.drain, "drain", f.drain, "`TIME` for answers under way when the server is told to end, as 30s")
}

// maxInline bounds patches inside requests: larger ones get a name.
const maxInline = 64 << 10

// check refuses what cannot be right, and finds out who can reach the server.
func (f *serveFlags) check() error {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return usagef("--listen %s: want an address with a port, such as 127.0.0.1:8181", f.listen)
	}
	ip, err := netip.ParseAddr(host)
	f.loopback = host == "localhost" || err == nil && ip.IsLoopback()
	if f.alias != "" {
		if err := server.CheckModelName(f.alias); err != nil {
			return usagef("--alias: %w", err)
		}
	}
	if err := server.CheckPathPrefix(f.prefix); err != nil {
		return usagef("--path-prefix: %w", err)
	}
	for _, o := range f.origins {
		if err := server.CheckOrigin(o); err != nil {
			return usagef("--cors-origin: %w", err)
		}
	}
	switch {
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return usagef("--tls-cert and --tls-key belong together: give both, or none")
	case f.inline > maxInline:
		return usagef("--inline-patches %v: at most 64KB; give larger patches a name", &f.inline)
	case f.kvMemory == 0 && f.cmd.Flags().Changed("kv-memory"):
		return usagef("--kv-memory 0: nothing could run; give a size such as 2GB, or leave it out")
	case f.sequences == 0:
		return usagef("--max-sequences 0: nothing could run; give at least 1")
	case f.drain < 0:
		return usagef("--drain %v: must be 0s or longer", f.drain)
	}
	return nil
}

// apiKeyVariable holds a key of those who may ask.
const apiKeyVariable = "BANKAI_API_KEY"

// options are the server's.
func (f *serveFlags) options(log *slog.Logger) (o server.Options, err error) {
	f.trust = trusted()
	o = server.Options{
		Loopback: f.loopback, Origins: f.origins, InlinePatches: int64(f.inline), LogPrompts: f.logPrompts,
		Page: web.Page(), PathPrefix: f.prefix, Log: log, RaiseMemory: f.kvMemory == 0, Library: f.kept(log), RequireSigned: f.signed, Trust: f.trust,
		Loop: engine.LoopOptions{
			MaxBytes: f.kvBytes(), MaxSequences: int(f.sequences), Queue: int(f.queue), QueueTokens: int(f.queueTok),
			Chunk: server.StepTokens, Pace: server.StepTime,
		},
	}
	if o.Keys, err = readKeys(f.keyFile); err != nil {
		return o, err
	}
	if o.AdminKeys, err = readKeys(f.adminKey); err != nil {
		return o, err
	}
	if key := strings.TrimSpace(os.Getenv(apiKeyVariable)); key != "" {
		o.Keys = append(o.Keys, key)
	}
	if !f.loopback && len(o.Keys) == 0 && !f.insecure {
		return o, usagef("--listen %s lets other machines ask: give --api-key-file or set %s, or say --insecure", f.listen, apiKeyVariable)
	}
	return o, nil
}

// trusted is whom the user trusts, whenever it is called, and what of it cannot be read.
func trusted() func() (signature.Trust, error) {
	l, err := library()
	if err != nil {
		return func() (signature.Trust, error) { return nil, err }
	}
	watch := l.WatchTrust()
	return func() (signature.Trust, error) {
		trust, unread := watch.Trust()
		return trust, within(l, unread)
	}
}

// kvBytes is the memory for keys and values.
func (f *serveFlags) kvBytes() int64 {
	const unknown, least = 1 << 30, 64 << 20
	switch free := program.FreeMemory(); {
	case f.kvMemory > 0:
		return int64(f.kvMemory)
	case free > 0:
		return max(free/4, least)
	}
	return unknown
}

// readKeys reads keys, one a line, between comments that begin with #; none if there is
// no file.
func readKeys(path string) (keys []string, err error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if key := strings.TrimSpace(line); key != "" && !strings.HasPrefix(key, "#") {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: has no key: write one a line", path)
	}
	return keys, nil
}

// serveDoc says that the server answers now.
type serveDoc struct {
	Listening string   `json:"listening"` // its URL
	Model     string   `json:"model"`     // the name in requests
	Patches   []string `json:"patches"`   // the names in requests
}

// run listens as soon as all is checked that can be without the model, loads the model,
// and serves until ctx ends.
func (f *serveFlags) run(ctx context.Context, a *app, log *slog.Logger) error {
	o, err := f.options(log)
	if err != nil {
		return err
	}
	files, err := f.patchFiles()
	if err != nil {
		return err
	}
	var paths []string
	for _, file := range files {
		paths = append(paths, file.path)
	}
	if err := a.patches(nil).CheckRefs(paths); err != nil {
		return err
	}
	if err := source.FoundModel(f.model.path); err != nil {
		return err
	}
	listener, url, err := f.open()
	if err != nil {
		return err
	}
	page := web.New(f.page(a, log))
	defer page.Close()
	o.Routes = page.Routes()
	s := server.New(o)
	answers := server.HTTP(s)
	answers.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	failed := make(chan error, 1)
	go func() { failed <- answers.Serve(listener) }()
	defer answers.Close()
	log.Info("listening", "address", url)
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	defer page.Close() // which may use the model as long as it is open
	defer a.roomForMessages()()
	if err := f.serve(a, s, m, files, url); err != nil {
		return err
	}
	a.longer.Store(int64(f.drain + sendTime))
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("ending", "drain", f.drain.String()) // how long answers under way have
	go page.Close()                               // what it started writes what it has, meanwhile
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.drain)
	defer cancel()
	drained := s.Drain(ending)
	if errors.Is(drained, context.DeadlineExceeded) {
		log.Warn("answers were cut off", "drain", f.drain.String())
	}
	// The engine is done: what is left is to send the last bytes.
	sending, stop := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer stop()
	answers.Shutdown(sending)
	return nil
}

// page is what the page can start.
func (f *serveFlags) page(a *app, log *slog.Logger) web.Options {
	o := web.Options{Model: f.model.path, Precision: f.model.precision.String(), Threads: int(a.threads), Log: log}
	if home, err := store.Home(); err == nil { // without one, it says so where it is needed
		o.Home = home
	}
	return o
}

// sendTime is how long the last bytes of answers may take when a server ends.
const sendTime = 2 * time.Second

// open listens, and returns the address for clients. TLS is that of the given
// certificate.
func (f *serveFlags) open() (l net.Listener, url string, err error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if f.tlsCert != "" {
		c, err := certificate(f.tlsCert, f.tlsKey)
		if err != nil {
			return nil, "", err
		}
		config.Certificates = []tls.Certificate{c}
	}
	if l, err = net.Listen("tcp", f.listen); err != nil {
		var why *os.SyscallError
		if errors.As(err, &why) {
			err = why.Err
		}
		return nil, "", fmt.Errorf("--listen %s: %w: choose another address, or port 0 for any free port", f.listen, err)
	}
	url = "://" + f.addressOf(l) + f.prefix
	if f.tlsCert == "" {
		return l, "http" + url, nil
	}
	return tls.NewListener(l, config), "https" + url, nil
}

// addressOf is the given address, with the port that it was found to have.
func (f *serveFlags) addressOf(l net.Listener) string {
	host, _, _ := net.SplitHostPort(f.listen)
	_, port, err := net.SplitHostPort(l.Addr().String())
	if host == "" || err != nil {
		return l.Addr().String()
	}
	return net.JoinHostPort(host, port)
}

// certificate reads the certificate for HTTPS.
func certificate(cert, key string) (c tls.Certificate, err error) {
	public, err := os.ReadFile(cert)
	if err != nil {
		return c, err
	}
	private, err := os.ReadFile(key)
	if err != nil {
		return c, err
	}
	if c, err = tls.X509KeyPair(public, private); err != nil {
		why := strings.TrimPrefix(err.Error(), "tls: ")
		return c, fmt.Errorf("--tls-cert %s, --tls-key %s: %s: want a certificate and its private key, both as PEM", cert, key, why)
	}
	return c, nil
}

// serve gives the server its model and patches, and says that it answers.
func (f *serveFlags) serve(a *app, s *server.Server, m *engine.Model, files []namedFile, url string) error {
	reader := a.patches(m.Weights())
	trust, unread := f.trust()
	if unread != nil {
		a.Warn("%v", unread)
	}
	found := finder{reader, trust, unread, f.signed}
	if f.signed && len(found.trust) == 0 {
		a.Warn("--require-signed: no key is trusted yet, so that no patch is served: bankai library trust KEY")
	}
	patches, err := found.given(files)
	if err != nil {
		return err
	}
	name := f.alias
	if name == "" {
		name = source.ModelTitle(f.model.path)
	}
	if err := s.Serve(m, name, patches); err != nil {
		if errors.As(err, new(*server.MemoryError)) {
			return usagef("--kv-memory %w", err)
		}
		return err
	}
	doc := serveDoc{url, name, s.Patches()}
	err = a.Print(doc, func(w io.Writer) {
		facts := []terminal.Fact{{"model", name}, {"patches", strings.Join(doc.Patches, ", ")}}
		if a.Quiet || f.show { // else the log says it
			facts = append(facts, terminal.Fact{"address", url})
		}
		terminal.WriteFacts(w, facts...)
	})
	if err != nil {
		return err
	}
	if f.show {
		f.openPage(a, url)
	}
	return a.Stdout.Flush()
}

// openPage opens the page of a server in the user's browser. The program that does may run
// as long as the browser.
func (f *serveFlags) openPage(a *app, url string) {
	if at, err := neturl.Parse(url); err == nil {
		if ip, err := netip.ParseAddr(at.Hostname()); err == nil && ip.IsUnspecified() { // all of this machine's addresses
			at.Host = net.JoinHostPort("localhost", at.Port())
			url = at.String()
		}
	}
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	go func() {
		if err := browser.OpenURL(url + "/"); err != nil {
			a.Warn("no browser could be opened: open %s/ in one", url)
		}
	}()
}

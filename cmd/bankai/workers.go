package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"bankai/engine"
	"bankai/internal/text"
	"bankai/score"

	"github.com/spf13/cobra"
)

// machines are those that share the work of a run: this one, and the workers.
type machines interface {
	// Model is the model that they share, which asks its questions of all of them.
	Model() *engine.Model
	// Measurer is what measures for an evaluator on all of them.
	Measurer(e *score.Evaluator) (score.Measurer, error)
	// Searcher lets whole searches run on them, side by side.
	Searcher() score.Searcher
	// Again reports whether something failed because one of them, which is dropped now, gave
	// a wrong answer: it is to be done again from the start.
	Again(err error) bool
	// List are those that took part, this one first.
	List() []workerDoc
	// Close lets the workers go. The model that they shared is not closed before.
	Close()
}

// workerTokenVariable holds the token of the broker, of both who starts it and who
// connects to it. A command line does not: others on a machine can read those.
const workerTokenVariable = "BANKAI_WORKER_TOKEN"

// accessFlags say how to get to a broker: the same on all commands that do.
type accessFlags struct {
	tokenFile string
	nkey      string
	creds     string
	ca        string
}

// add declares them.
func (f *accessFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` with the token of the workers' broker (or set "+workerTokenVariable+")")
	flags.StringVar(&f.nkey, "nkey", "", "`FILE` with the seed of an nkey for it")
	flags.StringVar(&f.creds, "creds", "", "`FILE` of NATS credentials for it (.creds)")
	flags.StringVar(&f.ca, "ca", "", "`FILE` with the authorities that its certificate may come from (PEM)")
}

// check refuses what contradicts itself.
func (f *accessFlags) check() error {
	var given []string
	for _, x := range []struct{ flag, value string }{{"--token-file", f.tokenFile}, {"--nkey", f.nkey}, {"--creds", f.creds}} {
		if x.value != "" {
			given = append(given, x.flag)
		}
	}
	if len(given) > 1 {
		return usagef("%s are ways to say who you are: give one of them", text.Listed(given))
	}
	return nil
}

// token is the one to show to a broker, or to ask of those who come; "" if there is none.
func (f *accessFlags) token() (string, error) {
	if f.tokenFile == "" {
		if f.nkey != "" || f.creds != "" {
			return "", nil
		}
		return strings.TrimSpace(os.Getenv(workerTokenVariable)), nil
	}
	keys, err := readKeys(f.tokenFile)
	if err != nil {
		return "", err
	}
	if len(keys) > 1 {
		return "", fmt.Errorf("%s: has %s: one token is wanted", f.tokenFile, text.Count(len(keys), "line"))
	}
	return keys[0], nil
}

// workersFlags are --workers and how to get to them, of a command that runs a model.
type workersFlags struct {
	accessFlags
	at string
}

// add declares them.
func (f *workersFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.at, "workers", "", "let other machines help, by the broker at `URL` (nats://… or tls://…), or embedded[:PORT|:HOST:PORT]; see bankai worker --help")
	f.accessFlags.add(cmd)
}

// place is what --workers names: a broker elsewhere, or one to be started here.
type place struct {
	url    string // of a broker elsewhere; "": start one
	listen string // where the one that is started listens
}

const (
	embedded        = "embedded"
	embeddedDefault = "4222" // the port that NATS listens on
)

// where reads --workers.
func (f *workersFlags) where() (p place, err error) {
	kind, rest, given := strings.Cut(f.at, ":")
	if kind != embedded {
		if !strings.HasPrefix(rest, "//") && len(text.Similar(kind, []string{embedded})) > 0 {
			return p, usagef("--workers: did you mean %s?", embedded+strings.TrimPrefix(f.at, kind))
		}
		p.url, err = brokerURL("--workers", f.at)
		return p, err
	}
	host, port := "127.0.0.1", embeddedDefault
	if given {
		port = rest
	}
	if _, err := strconv.Atoi(rest); err != nil && rest != "" && (!strings.Contains(rest, ":") || net.ParseIP(rest) != nil) {
		return p, usagef("--workers %s: did you mean %s:%s?", f.at, embedded, net.JoinHostPort(rest, embeddedDefault))
	}
	if strings.Contains(rest, ":") {
		if host, port, err = net.SplitHostPort(rest); err != nil || host == "" {
			return p, usagef("--workers %s: want embedded, embedded:PORT, or embedded:HOST:PORT such as embedded:0.0.0.0:4222", f.at)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return p, usagef("--workers %s: %q is no port: give a number from 0 (any free one) to 65535", f.at, port)
	} else {
		port = strconv.FormatUint(n, 10)
	}
	p.listen = net.JoinHostPort(host, port)
	return p, nil
}

// brokerURL checks the address of a broker that a flag gives: one server, and no secret in
// it but the password of a user. What is wrong is said without what may be one.
func brokerURL(flag, address string) (string, error) {
	const want = "want an address such as nats://host:4222 or tls://host:4222"
	u, err := url.Parse(address)
	switch {
	case strings.Contains(address, ","):
		return "", usagef("%s: give the address of one server: those of a NATS cluster name each other (a comma in a password is %%2C)", flag)
	case isHostPort(address): // nothing of it is a secret
		return "", usagef("%s %s: %s", flag, address, want)
	case err != nil:
		return "", usagef("%s: %s", flag, want)
	case u.Scheme != "nats" && u.Scheme != "tls", u.Hostname() == "", !isPort(u.Port()):
		return "", usagef("%s %s://%s: %s", flag, u.Scheme, u.Host, want)
	case strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", usagef("%s %s://%s: nothing may follow the port: %s", flag, u.Scheme, u.Host, want)
	case u.User != nil && !hasPassword(u):
		return "", usagef("%s: a token in an address can be read by others on this machine: give it with --token-file or %s", flag, workerTokenVariable)
	}
	return address, nil
}

// isHostPort says whether an address is a host, with or without a port, and nothing else.
func isHostPort(s string) bool {
	_, port, _ := strings.Cut(s, ":")
	return !strings.ContainsAny(s, "/@?#") && isPort(port)
}

// isPort says whether an address may have such a port, "" for the usual one.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// hasPassword says whether an address is of a user, and not with a token.
func hasPassword(u *url.URL) bool {
	p, _ := u.User.Password()
	return u.User.Username() != "" && p != ""
}

// check refuses what cannot be right whatever is there.
func (f *workersFlags) check() error {
	given := f.tokenFile + f.nkey + f.creds + f.ca
	switch {
	case f.at == "" && given != "":
		return usagef("--token-file, --nkey, --creds and --ca say how to get to --workers: give it as well")
	case f.at == "":
		return nil
	}
	p, err := f.where()
	if err != nil {
		return err
	}
	if p.url == "" && f.nkey+f.creds+f.ca != "" {
		return usagef("--nkey, --creds and --ca are for a broker that is there already: %s starts one, with a token", embedded)
	}
	if err := f.accessFlags.check(); err != nil || p.url != "" {
		return err
	}
	return f.checkToken(p)
}

// leastToken is how many characters a token has at least that keeps others in a network
// out: they can try as many as they like.
const leastToken = 16

// checkToken refuses a token that can be guessed, of a broker that is to be started where
// other machines can reach it.
func (f *workersFlags) checkToken(p place) error {
	token, err := f.token()
	if err != nil || token == "" {
		return err
	}
	host, _, err := net.SplitHostPort(p.listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	if n := utf8.RuneCountInString(token); n < leastToken {
		return usagef("--workers %s: the token has %s, and whoever guesses it can take part: want %d or more, as \"openssl rand -hex 16\" makes them, or none, for one of this run",
			f.at, text.Count(n, "character"), leastToken)
	}
	return nil
}

// share lets other machines take part in the work on a model, if --workers asks for it:
// what the model that it returns is asked, they all answer. done lets them go, and comes
// before the model is closed.
func (a *app) share(ctx context.Context, f *modelFlags, m *engine.Model) (shared *engine.Model, done func(), err error) {
	if f.workers.at == "" {
		return m, func() {}, nil
	}
	all, err := openMachines(ctx, a, f, m)
	if err != nil {
		return nil, nil, err
	}
	a.machines = all
	return all.Model(), all.Close, nil
}

// again does something until it does not rest on an answer that turned out to be wrong,
// among what other machines computed. It comes to an end, since every time a machine fewer
// takes part. Of a try that is done again nothing may remain.
func (a *app) again(try func() error) error {
	for {
		err := try()
		if a.machines == nil || !a.machines.Again(err) {
			return err
		}
		a.Warn("%v: what it may have spoilt is computed again", err)
	}
}

// divide is what lets the machines, if there are others, share a search; nil if there are
// none.
func (a *app) divide() func(e *score.Evaluator) (score.Measurer, error) {
	if a.machines == nil {
		return nil
	}
	return a.machines.Measurer
}

// searcher lets whole searches run on other machines, nil if there are none.
func (a *app) searcher() score.Searcher {
	if a.machines == nil {
		return nil
	}
	return a.machines.Searcher()
}

// sharers are the machines that take part, nil if there is this one alone.
func (a *app) sharers() []workerDoc {
	if a.machines == nil {
		return nil
	}
	return a.machines.List()
}

// machinesText says how many machines work, where it is more than one.
func machinesText(n int) string {
	if n < 2 {
		return ""
	}
	return text.Count(n, "machine")
}

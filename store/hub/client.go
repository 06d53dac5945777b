package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"bankai/internal/durable"
	"bankai/internal/progress"
)

// Client downloads from a hub into a cache. Its methods may be called by one goroutine
// at a time.
type Client struct {
	Endpoint string           // of the hub, as https://huggingface.co
	Folder   string           // of the cache
	Token    string           // of the user, sent to the endpoint alone; empty for none
	Offline  bool             // nothing is downloaded
	Watcher  progress.Watcher // is told how downloads go

	http  *http.Client
	idle  time.Duration                                    // in which a connection brings something worth the name, or is given up
	sleep func(ctx context.Context, d time.Duration) error // between two attempts
	space func(folder string) (bytes int64, known bool)    // that is free
}

// official is where the hub is unless HF_ENDPOINT names a mirror.
const official = "https://huggingface.co"

// New is a client as the environment has it: HF_ENDPOINT, HF_HUB_CACHE, HF_HOME,
// HF_TOKEN, HF_TOKEN_PATH and HF_HUB_OFFLINE.
func New(w progress.Watcher) (*Client, error) {
	folder, err := Folder()
	if err != nil {
		return nil, err
	}
	token, err := token()
	if err != nil {
		return nil, err
	}
	endpoint := strings.TrimRight(os.Getenv("HF_ENDPOINT"), "/")
	if endpoint == "" {
		endpoint = official
	}
	c := &Client{Endpoint: endpoint, Folder: folder, Token: token, Offline: isTrue("HF_HUB_OFFLINE"), Watcher: w}
	return c, c.prepare()
}

// prepare checks what was set, and sets the rest.
func (c *Client) prepare() error {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("HF_ENDPOINT: %q is no address of a hub: write one as %s", c.Endpoint, official)
	}
	if u.Scheme == "http" && c.Token != "" && !isLoopback(u.Hostname()) {
		return errors.New("HF_ENDPOINT: the token would be sent to it in the clear: use https, or do without HF_TOKEN and HF_TOKEN_PATH")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.idle = time.Minute
	c.sleep, c.space = sleep, durable.FreeSpace
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// address is that of something on the hub; the parts of its path are escaped.
func (c *Client) address(parts ...string) string {
	var b strings.Builder
	b.WriteString(c.Endpoint)
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// page is where people read about a repository.
func (c *Client) page(repo string) string { return c.Endpoint + "/" + repo }

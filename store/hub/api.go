package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// remote is a file as the hub has it.
type remote struct {
	name   string
	commit string
	etag   string // SHA-256 of a file that lies elsewhere, the git object's name of others
	size   int64  // -1 if the hub does not say
}

// etagText are the two kinds of digests that a blob is named by.
var etagText = regexp.MustCompile(`^([0-9a-f]{64}|[0-9a-f]{40})$`)

// maxPatch bounds a patch, in bytes: no larger file is one.
const maxPatch = 512 << 20

// look asks the hub what a file is at a revision.
func (c *Client) look(ctx context.Context, ref Ref, file, revision string) (f remote, err error) {
	address := c.address(append(append(strings.Split(ref.Repo, "/"), "resolve", revision), strings.Split(file, "/")...)...)
	err = c.persist(ctx, func() (bool, error) {
		ctx, cancel := c.soon(ctx, ref)
		defer cancel()
		r, err := c.send(ctx, http.MethodHead, address, nil, true)
		if err != nil {
			return false, err
		}
		defer r.Body.Close()
		if r.StatusCode >= 400 {
			return false, c.refusal(ref, file, r)
		}
		f, err = c.described(ref, file, r)
		return false, err
	})
	return f, err
}

// described reads what the hub says of a file.
func (c *Client) described(ref Ref, file string, r *reply) (remote, error) {
	f := remote{name: file, commit: r.hub.Get(headerCommit), size: -1}
	f.etag = strings.TrimPrefix(cmp.Or(r.hub.Get(headerLinked), r.hub.Get(headerETag)), "W/")
	f.etag = strings.ToLower(strings.Trim(f.etag, `"`))
	if n, err := strconv.ParseInt(r.hub.Get(headerLinkedLen), 10, 64); err == nil && n >= 0 {
		f.size = n
	} else if r.StatusCode == http.StatusOK {
		f.size = r.ContentLength
	}
	if !commitText.MatchString(f.commit) || !etagText.MatchString(f.etag) {
		return remote{}, fmt.Errorf("%s: the answer of %s is not a hub's (no commit, or no digest of the file): check HF_ENDPOINT, or whether a proxy or a sign-in page stands in between", ref, r.Request.URL.Host)
	}
	return f, nil
}

// soon ends a short request whose answer does not come.
func (c *Client) soon(ctx context.Context, ref Ref) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.idle, stalled(ref))
}

// stalled is the error of a server that goes silent.
func stalled(ref Ref) error {
	return transient{error: fmt.Errorf("%s: the server sends nothing any more, or next to nothing", ref)}
}

// maxListing bounds what the hub says of a repository, in bytes.
const maxListing = 32 << 20

// list asks the hub for the commit that a revision is at, and the files in it.
func (c *Client) list(ctx context.Context, ref Ref) (commit string, files []File, err error) {
	address := c.address(append(append([]string{"api", "models"}, strings.Split(ref.Repo, "/")...), "revision", ref.Revision)...) + "?blobs=true"
	err = c.persist(ctx, func() (bool, error) {
		ctx, cancel := c.soon(ctx, ref)
		defer cancel()
		r, err := c.send(ctx, http.MethodGet, address, nil, false)
		if err != nil {
			return false, err
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return false, c.refusal(ref, "", r)
		}
		data, err := io.ReadAll(io.LimitReader(r.Body, maxListing+1))
		if err != nil {
			return false, c.unreachable(ctx, r.Request.URL.Host, err)
		}
		commit, files, err = parseListing(data)
		if err != nil {
			err = fmt.Errorf("%s: the answer of %s is not a hub's (%w): check HF_ENDPOINT, or whether a proxy or a sign-in page stands in between", ref, r.Request.URL.Host, err)
		}
		return false, err
	})
	return commit, files, err
}

// parseListing reads what the hub says of a repository. Files whose names cannot be
// those of files here are left out.
func parseListing(data []byte) (commit string, files []File, err error) {
	if len(data) > maxListing {
		return "", nil, fmt.Errorf("more than %d MiB", maxListing>>20)
	}
	var doc struct {
		SHA      string `json:"sha"`
		Siblings []struct {
			Name string `json:"rfilename"`
			Size *int64 `json:"size"`
		} `json:"siblings"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return "", nil, errors.New("no JSON of the right form")
	}
	if !commitText.MatchString(doc.SHA) {
		return "", nil, errors.New("no commit")
	}
	for _, s := range doc.Siblings {
		if checkPath(s.Name) != nil {
			continue
		}
		f := File{s.Name, -1}
		if s.Size != nil && *s.Size >= 0 {
			f.Bytes = *s.Size
		}
		files = append(files, f)
	}
	return doc.SHA, files, nil
}

package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"bankai/internal/progress"
	"bankai/internal/text"
)

// Pulled is what lies on this machine after a pull.
type Pulled struct {
	Ref    Ref    // with the file that was chosen, if it is one
	Path   string // of the file, of the first part of a model in several, or of a folder
	Commit string // empty for a model of Ollama's
	Files  []File // in the order in which they make up what was pulled
	Bytes  int64  // of all of them
	Folder bool
}

// Pull downloads what a reference means, unless it is here, and returns where it lies.
// A branch is looked up each time; if the hub cannot be reached, what it was is taken. The error names the reference, and says what to do.
func (c *Client) Pull(ctx context.Context, ref Ref) (Pulled, error) {
	if ref.Ollama != "" {
		return checkOllama(ctx, c.Watcher, ref)
	}
	if c.Offline {
		p, err := find(ctx, c.Folder, ref, c.Watcher)
		if errors.Is(err, ErrNotHere) {
			err = fmt.Errorf("%s: %w, and HF_HUB_OFFLINE is set: unset it to download", ref, ErrNotHere)
		}
		return p, err
	}
	p, err := c.pull(ctx, ref)
	if errors.As(err, new(offlineError)) {
		err = fmt.Errorf("%s: %w: check the network, or HF_ENDPOINT", ref.Text, err)
	}
	return p, err
}

// pull is Pull from the hub.
func (c *Client) pull(ctx context.Context, ref Ref) (Pulled, error) {
	chosen, files, err := c.lookUp(ctx, ref)
	if errors.As(err, new(offlineError)) {
		return c.instead(ctx, ref, err)
	}
	if err != nil {
		return Pulled{}, err
	}
	commit := files[0].commit
	r, err := openRepository(c.Folder, ref.Repo, true)
	if err != nil {
		return Pulled{}, err
	}
	defer r.Close()
	if err := c.obtainAll(ctx, r, ref, files); err != nil {
		return Pulled{}, r.named(err)
	}
	p, err := r.pulled(ref, commit, chosen)
	return p, r.named(err)
}

// lookUp asks the hub for the files that are meant.
func (c *Client) lookUp(ctx context.Context, ref Ref) (choice, []remote, error) {
	commit, chosen, err := c.choose(ctx, ref)
	if err != nil {
		return chosen, nil, err
	}
	files, err := c.lookAt(ctx, ref, commit, chosen.files)
	return chosen, files, err
}

// instead takes what is here where the hub cannot be reached, as Python's library does.
// Nothing else is asked for in vain then: the client is offline.
func (c *Client) instead(ctx context.Context, ref Ref, offline error) (Pulled, error) {
	p, err := find(ctx, c.Folder, ref, c.Watcher)
	switch {
	case errors.Is(err, ErrNotHere):
		return Pulled{}, offline
	case err != nil:
		return Pulled{}, err
	}
	if !commitText.MatchString(ref.Revision) {
		c.Watcher.Note("%v: %s is taken as it was when it last came (commit %.12s); the hub may have a newer one", offline, ref.Text, p.Commit)
	}
	c.Offline = true
	return p, nil
}

// obtainAll has files of one commit in the cache, and notes then what the revision is at.
func (c *Client) obtainAll(ctx context.Context, r *repository, ref Ref, files []remote) error {
	if err := c.room(r, ref, files); err != nil {
		return err
	}
	for _, f := range files {
		if err := c.obtain(ctx, r, ref, f); err != nil {
			return err
		}
	}
	return r.refTo(ref.Revision, files[0].commit)
}

// choose finds the files that are meant. The commit is that of the list, or the
// revision where no list was needed.
func (c *Client) choose(ctx context.Context, ref Ref) (commit string, chosen choice, err error) {
	if ref.File != "" && !partName.MatchString(ref.File) {
		return ref.Revision, choice{files: []File{{ref.File, -1}}}, nil
	}
	commit, files, err := c.list(ctx, ref)
	if err != nil {
		return "", choice{}, err
	}
	if ref.File != "" {
		chosen, err = withParts(ref.File, files)
	} else {
		chosen, err = choose(files, ref.Model)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", ref, err)
	}
	return commit, chosen, err
}

// lookAt asks what files are at a commit. They must all be of one.
func (c *Client) lookAt(ctx context.Context, ref Ref, commit string, files []File) (all []remote, err error) {
	for _, f := range files {
		at, err := c.look(ctx, ref, f.Name, commit)
		if err != nil {
			return nil, err
		}
		if commitText.MatchString(commit) && at.commit != commit {
			return nil, fmt.Errorf("%s: changed on the hub while it was looked at (commit %.12s, then %.12s): pull it again", ref, commit, at.commit)
		}
		most := ref.Most
		if most == 0 && isPatch(f.Name) {
			most = maxPatch
		}
		if most > 0 && at.size > most {
			return nil, fmt.Errorf("%s: has %s, and may have at most %s", ref, text.Size(at.size), text.Size(most))
		}
		commit = at.commit
		all = append(all, at)
	}
	return all, nil
}

// ErrNotHere says that something was not downloaded yet.
var ErrNotHere = errors.New("is not on this machine")

// Find is the path of what a reference means, as far as it was downloaded: a file, the
// first part of a model in several, or a folder. It asks nobody.
func Find(text string) (string, error) {
	ref, err := Parse(text)
	if err != nil {
		return "", err
	}
	if ref.Ollama != "" {
		p, err := findOllama(ref)
		return p.Path, err
	}
	folder, err := Folder()
	if err != nil {
		return "", err
	}
	p, err := find(context.Background(), folder, ref, nil)
	if errors.Is(err, ErrNotHere) {
		err = fmt.Errorf("%s: %w: bankai pull %s", text, ErrNotHere, text)
	}
	return p.Path, err
}

// find looks for what a reference means in the cache. A patch is compared with its digest;
// so is all else, which may take long, if somebody watches.
func find(ctx context.Context, folder string, ref Ref, w progress.Watcher) (Pulled, error) {
	r, err := openRepository(folder, ref.Repo, false)
	if err != nil {
		return Pulled{}, missing(err)
	}
	defer r.Close()
	commit, err := r.commit(ref.Revision)
	if err != nil {
		return Pulled{}, r.named(missing(err))
	}
	files, err := r.snapshot(commit)
	if err != nil {
		return Pulled{}, r.named(missing(err))
	}
	var chosen choice
	if ref.File != "" {
		chosen, err = withParts(ref.File, files)
	} else {
		chosen, err = choose(files, ref.Model)
	}
	switch {
	case errors.Is(err, errSeveral):
		return Pulled{}, fmt.Errorf("%s: %w", ref, err)
	case err != nil:
		return Pulled{}, ErrNotHere
	}
	if w != nil || isPatch(chosen.files[0].Name) {
		if err := r.checkAll(ctx, w, commit, chosen.files); err != nil {
			return Pulled{}, r.named(err)
		}
	}
	p, err := r.pulled(ref, commit, chosen)
	return p, r.named(err)
}

// missing is ErrNotHere for what is not there.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotHere
	}
	return err
}

// pulled tells where files lie that were chosen and are here.
func (r *repository) pulled(ref Ref, commit string, chosen choice) (Pulled, error) {
	p := Pulled{Ref: ref, Commit: commit, Files: slices.Clone(chosen.files), Folder: chosen.folder}
	for i, f := range p.Files {
		info, err := r.Stat(pointer(commit, f.Name))
		if err != nil {
			return Pulled{}, err
		}
		p.Files[i].Bytes = info.Size()
		p.Bytes += info.Size()
	}
	name := p.Files[0].Name
	if p.Folder {
		name = path.Dir(name)
	} else {
		p.Ref.File, p.Ref.Model = name, nil
	}
	p.Path = r.at(pointer(commit, name))
	return p, nil
}

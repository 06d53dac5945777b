package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"bankai/internal/progress"
)

// repository is the folder of the cache for one repository. Nothing in it is read or
// written through links that lead out of it.
type repository struct {
	*os.Root
	folder string // of the cache
	name   string // of the repository's folder in it
}

// folderName is what the folder of a repository is called.
func folderName(repo string) string { return "models--" + strings.ReplaceAll(repo, "/", "--") }

// openRepository opens the folder of a repository, which is made if make is set.
func openRepository(folder, repo string, create bool) (*repository, error) {
	name := folderName(repo)
	dir := filepath.Join(folder, name)
	if create {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, inTheWay(dir, err)
		}
	}
	root, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	r := &repository{root, folder, name}
	if create {
		if err := r.MkdirAll("blobs", 0o777); err != nil {
			return nil, errors.Join(r.named(err), root.Close())
		}
	}
	return r, nil
}

// openFolder opens a folder, and nothing that only has the name of one: to open a pipe
// would wait for somebody who writes into it.
func openFolder(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, inTheWay(dir, err)
	}
	root, err := os.OpenRoot(dir)
	return root, inTheWay(dir, err)
}

// blob is the name of a blob in the folder.
func blob(etag string) string { return "blobs/" + etag }

// pointer is the name by which a file is found.
func pointer(commit, file string) string { return "snapshots/" + commit + "/" + file }

// at is the path of something in the folder.
func (r *repository) at(name string) string { return filepath.Join(r.Name(), filepath.FromSlash(name)) }

// named says of a fault of the disk where it is, and what to do.
func (r *repository) named(err error) error { return inTheWay(r.Name(), err) }

// inTheWay says of a fault of the disk, below a folder or at it, where it is and what to
// do. Other errors are as they were.
func inTheWay(folder string, err error) error {
	var onPath *fs.PathError
	var onLink *os.LinkError
	var path string
	var why error
	switch {
	case errors.As(err, &onPath):
		path, why = onPath.Path, onPath.Err
	case errors.As(err, &onLink):
		path, why = onLink.New, onLink.Err
	default:
		return err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, filepath.FromSlash(path))
	}
	advice := "check the disk, and who may write there"
	switch {
	case strings.Contains(why.Error(), "escapes from parent"): // which package os has no name for
		return fmt.Errorf("%s: leads out of the cache's folder by a link: remove the link", path)
	case errors.Is(why, fs.ErrNotExist):
		advice = "did somebody remove it meanwhile?"
	case errors.Is(why, fs.ErrExist), errors.Is(why, syscall.ENOTDIR), errors.Is(why, syscall.EISDIR):
		advice = "something else is in its place: remove that"
	}
	return fmt.Errorf("%s: cannot be read or written (%w): %s", path, why, advice)
}

// has reports whether there is a blob, of this size if that is known.
func (r *repository) has(f remote) (bool, error) {
	info, err := r.Lstat(blob(f.etag))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s: is no file of its own: remove it", r.at(blob(f.etag)))
	case f.size >= 0 && info.Size() != f.size:
		return false, fmt.Errorf("%s: has %d bytes, and the file has %d: remove it", r.at(blob(f.etag)), info.Size(), f.size)
	}
	return true, nil
}

// unseen is a meter that nobody sees.
type unseen struct{}

func (unseen) Set(int64, string) {}
func (unseen) Stop()             {}

// check compares a file that is here with the digest that it is named by: somebody may
// have changed it since it came. The watcher may be nil.
func (r *repository) check(ctx context.Context, w progress.Watcher, name, etag string) error {
	info, err := r.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: is no file of its own: remove it", r.at(name))
	}
	f, err := r.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	m := progress.Meter(unseen{})
	if w != nil {
		m = w.Meter(path.Base(name)+", check", info.Size())
	}
	defer m.Stop()
	sum, err := digestOf(ctx, f, info.Size(), etag, m)
	if err == nil && sum != etag {
		err = fmt.Errorf("%s: is not what its digest says, so it was changed since it came: remove it, and pull again", r.at(name))
	}
	return err
}

// etag is the digest of a file in a snapshot, empty where that does not say it: where
// there are no links.
func (r *repository) etag(commit, file string) string {
	to, err := r.Readlink(pointer(commit, file))
	if etag := path.Base(filepath.ToSlash(to)); err == nil && etagText.MatchString(etag) {
		return etag
	}
	return ""
}

// checkAll is check for files of a commit whose digests are known.
func (r *repository) checkAll(ctx context.Context, w progress.Watcher, commit string, files []File) error {
	for _, f := range files {
		if etag := r.etag(commit, f.Name); etag != "" {
			if err := r.check(ctx, w, pointer(commit, f.Name), etag); err != nil {
				return err
			}
		}
	}
	return nil
}

// isPlaced reports whether a file is in its snapshot as one of its own, and not as a link:
// so Python leaves files where there are no links, and keeps no blob.
func (r *repository) isPlaced(f remote) bool {
	info, err := r.Lstat(pointer(f.commit, f.name))
	return err == nil && info.Mode().IsRegular() && info.Size() == f.size
}

// link gives a blob the name by which it is found: a symbolic link, as Python makes it;
// where there can be none a hard link, and where there can be neither a copy. The
// caller has the blob locked.
func (r *repository) link(f remote) error {
	name := pointer(f.commit, f.name)
	target := strings.Repeat("../", 2+strings.Count(f.name, "/")) + blob(f.etag)
	if old, err := r.Readlink(name); err == nil && filepath.ToSlash(old) == target {
		return nil
	}
	if err := r.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	temp := ".bankai-" + f.etag
	if err := r.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if r.Symlink(filepath.FromSlash(target), temp) != nil && r.Link(blob(f.etag), temp) != nil {
		if err := r.duplicate(blob(f.etag), temp); err != nil {
			return err
		}
	}
	return r.Rename(temp, name)
}

// duplicate copies a file in the folder.
func (r *repository) duplicate(from, to string) error {
	in, err := r.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := r.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// refTo notes which commit a branch or a tag is at.
func (r *repository) refTo(revision, commit string) error {
	if old, err := r.commit(revision); revision == commit || err == nil && old == commit {
		return nil
	}
	name := "refs/" + revision
	if err := r.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	temp := fmt.Sprintf(".bankai-%08x", rand.Uint32())
	if err := r.WriteFile(temp, []byte(commit), 0o666); err != nil {
		return err
	}
	return r.Rename(temp, name)
}

// commit is what a revision was at when something of it was last downloaded.
func (r *repository) commit(revision string) (string, error) {
	if commitText.MatchString(revision) {
		return revision, nil
	}
	info, err := r.Stat("refs/" + revision)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > 1000 {
		return "", fmt.Errorf("%s: is no commit: remove it", r.at("refs/"+revision))
	}
	data, err := r.ReadFile("refs/" + revision)
	if err != nil {
		return "", err
	}
	commit := strings.TrimSpace(string(data))
	if !commitText.MatchString(commit) {
		return "", fmt.Errorf("%s: is no commit: remove it", r.at("refs/"+revision))
	}
	return commit, nil
}

// snapshot lists the files of a commit that are here, with their sizes. Links whose
// blobs are missing, or that lead out of the repository's folder, are left out.
func (r *repository) snapshot(commit string) (files []File, err error) {
	base := "snapshots/" + commit
	err = fs.WalkDir(r.FS(), base, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := r.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		if file := strings.TrimPrefix(name, base+"/"); checkPath(file) == nil {
			files = append(files, File{file, info.Size()})
		}
		return nil
	})
	return files, err
}

package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bankai/internal/durable"
	"bankai/internal/progress"
	"bankai/internal/text"
)

// layout is an OCI layout as a target: an index of manifests, of which some have tags,
// and blobs that are named by their digests.
type layout struct{ files layoutFiles }

// layoutFiles are the files of a layout: those of a folder, or in a tar file. Names have
// slashes.
type layoutFiles interface {
	// read reads a file of at most most bytes. The error is fs.ErrNotExist if there is none.
	read(name string, most int64) ([]byte, error)
	// write puts a file there as a whole.
	write(ctx context.Context, name string, data []byte) error
	// update replaces a file by what change makes of its content, which is nil if there
	// is none, while nobody else does.
	update(name string, most int64, change func(old []byte) ([]byte, error)) error
	// other is the name of something that is there, "" if nothing is.
	other() string
}

// maxIndex bounds the entries of a layout's index, which all have to be looked at for
// what is attached to a patch.
const maxIndex = 10_000

// blobName is where a blob lies.
func blobName(d descriptor) (string, error) {
	s, err := sum(d)
	return "blobs/sha256/" + s.String(), err
}

// errNoLayout is that a folder or a tar file is no layout.
var errNoLayout = errors.New("there is no OCI layout")

// check refuses what is no layout, or one of another version.
func (l layout) check() error {
	data, err := l.files.read(ocispec.ImageLayoutFile, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w, which has a file %s: check the path", errNoLayout, ocispec.ImageLayoutFile)
	}
	var v ocispec.ImageLayout
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		return damaged(ocispec.ImageLayoutFile, err)
	}
	if v.Version != ocispec.ImageLayoutVersion {
		return fmt.Errorf("%s: version %.20q is not known, only %s", ocispec.ImageLayoutFile, v.Version, ocispec.ImageLayoutVersion)
	}
	return nil
}

// damaged is about a file of a layout that cannot be read.
func damaged(name string, err error) error {
	return fmt.Errorf("%s is not as it should be (%w): copy or make the layout again", name, err)
}

// begin makes a layout where there is nothing yet.
func (l layout) begin(ctx context.Context) error {
	if _, err := l.files.read(ocispec.ImageLayoutFile, maxManifest); !errors.Is(err, fs.ErrNotExist) {
		return l.check()
	}
	if other := l.files.other(); other != "" {
		return fmt.Errorf("is no OCI layout, and has other things in it (%.80q): give another path", other)
	}
	data, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	return l.files.write(ctx, ocispec.ImageLayoutFile, data)
}

// index reads the index. A layout that was only begun has none.
func (l layout) index() (index ocispec.Index, err error) {
	data, err := l.files.read(ocispec.ImageIndexFile, maxManifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return index, nil
	case err != nil:
		return index, err
	}
	return decodeIndex(data)
}

func decodeIndex(data []byte) (index ocispec.Index, err error) {
	err = json.Unmarshal(data, &index)
	switch {
	case err != nil:
		return index, damaged(ocispec.ImageIndexFile, err)
	case index.SchemaVersion != 2:
		return index, fmt.Errorf("%s: has schemaVersion %d: only 2 is known", ocispec.ImageIndexFile, index.SchemaVersion)
	case len(index.Manifests) > maxIndex:
		return index, fmt.Errorf("%s: has %d entries, and at most %d are looked at: copy the patch into a layout of its own", ocispec.ImageIndexFile, len(index.Manifests), maxIndex)
	}
	return index, nil
}

// change changes the index, or makes one.
func (l layout) change(how func(*ocispec.Index)) error {
	return l.files.update(ocispec.ImageIndexFile, maxManifest, func(old []byte) ([]byte, error) {
		index := ocispec.Index{
			Versioned: specs.Versioned{SchemaVersion: 2},
			MediaType: ocispec.MediaTypeImageIndex, Manifests: []descriptor{},
		}
		if old != nil {
			var err error
			if index, err = decodeIndex(old); err != nil {
				return nil, err
			}
		}
		how(&index)
		return json.Marshal(index)
	})
}

// resolve implements target.
func (l layout) resolve(ctx context.Context, version string) (descriptor, []byte, error) {
	index, err := l.index()
	if err != nil {
		return descriptor{}, nil, err
	}
	at := slices.IndexFunc(index.Manifests, func(d descriptor) bool {
		return d.Annotations[ocispec.AnnotationRefName] == version || string(d.Digest) == version
	})
	if at < 0 {
		return descriptor{}, nil, errNone
	}
	d := index.Manifests[at]
	if err := checkDescriptor(d, "manifest", maxManifest); err != nil {
		return d, nil, err
	}
	d.Annotations = nil
	data, err := l.fetch(ctx, d, unseen{})
	return d, data, err
}

// fetch implements target.
func (l layout) fetch(_ context.Context, d descriptor, m progress.Meter) ([]byte, error) {
	name, err := blobName(d)
	if err != nil {
		return nil, err
	}
	data, err := l.files.read(name, d.Size)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: the layout is not whole; copy or make it again", name)
	}
	if err != nil {
		return nil, err
	}
	m.Set(int64(len(data)), "")
	return data, checkData(d, data)
}

// has implements target.
func (l layout) has(ctx context.Context, d descriptor) (bool, error) {
	_, err := l.fetch(ctx, d, unseen{})
	return err == nil, nil // one that is damaged is written again
}

// push implements target. A manifest is put into the index, too: there others look for
// what is attached to it.
func (l layout) push(ctx context.Context, d descriptor, data []byte, m progress.Meter) error {
	name, err := blobName(d)
	if err != nil {
		return err
	}
	if err := l.files.write(ctx, name, data); err != nil {
		return err
	}
	m.Set(d.Size, "")
	if d.MediaType != ocispec.MediaTypeImageManifest {
		return nil
	}
	return l.change(func(index *ocispec.Index) {
		if !slices.ContainsFunc(index.Manifests, func(x descriptor) bool { return x.Digest == d.Digest }) {
			index.Manifests = append(index.Manifests, d)
		}
	})
}

// tag implements target.
func (l layout) tag(_ context.Context, d descriptor, _ []byte, tag string) error {
	return l.change(func(index *ocispec.Index) {
		untagged := slices.IndexFunc(index.Manifests, func(x descriptor) bool {
			return x.Digest == d.Digest && x.Annotations[ocispec.AnnotationRefName] == ""
		})
		for i := range index.Manifests {
			if about := index.Manifests[i].Annotations; about[ocispec.AnnotationRefName] == tag {
				delete(about, ocispec.AnnotationRefName) // what it meant stays, without the tag
			}
		}
		d.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
		if untagged >= 0 {
			index.Manifests[untagged] = d
		} else {
			index.Manifests = append(index.Manifests, d)
		}
	})
}

// ownsList implements target: the index is changed while nobody else does.
func (l layout) ownsList() bool { return true }

// referrers implements target.
func (l layout) referrers(ctx context.Context, of descriptor) (all []descriptor, err error) {
	index, err := l.index()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, d := range index.Manifests {
		if d.MediaType != ocispec.MediaTypeImageManifest || seen[string(d.Digest)] || !mayBeOurs(d.ArtifactType) {
			continue
		}
		seen[string(d.Digest)] = true
		if err := checkDescriptor(d, "manifest of something attached", maxManifest); err != nil {
			return nil, err
		}
		data, err := l.fetch(ctx, d, unseen{})
		if err != nil {
			return nil, err
		}
		var m ocispec.Manifest
		if json.Unmarshal(data, &m) != nil || m.Subject == nil || m.Subject.Digest != of.Digest || kindOf(m.ArtifactType) == nil {
			continue
		}
		if all = append(all, d); len(all) > maxReferrers {
			return nil, fmt.Errorf("more than %d things are attached to the patch", maxReferrers)
		}
	}
	return all, nil
}

// tags implements target.
func (l layout) tags(context.Context) (all []string, err error) {
	index, err := l.index()
	for _, d := range index.Manifests {
		if tag := d.Annotations[ocispec.AnnotationRefName]; tag != "" {
			all = append(all, tag)
		}
	}
	return all, err
}

// folder is a layout in a folder. Many may read and write it at once.
type folder string

// path is where a file of the layout is.
func (f folder) path(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

// check refuses a file that is none, or that links, which a layout from elsewhere may
// bring along, would have looked for outside of the folder. The error is fs.ErrNotExist
// without the file.
func (f folder) check(name string) error {
	for at := range len(name) + 1 {
		if at < len(name) && name[at] != '/' {
			continue
		}
		info, err := os.Lstat(f.path(name[:at]))
		switch {
		case err != nil:
			return err
		case at < len(name) && !info.IsDir():
			return fmt.Errorf("%s is no folder of its own: remove it", name[:at])
		case at == len(name) && !info.Mode().IsRegular():
			return fmt.Errorf("%s is no regular file", name)
		}
	}
	return nil
}

// checkPlace is check for a file that need not be there.
func (f folder) checkPlace(name string) error {
	if err := f.check(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.MkdirAll(filepath.Dir(f.path(name)), 0o777)
}

// read implements layoutFiles.
func (f folder) read(name string, most int64) ([]byte, error) {
	if err := f.check(name); err != nil {
		return nil, err
	}
	file, err := os.Open(f.path(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, name, most)
}

// readAll reads all of r, and refuses more than most bytes.
func readAll(r io.Reader, name string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, fmt.Errorf("%s is larger than the %s that it may have", name, text.Size(most))
	}
	return data, err
}

// write implements layoutFiles.
func (f folder) write(ctx context.Context, name string, data []byte) error {
	if err := f.checkPlace(name); err != nil {
		return err
	}
	return durable.Write(ctx, f.path(name), func(w durable.File) error {
		_, err := w.Write(data)
		return err
	})
}

// update implements layoutFiles.
func (f folder) update(name string, most int64, change func([]byte) ([]byte, error)) error {
	if err := f.checkPlace(name); err != nil {
		return err
	}
	return durable.Update(f.path(name), func(old []byte) ([]byte, error) {
		if int64(len(old)) > most {
			return nil, fmt.Errorf("is larger than the %s that it may have", text.Size(most))
		}
		if len(old) == 0 {
			old = nil
		}
		return change(old)
	})
}

// other implements layoutFiles. What a writer that was killed left does not count.
func (f folder) other() string {
	entries, _ := os.ReadDir(string(f))
	for _, e := range entries {
		if left, _ := filepath.Match("bankai-*.tmp", e.Name()); !left {
			return e.Name()
		}
	}
	return ""
}

// isArchive reports whether a layout's path means a tar file: one that is there, or one
// to make.
func isArchive(path string) bool {
	info, err := os.Stat(path)
	if err == nil {
		return !info.IsDir()
	}
	return strings.EqualFold(filepath.Ext(path), ".tar")
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/text"
)

// tagFile is the file of a name: what its tags are.
type tagFile struct {
	Version int              `json:"version"`
	Tags    map[string]Entry `json:"tags"`
}

const (
	tagVersion = 1
	maxTagFile = 4 << 20 // bytes
	tagEnding  = ".json"
)

// tags reads the tags of a name; it has some. The error is fs.ErrNotExist if the library
// does not have it.
func (l *Library) tags(name string) (*tagFile, error) {
	t := &tagFile{Version: tagVersion, Tags: map[string]Entry{}}
	if err := CheckName(name); err != nil {
		return t, err
	}
	data, err := l.read(maxTagFile, nameFolder, name+tagEnding)
	if err != nil {
		return t, err
	}
	path := l.at(nameFolder, name+tagEnding)
	if err := json.Unmarshal(data, t); err != nil {
		return nil, fmt.Errorf("%s: %w: %w: take the file away, and add the patch again", path, ErrDamaged, err)
	}
	if t.Version != tagVersion {
		return nil, fmt.Errorf("%s: has version %d, and this program reads %d: use a newer one", path, t.Version, tagVersion)
	}
	for tag, e := range t.Tags {
		if CheckTag(tag) != nil || e.Patch.IsZero() || e.Name != name || e.Tag != tag {
			return nil, fmt.Errorf("%s: %w: the tag %q is none: take the file away, and add the patch again", path, ErrDamaged, text.Clip(tag, 70))
		}
	}
	if len(t.Tags) == 0 {
		return nil, fmt.Errorf("%s: %w: it has no tags: take the file away", path, ErrDamaged)
	}
	return t, nil
}

// writeTags writes the tags of a name, whose file goes where there are none.
func (l *Library) writeTags(ctx context.Context, name string, t *tagFile) error {
	path := l.at(nameFolder, name+tagEnding)
	if len(t.Tags) == 0 {
		return os.Remove(path)
	}
	if err := l.folder(nameFolder); err != nil {
		return err
	}
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	if len(data) > maxTagFile {
		return fmt.Errorf("%s: has %s: remove some", name, text.Count(len(t.Tags), "tag"))
	}
	return write(ctx, path, append(data, '\n'))
}

// set gives an entry its tag, and moves Latest to it.
func (t *tagFile) set(e Entry) {
	t.Tags[e.Tag] = e
	for _, tag := range t.names() {
		if is := t.Tags[tag]; is.Patch == e.Patch { // what goes with a patch does by every tag
			is.Files = e.Files
			t.Tags[tag] = is
		}
	}
	e.Tag = Latest
	t.Tags[Latest] = e
}

// remove takes a tag away. If Latest was the same patch, and no other tag is it, Latest
// is what was added last of the others.
func (t *tagFile) remove(tag string) {
	gone := t.Tags[tag]
	delete(t.Tags, tag)
	if tag == Latest || t.Tags[Latest].Patch != gone.Patch {
		return
	}
	delete(t.Tags, Latest)
	var last Entry
	for _, other := range t.names() {
		e := t.Tags[other]
		if e.Patch == gone.Patch || last.Tag == "" || e.Added.After(last.Added) {
			last = e
		}
		if e.Patch == gone.Patch {
			break
		}
	}
	if last.Tag != "" {
		last.Tag = Latest
		t.Tags[Latest] = last
	}
}

// names are the tags, Latest first.
func (t *tagFile) names() (tags []string) {
	for tag := range t.Tags {
		tags = append(tags, tag)
	}
	slices.SortFunc(tags, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == Latest:
			return -1
		case b == Latest:
			return 1
		}
		return strings.Compare(a, b)
	})
	return tags
}

// filesOf are what goes with a patch already.
func (t *tagFile) filesOf(patch bankai.Digest) []File {
	for _, e := range t.Tags {
		if e.Patch == patch {
			return e.Files
		}
	}
	return nil
}

// names are those of the library, in order. What is no file of a name is left out.
func (l *Library) names() (names []string, err error) {
	entries, err := l.entries(nameFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), tagEnding); ok && e.Type().IsRegular() && CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, err
}

package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	refuse := func(why string) (*tagFile, error) {
		return nil, fmt.Errorf("%s: %w: %s: take the file away, and add the patch again", path, ErrDamaged, why)
	}
	if err := json.Unmarshal(data, t); err != nil {
		return refuse(err.Error())
	}
	if t.Version > tagVersion {
		return nil, fmt.Errorf("%s: has version %d, and this program reads %d: use a newer one", path, t.Version, tagVersion)
	}
	for tag, e := range t.Tags {
		if CheckTag(tag) != nil || e.Patch.IsZero() || e.Name != name || e.Tag != tag {
			return refuse(fmt.Sprintf("the tag %q is none", text.Clip(tag, 70)))
		}
	}
	if len(t.Tags) == 0 {
		return refuse("it has no tags")
	}
	if again, err := t.encode(); err != nil || !bytes.Equal(again, data) {
		return refuse("it is not as this program writes it") // nothing is said twice, or not understood
	}
	return t, nil
}

// encode is the file: equal tags give equal bytes.
func (t *tagFile) encode() ([]byte, error) {
	data, err := json.MarshalIndent(t, "", "  ")
	return append(data, '\n'), err
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
	data, err := t.encode()
	if err != nil {
		return err
	}
	if len(data) > maxTagFile {
		return fmt.Errorf("%s: has %s: remove some", name, text.Count(len(t.Tags), "tag"))
	}
	return write(ctx, path, data)
}

// set gives an entry its tag. A name that has no Latest yet gets it as that, too.
func (t *tagFile) set(e Entry) {
	t.Tags[e.Tag] = e
	if _, there := t.Tags[Latest]; !there {
		first := e
		first.Tag = Latest
		t.Tags[Latest] = first
	}
	for tag, is := range t.Tags {
		if is.Patch == e.Patch { // what goes with a patch does by every tag
			is.Files = e.Files
			t.Tags[tag] = is
		}
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

// names are those of the library, in order. faults tell of what is there and cannot be
// read as one.
func (l *Library) names() (names []string, faults []error, err error) {
	entries, err := l.entries(nameFolder)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name, isName := strings.CutSuffix(e.Name(), tagEnding)
		switch {
		case isUnfinished(e.Name()):
		case !isName || CheckName(name) != nil:
			faults = append(faults, fmt.Errorf("%s: is no name of the library: take it away", l.at(nameFolder, e.Name())))
		case !e.Type().IsRegular():
			faults = append(faults, fmt.Errorf("%s: is no file of the library: take it away", l.at(nameFolder, e.Name())))
		default:
			names = append(names, name)
		}
	}
	return names, faults, nil
}

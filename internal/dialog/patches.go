package dialog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/store"
)

// Patch is one that answers can be made under.
type Patch struct {
	Name string
	Path string // of its file
	Size int    // flips

	content *bankai.Patch
}

// None names the model without patches.
const None = "none"

// NameOf is the name of a patch after its file, or the one that it has in the library, with
// its tag if that is given.
func NameOf(ref string) string {
	if r, err := store.ParseRef(ref); err == nil && r.HasTag && !store.IsPath(ref) {
		return r.Name + ":" + r.Tag
	}
	return strings.ToLower(store.Title(ref))
}

// Known are the patches that there are, in the order of their coming.
func (d *Dialog) Known() []*Patch { return slices.Clone(d.known) }

// On names the patches that the next answer is made under, as a+b; "" for none.
func (d *Dialog) On() string {
	var names []string
	for _, p := range d.on {
		names = append(names, p.Name)
	}
	return strings.Join(names, "+")
}

// IsOn says whether the next answer is made under a patch.
func (d *Dialog) IsOn(p *Patch) bool { return slices.Contains(d.on, p) }

// Add reads a patch from a file and gives it a name.
func (d *Dialog) Add(name, path string) (*Patch, error) {
	if name == None || name == "" {
		return nil, fmt.Errorf("%s: a patch cannot be called %q: give it another name", path, name)
	}
	if p := d.find(name); p != nil {
		return nil, fmt.Errorf("%s: the patch %s is %s already: give one of them another name", path, name, p.Path)
	}
	content, err := d.Patches.Read(path)
	if err != nil {
		return nil, err
	}
	p := &Patch{Name: name, Path: path, Size: content.Len(), content: content}
	d.known = append(d.known, p)
	return p, nil
}

// AddFile is Add of a patch that is known by its file: under the file's own name, or,
// where another file has that, under the whole path. A file that was read is not read
// again.
func (d *Dialog) AddFile(path string) (*Patch, error) {
	for _, p := range d.known {
		if p.Path == path {
			return p, nil
		}
	}
	name := NameOf(path)
	if name == None || name == "" || d.find(name) != nil {
		name = path
	}
	return d.Add(name, path)
}

func (d *Dialog) find(name string) *Patch {
	for _, p := range d.known {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Choose has the following answers made under other patches. choice is a name, several
// with + between them, None, or the path of a file, which then becomes known; names and
// paths may be mixed. After an error the patches are those that they were.
func (d *Dialog) Choose(choice string) error {
	if choice == None {
		return d.Put()
	}
	if p := d.find(choice); p != nil {
		return d.Put(p)
	}
	choices := strings.Split(choice, "+")
	if _, err := os.Stat(choice); err == nil {
		choices = []string{choice} // a file's name may have a + in it
	}
	var several []*Patch
	for _, c := range choices {
		p := d.find(c)
		if p == nil {
			var err error
			if p, err = d.AddFile(c); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no patch and no file %q", c)
			} else if err != nil {
				return err
			}
		}
		several = append(several, p)
	}
	return d.Put(several...)
}

// Put has the following answers made under patches together: their XOR.
func (d *Dialog) Put(patches ...*Patch) error {
	sum := bankai.New(bankai.Digest{}, bankai.Meta{})
	for i, p := range patches {
		if slices.Contains(patches[:i], p) {
			return fmt.Errorf("the patch %s is named twice, and both together do nothing: name it once", p.Name)
		}
		for _, before := range patches[:i] {
			if err := d.Patches.CheckTogether(before.content, p.content, before.Name, p.Name); err != nil {
				return err
			}
		}
		var err error
		if sum, err = sum.Xor(p.content); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if len(patches) > 1 && sum.Len() == 0 {
		return fmt.Errorf("these patches together do nothing: leave some of them out")
	}
	overlay, err := d.model.Overlay(sum.WithBase(d.model.Digest()))
	if err != nil {
		return err
	}
	d.Under(overlay)
	d.on = slices.Clone(patches)
	return nil
}

// Under has the following answers made under an overlay, which has no name.
func (d *Dialog) Under(o *engine.Overlay) { d.on, d.overlay = nil, o }

package outputs

import (
	"bytes"
	"html"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"

	"bankai"
	"bankai/internal/source"
	"bankai/internal/weights"
	"bankai/probe"
)

// OwnPatch knows patches that this command wrote, by what is recorded in them.
func (r *Run) OwnPatch(path string) (string, bool) {
	p, err := bankai.ReadFile(path)
	if err != nil {
		return Content(path), false
	}
	by := r.CommandOf(p.Meta().Command)
	if by == "" {
		return "a patch", false
	}
	return `a patch of "` + by + `"`, by == r.Command
}

// SamePatch knows patches that flip what p does and say nothing that p does not say, in
// whatever form.
func SamePatch(p *bankai.Patch) Known {
	return func(path string) (string, bool) {
		old, err := bankai.ReadFile(path)
		if err != nil {
			return Content(path), false
		}
		if !isOurs(path, old) {
			return "a patch that another program or a hand wrote", false
		}
		unbound := func(p *bankai.Patch) bankai.Digest { return p.WithBase(bankai.Digest{}).ContentDigest() }
		switch {
		case unbound(old) != unbound(p):
			return "another patch", false
		case !old.Base().IsZero() && old.Base() != p.Base(), !saysLess(old.Meta(), p.Meta()):
			return "the same patch with more known about it", false
		}
		return "", true
	}
}

// isOurs reports whether a file that holds a patch is what this program writes of it,
// so that it says nothing which the patch does not.
func isOurs(path string, p *bankai.Patch) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var again bytes.Buffer
	if Content(path) == isJSON {
		err = p.WriteJSON(&again)
	} else {
		_, err = p.WriteTo(&again)
	}
	return err == nil && bytes.Equal(data, again.Bytes())
}

// saysLess reports whether all that is said in some is said in all.
func saysLess(some, all bankai.Meta) bool {
	a, b := reflect.ValueOf(some), reflect.ValueOf(all)
	for i := range a.NumField() {
		if f := a.Field(i); !f.IsZero() && !reflect.DeepEqual(f.Interface(), b.Field(i).Interface()) {
			return false
		}
	}
	return true
}

// OwnProbes knows probe files as this program writes them, to the byte. Which
// command it was they do not tell, nor whether a careful hand changed them.
func OwnProbes(path string) (string, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	set, err := probe.ReadPrompts(bytes.NewReader(data), probe.FormatOf(path))
	if err != nil {
		return Content(path), false
	}
	var again bytes.Buffer
	if err := set.WriteJSON(&again); err != nil || !bytes.Equal(data, again.Bytes()) {
		return "probes that were written or changed by hand", false
	}
	return "a probe file", true
}

// OwnModel knows the copies that patch apply writes, as it wrote them.
func (r *Run) OwnModel(path string) (string, bool) {
	if is, err := source.IsModel(path); err != nil || !is {
		return Content(path), false
	}
	asBaked := false
	err := r.withWeights(path, func(f *weights.File) error {
		asBaked = f.IsAsBaked()
		return nil
	})
	return "a model that patch apply did not write, or that was changed since", err == nil && asBaked
}

// ModelBefore knows what patch remove makes of a patched model: the file that the copy
// says it was made of, to the byte, and copies with fewer of its patches.
func (r *Run) ModelBefore(patched string) Known {
	return func(path string) (string, bool) {
		is, err := source.IsModel(path)
		if err != nil || !is {
			return Content(path), false
		}
		before := false
		err = r.withWeights(patched, func(f *weights.File) error {
			return r.withWeights(path, func(old *weights.File) error {
				b, ok := f.Baked()
				o, baked := old.Baked()
				switch {
				case !ok:
				case baked:
					before = o.Base == b.Base && o.File == b.File && isWithin(o.Patches, b.Patches) && old.IsAsBaked()
				case !b.File.IsZero():
					before = old.Sum() == b.File
				}
				return nil
			})
		})
		return "another model", err == nil && before
	}
}

// withWeights calls work with an open model file.
func (r *Run) withWeights(path string, work func(f *weights.File) error) error {
	f, err := r.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return work(f)
}

// isWithin reports whether every patch of some is among all.
func isWithin(some, all []weights.BakedPatch) bool {
	for _, p := range some {
		if !slices.ContainsFunc(all, func(q weights.BakedPatch) bool { return p.Flips == q.Flips }) {
			return false
		}
	}
	return true
}

// generator finds what made a page.
var generator = regexp.MustCompile(`<meta name="generator" content="([^"]*)">`)

// PageOf knows the pages of a command.
func (r *Run) PageOf(command string) Known {
	return func(path string) (string, bool) {
		f, err := os.Open(path)
		if err != nil {
			return "", false
		}
		defer f.Close()
		start, err := io.ReadAll(io.LimitReader(f, 64<<10))
		m := generator.FindSubmatch(start)
		if err != nil || m == nil {
			return Content(path), false
		}
		by := r.CommandOf(html.UnescapeString(string(m[1])))
		return `a page of "` + by + `"`, by == command
	}
}

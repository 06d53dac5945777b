package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bankai"
	"bankai/dataset"
	"bankai/internal/recheck"
	"bankai/internal/source"
	"bankai/store"
)

// material gathers what claims can be measured on.
type material struct {
	probes   []source.Set // that were given
	examples []string     // files that were given
	found    map[bankai.Digest]probeContent
}

// probeContent is the content of a file of probes.
type probeContent struct {
	name string
	data []byte
}

// add takes files of probes or of examples.
func (m *material) add(paths []string) error {
	m.found = map[bankai.Digest]probeContent{}
	for _, path := range paths {
		s, notProbes := source.ReadSet(path)
		if notProbes == nil {
			file, _ := source.Split(path)
			data, err := source.Read(file)
			if err != nil {
				return err
			}
			m.found[s.Digest] = probeContent{file, data}
			m.probes = append(m.probes, s)
		}
		if strings.HasPrefix(path, source.Demo) {
			if notProbes != nil {
				return notProbes
			}
			continue
		}
		if _, err := dataset.ReadFiles([]string{path}, dataset.Options{}); err == nil {
			m.examples = append(m.examples, path)
		} else if notProbes != nil {
			return fmt.Errorf("%w; nor are there examples in it: %w", notProbes, err)
		}
	}
	return nil
}

// gather is all of it: what was given, the built-in sets, and what goes with the patches of
// the library.
func (m *material) gather() (out recheck.Material, err error) {
	out.File, out.Probes = m.file, m.probes
	for _, name := range demoSets(".json") {
		data, err := source.Read(name)
		if err != nil {
			return out, err
		}
		if err := m.take(&out, name, data); err != nil {
			return out, err
		}
	}
	m.kept(&out)
	for _, files := range pieces(m.examples) {
		d, err := dataset.ReadFiles(files, dataset.Options{})
		if err != nil {
			return out, err
		}
		out.Examples = append(out.Examples, d)
	}
	return out, nil
}

// piece is the end of the name of a further file of a set that adapt kept, of which every
// file has one kind of examples.
var piece = regexp.MustCompile(`-[0-9]+\.jsonl$`)

// pieces puts the files of one set together, in the order in which they were given.
func pieces(files []string) (sets [][]string) {
	at := map[string]int{}
	for _, f := range files {
		set := piece.ReplaceAllString(f, ".jsonl")
		if !slices.Contains(files, set) {
			set = f // what happens to end so
		}
		if _, there := at[set]; !there {
			at[set] = len(sets)
			sets = append(sets, nil)
		}
		sets[at[set]] = append(sets[at[set]], f)
	}
	return sets
}

// take adds a file of probes.
func (m *material) take(out *recheck.Material, name string, data []byte) error {
	s, err := source.ParseSet(name, data, "")
	if err != nil {
		return err
	}
	m.found[s.Digest] = probeContent{name, data}
	out.Known = append(out.Known, s)
	return nil
}

// kept adds the probes of the library. What cannot be read there is as if it were not.
func (m *material) kept(out *recheck.Material) {
	l, err := library()
	if err != nil {
		return
	}
	all, _ := l.List()
	for _, e := range all {
		for _, f := range e.Files {
			if _, there := m.found[f.Digest]; there || f.Kind != store.Probes {
				continue
			}
			if data, err := l.Blob(f.Digest); err == nil {
				_ = m.take(out, filepath.Base(f.Name), data) // it may be no set any more
			}
		}
	}
}

// file finds probes by the SHA-256 of their file.
func (m *material) file(d bankai.Digest) (data []byte, name string, ok bool) {
	f, ok := m.found[d]
	return f.data, f.name, ok
}

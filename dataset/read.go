package dataset

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bankai/chat"
	"bankai/internal/text"
)

// Options say how files are read. The zero value is for most.
type Options struct {
	// MostBad is the share of a file's records that may be bad, above which reading
	// fails; 0 is half.
	MostBad float64
}

// ReadFiles reads examples from files, each of its own format. Records that cannot be used
// are in Skipped; it is an error if they are too many, or if nothing is left.
func ReadFiles(paths []string, o Options) (*Dataset, error) {
	if len(paths) == 0 {
		return nil, errors.New("no files to learn from: name at least one")
	}
	r := newReader(o)
	for _, path := range paths {
		data, err := readBytes(path)
		if err != nil {
			return nil, err
		}
		if err := r.read(path, data); err != nil {
			return nil, err
		}
	}
	r.finish()
	return r.d, nil
}

// Read reads a file's content, as ReadFiles does; the name is for messages, and its
// extension counts.
func Read(name string, data []byte, o Options) (*Dataset, error) {
	data, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if strings.TrimSpace(string(data)) == "" {
		return nil, fmt.Errorf("%s is empty: there is nothing to learn from", name)
	}
	r := newReader(o)
	if err := r.read(name, data); err != nil {
		return nil, err
	}
	r.finish()
	return r.d, nil
}

type reader struct {
	d     *Dataset
	o     Options
	names map[string]bool
}

func newReader(o Options) *reader {
	if o.MostBad == 0 {
		o.MostBad = 0.5
	}
	return &reader{d: &Dataset{}, o: o, names: map[string]bool{}}
}

// read adds a file's examples.
func (r *reader) read(path string, data []byte) error {
	f := File{Path: path, Shape: shapeOf(path, data)}
	list, err := records(f.Shape, data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if f.Records = len(list); f.Records == 0 {
		return fmt.Errorf("%s has no examples", path)
	}
	if f.Format, err = commonFormat(path, list); err != nil {
		return err
	}
	before, skipped := len(r.d.Examples), len(r.d.Skipped)
	notes := tally{path: path}
	c := converter{file: &f, tally: notes.add}
	c.ignored = func(key string) {
		if !slices.Contains(f.Ignored, key) && len(f.Ignored) < 50 {
			f.Ignored = append(f.Ignored, key)
		}
	}
	c.labels = r.label
	var meant []string
	for i := range list {
		if f.Format != "" && list[i].fault == "" {
			if meant == nil {
				meant = f.Format.meant(list[i].keys)
			}
			for _, key := range list[i].keys {
				if !slices.Contains(meant, key) {
					c.ignored(text.Clip(text.Printable(key), 40))
				}
			}
		}
		r.record(&c, list[i])
		list[i] = record{}
	}
	f.Examples = len(r.d.Examples) - before
	r.d.Files = append(r.d.Files, f)
	r.d.Notes = append(r.d.Notes, notes.lines()...)
	return r.check(&f, r.d.Skipped[skipped:])
}

// commonFormat is the format of all records whose keys tell one.
func commonFormat(path string, list []record) (Format, error) {
	var format Format
	line := 0
	for i := range list {
		if list[i].fault != "" {
			continue
		}
		f := formatOf(list[i].keys)
		switch {
		case f == "":
			list[i].fault = unknownKeys("keys", list[i].keys)
		case format == "":
			format, line = f, list[i].line
		case f != format:
			return "", fmt.Errorf("%s: line %d holds %s, line %d %s: give files of one format each", path, line, format.about(), list[i].line, f.about())
		}
	}
	return format, nil
}

// record adds the examples of a record, and its faults.
func (r *reader) record(c *converter, rec record) {
	fault := func(reason string) {
		r.d.Skipped = append(r.d.Skipped, Fault{c.file.Path, rec.line, reason})
	}
	if rec.fault != "" {
		c.file.Bad++
		fault(rec.fault)
		return
	}
	examples, faults := c.convert(rec)
	group := filepath.Base(c.file.Path) + ":" + strconv.Itoa(rec.line)
	if c.file.Shape == JSON { // objects may share a line
		group += "/" + strconv.Itoa(len(r.d.Examples))
	}
	kept := 0
	for i, e := range examples {
		switch {
		case e.holds("\x00"):
			faults = append(faults, errors.New("it holds a NUL character: leave it out"))
			continue
		case e.Weight == 0:
			c.file.Left++
			continue
		case e.holds("\ufffd"):
			c.tally("holds U+FFFD, which stands for bytes that were read in the wrong encoding: look where the file was made", rec.line)
		}
		if e.Group == "" {
			e.Group = group
		}
		e.Name = r.name(e, i)
		r.d.Examples = append(r.d.Examples, e)
		kept++
	}
	for _, err := range faults {
		fault(err.Error())
	}
	if len(faults) > 0 && kept == 0 {
		c.file.Bad++
	}
}

// label takes in labels that there are, whether or not an example has them.
func (r *reader) label(names []string) {
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(r.d.Labels, name) {
			r.d.Labels = append(r.d.Labels, name)
		}
	}
}

// name is one that no example has yet.
func (r *reader) name(e Example, i int) string {
	name := e.Name
	if name == "" {
		name = filepath.Base(e.Source) + ":" + strconv.Itoa(e.Line)
	}
	if i > 0 {
		name += "." + strconv.Itoa(i+1)
	}
	for n, free := 2, name; ; n++ {
		if !r.names[free] {
			r.names[free] = true
			return free
		}
		free = name + "~" + strconv.Itoa(n)
	}
}

// holds says whether a part of the example's text does.
func (e *Example) holds(part string) bool {
	has := func(m chat.Message) bool {
		return strings.Contains(m.Content, part) || strings.Contains(m.Reasoning, part)
	}
	return strings.Contains(e.Prompt, part) || has(e.Want) || e.Rejected != nil && has(*e.Rejected) || slices.ContainsFunc(e.Messages, has)
}

// check fails if too much of a file is bad.
func (r *reader) check(f *File, faults []Fault) error {
	if f.Examples > 0 && float64(f.Bad) <= r.o.MostBad*float64(f.Records) {
		return nil
	}
	if len(faults) == 0 {
		return fmt.Errorf("%s: none of %s is for learning: all are marked as not to be learnt", f.Path, text.Count(f.Left, "answer"))
	}
	msg := fmt.Sprintf("%s: %d of %s cannot be used", f.Path, f.Bad, text.Plural(f.Records, f.Shape.one(), f.Shape.many()))
	if f.Bad < f.Records {
		msg += ", too many to go on without them"
	}
	for _, x := range faults[:min(3, len(faults))] {
		msg += "\n  " + x.String()
	}
	if len(faults) > 3 {
		msg += fmt.Sprintf("\n  and %d more", len(faults)-3)
	}
	return errors.New(msg)
}

func place(file string, line int) string { return file + ":" + strconv.Itoa(line) }

// tally counts what records of a file have in common, so that it is said once.
type tally struct {
	path   string
	order  []string
	counts map[string]int
	first  map[string]int // line
}

func (t *tally) add(what string, line int) {
	if t.counts == nil {
		t.counts, t.first = map[string]int{}, map[string]int{}
	}
	if t.counts[what]++; t.counts[what] == 1 {
		t.order = append(t.order, what)
		t.first[what] = line
	}
}

// lines say each of the things with a count and the first line.
func (t *tally) lines() []string {
	var out []string
	for _, what := range t.order {
		n := ""
		if t.counts[what] > 1 {
			n = fmt.Sprintf(" (so %d times)", t.counts[what])
		}
		out = append(out, fmt.Sprintf("%s: line %d %s%s", t.path, t.first[what], what, n))
	}
	return out
}

package experiment

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
	"bankai/store"
)

// inputs are the files that an experiment is given, read, and the facts that tell the
// journal which they were.
type inputs struct{ facts []Fact }

// add notes a fact.
func (in *inputs) add(name string, value any) {
	in.facts = append(in.facts, Fact{name, fmt.Sprint(value)})
}

// set reads a probe file as what a fact is called; no file, no probes.
func (in *inputs) set(name, from string) (set source.Set, err error) {
	if from != "" {
		set, err = source.ReadSet(from)
	}
	in.add(name, set.Identity())
	return set, err
}

// ModelFacts are what decides every experiment on a model, beside what it is given.
func ModelFacts(experiment string, m *engine.Model) []Fact {
	return []Fact{
		{"experiment", experiment},
		{"model", m.Digest().String()},
		{"settings", m.Weights().Arithmetic().Fingerprint().String()},
		{"precision", m.Precision().String()},
	}
}

// ReadPatches reads patches that are measured one by one, and checks each against the
// model. They are called as their files; where two files have one name, by the whole
// path, and where one is given twice, with a number.
func ReadPatches(from store.Reader, paths []string) ([]NamedPatch, error) {
	first, shared := map[string]string{}, map[string]bool{} // by name: a file, and whether there is another
	for _, path := range paths {
		name := store.Title(path)
		shared[name] = shared[name] || first[name] != "" && first[name] != path
		first[name] = path
	}
	taken := map[string]int{}
	var named []NamedPatch
	for _, path := range paths {
		p, err := from.Read(path)
		if err != nil {
			return nil, err
		}
		name := store.Title(path)
		if shared[name] {
			name = path
		}
		if taken[name]++; taken[name] > 1 {
			name = fmt.Sprintf("%s (%d)", name, taken[name])
		}
		named = append(named, NamedPatch{name, p})
	}
	return named, nil
}

// Together is patches as one: their XOR, under all their names.
func Together(m *engine.Model, patches []NamedPatch) (all NamedPatch, err error) {
	all.Patch = noPatch(m)
	var names []string
	for _, p := range patches {
		if all.Patch, err = all.Patch.Xor(p.Patch); err != nil {
			return all, fmt.Errorf("%s: %w", p.Name, err)
		}
		names = append(names, p.Name)
	}
	all.Name = strings.Join(names, " ^ ")
	return all, nil
}

// ReadPatching reads patches, none or more, that are applied together as an overlay.
func ReadPatching(m *engine.Model, from store.Reader, paths []string) (with Patching, err error) {
	sum, err := from.Sum(paths)
	if err != nil {
		return with, err
	}
	with.Name, with.ID = strings.Join(paths, " ^ "), fmt.Sprintf("%.16s", sum.ContentDigest())
	if with.Overlay, err = m.Overlay(sum); err == nil && len(paths) > 0 && with.Overlay == nil {
		err = fmt.Errorf("%s: together they flip nothing: give each patch once", text.Listed(paths))
	}
	return with, err
}

// Facts are what decides the pieces beside their keys.
func (o RobustnessOptions) Facts(seed uint64) []Fact {
	var in inputs
	in.add("text", fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(o.Lines, "\n")))))
	in.add("seed", seed)
	in.add("layers", o.Layers)
	return in.facts
}

// NewTextOptions cuts a text into the model's tokens, and returns what decides the pieces
// beside their keys. A window of 0 is 512 tokens, or the model's context if that is less;
// a stride of 0 is a window.
func NewTextOptions(m *engine.Model, name string, data []byte, window, stride int, with Patching) (TextOptions, []Fact, error) {
	o := TextOptions{Name: name, IDs: m.Tokenizer().Encode(string(data)), Patch: with}
	if most := m.Config().Context; window > most {
		return o, nil, fmt.Errorf("--window %d: the model's context is %d tokens: give no more", window, most)
	}
	o.Window = cmp.Or(window, min(512, m.Config().Context))
	o.Stride = cmp.Or(stride, o.Window)
	var in inputs
	in.add("text", fmt.Sprintf("%x", sha256.Sum256(data)))
	in.add("window", o.Window)
	in.add("stride", o.Stride)
	in.add("patch", with.ID)
	return o, in.facts, nil
}

// Read reads the probes, and returns what decides the pieces beside their keys.
func (o *LayersOptions) Read(probes string) ([]Fact, error) {
	var in inputs
	s, err := in.set("probes", probes)
	o.Name, o.Probes = s.Source, s.Set
	in.add("metric", o.Metric)
	return in.facts, err
}

// Read reads the probes, and the controls if single rows are sampled. It returns what
// decides the pieces beside their keys; the seed is that of the run.
func (o *ScaleOptions) Read(probes, controls string, seed uint64) ([]Fact, error) {
	var in inputs
	targets, err := in.set("probes", probes)
	if err != nil {
		return nil, err
	}
	o.Name, o.Probes = targets.Source, targets.Set
	if o.Sample > 0 {
		held, err := in.set("controls", controls)
		if err != nil {
			return nil, err
		}
		o.ControlName, o.Controls = held.Source, held.Set
	} else {
		in.add("controls", "none")
	}
	in.add("metric", o.Metric)
	in.add("seed", seed)
	return in.facts, nil
}

// AblateFiles are the files of [AblateOptions]: of probes, and of text; those of
// controls and text may be empty.
type AblateFiles struct {
	Pool, HeldOut, Controls, Text string
	Held                          int // held-out probes to draw, always the same ones; 0: all
}

// heldSeed draws the held-out probes, whatever seed the searches have.
const heldSeed = 1

// Read reads the files, and returns what decides a search beside its setting and its
// seed. Steps, costs and the base are set before.
func (o *AblateOptions) Read(files AblateFiles) ([]Fact, error) {
	var in inputs
	in.add("number of held-out probes", files.Held)
	in.add("steps", o.Steps)
	in.add("cost", o.MaxCost)
	in.add("slack", score.NewPlan(o.Base.Strategy).Objective.Slack)
	in.add("weight of the divergence", o.Divergence)
	for _, s := range []struct {
		name, from string
		to         *measure.Named
	}{{"search probes", files.Pool, &o.Pool}, {"held-out probes", files.HeldOut, &o.HeldOut}, {"controls", files.Controls, &o.Controls}} {
		read, err := in.set(s.name, s.from)
		if err != nil {
			return nil, err
		}
		*s.to = measure.Named{Name: s.from, Set: read.Set}
	}
	if files.Held > 0 {
		o.HeldOut.Set = o.HeldOut.Set.Draw(files.Held, heldSeed)
	}
	if files.Text != "" {
		var err error
		if o.Text, err = source.ReadLines(files.Text); err != nil {
			return nil, err
		}
	}
	in.add("control text", bankai.Digest(sha256.Sum256([]byte(strings.Join(o.Text, "\n")))))
	return in.facts, nil
}

// Read reads the files of o.Names and further sets, unless only times are measured, and
// returns what decides the figures beside the keys.
func (o *LoRAOptions) Read(also []string) ([]Fact, error) {
	var in inputs
	in.add("projections", strings.Join(o.Projections, ","))
	in.add("layers", o.Layers)
	in.add("training", fmt.Sprintf("%d steps, costs %v, rate %v, of signs %v, weights of the divergence %v", o.Steps, o.Costs, o.Rate, o.SignRate, o.KL))
	if o.OnlyTiming {
		return in.facts, nil
	}
	if o.Problems != nil {
		in.add("problems", o.Problems.ID)
	}
	for i, s := range []struct {
		name string
		to   *probe.Set
	}{{"probes", &o.Search}, {"controls", &o.Controls}, {"held-out", &o.HeldOut}} {
		read, err := in.set(s.name, o.Names[i])
		if err != nil {
			return nil, err
		}
		*s.to = read.Set
	}
	for _, from := range also {
		read, err := in.set("also "+from, from)
		if err != nil {
			return nil, err
		}
		o.Also = append(o.Also, measure.Named{Name: read.Source, Set: read.Set})
	}
	var err error
	if o.Text, err = source.ReadLines(o.Names[3]); err != nil {
		return nil, err
	}
	in.add("text", strings.Join(o.Text, "\n"))
	return in.facts, nil
}

// CutText cuts a text into windows of each size, to measure perplexity in, and returns
// what decides that.
func (o *LoRAOptions) CutText(m *engine.Model, name string, data []byte, sizes []int) (facts []Fact, err error) {
	for _, size := range sizes {
		cut, _, err := NewTextOptions(m, name, data, size, 0, Patching{})
		if err != nil {
			return nil, err
		}
		if _, err := cut.starts(); err != nil {
			return nil, err
		}
		o.Windows = append(o.Windows, cut)
	}
	return []Fact{{"windows", fmt.Sprintf("%v of %x", sizes, sha256.Sum256(data))}}, nil
}

// Rivals reads the patches to compare with, and finds the tensors that get adapters.
func (o *LoRAOptions) Rivals(m *engine.Model, from store.Reader, patches []string, layers []int) (err error) {
	if o.Patches, err = ReadPatches(from, patches); err != nil {
		return err
	}
	matrices, err := score.Matrices(m.Weights(), layers, o.Projections)
	if err != nil {
		return err
	}
	for _, w := range matrices {
		o.Tensors = append(o.Tensors, w.Name)
	}
	return nil
}

package main

import (
	"context"
	"fmt"

	"bankai/engine"
	"bankai/evaluate"
	"bankai/experiment"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/store"

	"github.com/spf13/cobra"
)

// answerFlags are those of the experiments that let a model answer probes with
// and without patches.
type answerFlags struct {
	experimentFlags
	probes  []string
	patches []string
}

// addAnswers declares --patch and --probes; several says that many files of
// probes may be given.
func (f *answerFlags) addAnswers(cmd *cobra.Command, patch string, several bool) {
	f.add(cmd)
	cmd.Flags().StringArrayVar(&f.patches, "patch", nil, patch)
	usage := "probe `FILE` that no search used"
	if several {
		usage += "; several: repeated, or with commas"
	}
	cmd.Flags().StringSliceVar(&f.probes, "probes", nil, usage+withBuiltIn("demo:heldout"))
}

// check refuses what cannot be right whatever the files hold, and sets the
// default. The command takes so many patches at least, and so many files of
// probes at most.
func (f *answerFlags) check(least, most int) error {
	if len(f.probes) == 0 && f.model.path == demoName {
		f.probes = []string{source.Demo + "heldout"}
	}
	switch {
	case len(f.patches) == 0:
		return usagef("give the patch with --patch")
	case len(f.patches) < least:
		return usagef("%s: give at least %d, each with --patch", text.Count(len(f.patches), "patch file"), least)
	case len(f.probes) == 0:
		return usagef("give the probe file with --probes: demo:heldout goes with the built-in model only")
	case len(f.probes) > most:
		return usagef("%d probe files: give one with --probes", len(f.probes))
	}
	return f.experimentFlags.check()
}

// namedSets reads probe files.
func namedSets(sources []string) ([]evaluate.Named, error) {
	sets, err := source.ReadSets(sources)
	return named(sets...), err
}

// namedPatches reads patches that are measured one by one, and checks each
// against the model. They are called as their files; where two files have one
// name, by the whole path, and where one is given twice, with a number.
func (a *app) namedPatches(m *engine.Model, paths []string) ([]experiment.NamedPatch, error) {
	first, shared := map[string]string{}, map[string]bool{} // by name: a file, and whether there is another
	for _, path := range paths {
		name := store.Title(path)
		shared[name] = shared[name] || first[name] != "" && first[name] != path
		first[name] = path
	}
	taken := map[string]int{}
	var named []experiment.NamedPatch
	for _, path := range paths {
		p, err := a.patches(m.Weights()).Read(path)
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
		named = append(named, experiment.NamedPatch{Name: name, Patch: p})
	}
	return named, nil
}

// answers opens the model, reads the patches, and does the experiment of a name.
// What decides a piece of the work, its key says.
func (a *app) answers(ctx context.Context, f *answerFlags, name string,
	measure func(ctx context.Context, r *experiment.Run, patches []experiment.NamedPatch, sets []evaluate.Named) (experiment.Result, error),
) error {
	sets, err := namedSets(f.probes)
	if err != nil {
		return err
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := fit(m, sets...); err != nil {
		return err
	}
	patches, err := a.namedPatches(m, f.patches)
	if err != nil {
		return err
	}
	return a.experiment(ctx, &f.experimentFlags, m, name, nil, func(ctx context.Context, r *experiment.Run) (experiment.Result, error) {
		return measure(ctx, r, patches, sets)
	})
}

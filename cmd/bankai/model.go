package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"bankai"
	"bankai/engine"
	"bankai/internal/flagtype"
	"bankai/internal/progress"
	"bankai/internal/source"
	"bankai/internal/weights"
	"bankai/store"

	"github.com/spf13/cobra"
)

// modelFlags choose a model to run and the patches on it.
type modelFlags struct {
	path      string
	precision flagtype.Choice[engine.Precision]
	patches   []string
	workers   workersFlags // of a command that declares them
}

// add declares --model and --precision.
func (f *modelFlags) add(cmd *cobra.Command) {
	modelFlag(cmd, &f.path)
	f.addPrecision(cmd)
}

// addPrecision declares --precision.
func (f *modelFlags) addPrecision(cmd *cobra.Command) {
	f.precision = flagtype.NewChoice(engine.Fast, "fast|exact", engine.ParsePrecision)
	cmd.Flags().Var(&f.precision, "precision", "of activations: fast (int8) or exact (float32, several times slower)")
	markSettable(cmd.Flags(), "precision")
}

// isBuiltIn reports whether the embedded model is meant.
func (f *modelFlags) isBuiltIn() bool { return f.path == source.DemoModel }

// modelFlag declares --model of a command that needs one.
func modelFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "model", "m", source.DemoModel, "`FILE` of the model (GGUF), its folder (MLX), a name that \"bankai pull\" downloaded, or demo")
	markSettable(cmd.Flags(), "model")
}

// oneModel is the model that an argument names, or else --model.
func oneModel(cmd *cobra.Command, args []string) (string, error) {
	f := cmd.Flags().Lookup("model")
	switch {
	case len(args) == 0:
		return f.Value.String(), nil
	case f.Changed:
		return "", usagef("give the model once: as an argument or with --model")
	}
	return args[0], nil
}

// otherModelFlag declares --model of a command that can do without one.
func otherModelFlag(cmd *cobra.Command, path *string, usage string) {
	cmd.Flags().StringVarP(path, "model", "m", "", usage)
}

// addPatch declares --patch.
func (f *modelFlags) addPatch(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.patches, "patch", nil, "`PATCH` to apply: a file, or a name of the library; may be repeated, patches combine by XOR")
	forceFlag(cmd)
}

const forceName = "force"

// forceFlag declares --force, which app.Force holds, unless the command has declared
// it in words of its own.
func forceFlag(cmd *cobra.Command) {
	if cmd.Flags().Lookup(forceName) == nil {
		cmd.Flags().Bool(forceName, false, "replace files that are no earlier result of this command, and take patches made for other settings of the model, or that must not be combined")
	}
}

// openWeights opens a model file or folder, or the embedded model.
func (a *app) openWeights(path string) (*weights.File, error) {
	return source.OpenModel(path, a.fileProgress(path))
}

// fileProgress shows work on a model file, each kind of it by a meter of its own.
func (a *app) fileProgress(path string) weights.Progress {
	meters := map[string]progress.Meter{}
	return func(what string, done, total int64) {
		m := meters[what]
		if m == nil {
			m = a.Meter(filepath.Base(path)+", "+what, total)
			meters[what] = m
			a.open = append(a.open, m)
		}
		m.Set(done, "")
		if done == total {
			m.Stop()
		}
	}
}

// openModel loads the model for running.
func (a *app) openModel(f *modelFlags) (*engine.Model, error) {
	return a.openChecked(f, func(*weights.File) error { return nil })
}

// openChecked loads the model for running if its file passes a check, which comes
// before the long part of the work.
func (a *app) openChecked(f *modelFlags, check func(*weights.File) error) (*engine.Model, error) {
	if err := a.patches(nil).CheckRefs(f.patches); err != nil {
		return nil, err
	}
	file, err := a.openWeights(f.path)
	if err != nil {
		return nil, err
	}
	if err := check(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	progress := a.fileProgress(f.path)
	m, err := engine.Load(file, engine.Options{
		Threads: int(a.threads), Precision: f.precision.Value,
		Progress: func(done, total int64) { progress("load", done, total) },
	})
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return m, nil
}

// openPatched loads the model, and the patches on it as an overlay.
func (a *app) openPatched(f *modelFlags) (*engine.Model, *engine.Overlay, error) {
	m, err := a.openModel(f)
	if err != nil {
		return nil, nil, err
	}
	overlay, err := a.overlay(m, f.patches)
	if err != nil {
		return nil, nil, errors.Join(err, m.Close())
	}
	return m, overlay, nil
}

// withWeights calls work with an open model file; with nil if path is empty.
func (a *app) withWeights(path string, work func(f *weights.File) error) error {
	if path == "" {
		return work(nil)
	}
	f, err := a.openWeights(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return work(f)
}

// patches reads patches for a model, or without one if that is nil.
func (a *app) patches(f *weights.File) store.Reader {
	r := store.Reader{Model: f, Force: a.Force, Warn: a.Warn}
	if dir, err := store.Home(); err == nil { // without a home, there are files alone
		r.Library = store.Open(dir)
	}
	return r
}

// library is the user's.
func library() (*store.Library, error) {
	dir, err := store.Home()
	if err != nil {
		return nil, err
	}
	l := store.Open(dir)
	if err := l.Usable(); err != nil {
		return nil, err
	}
	return l, nil
}

// overlay reads patches and combines them for a model. It is nil if there
// are none.
func (a *app) overlay(m *engine.Model, paths []string) (*engine.Overlay, error) {
	p, err := a.patches(m.Weights()).Sum(paths)
	if err != nil {
		return nil, err
	}
	return m.Overlay(p)
}

// short is a digest as people compare it.
func short(d bankai.Digest) string { return fmt.Sprintf("%.12s…", d) }

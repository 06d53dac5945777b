package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/models/demo"

	"github.com/spf13/cobra"
)

// demoName is what the embedded model is called where a file is asked for.
const demoName = "demo"

// modelFlags choose a model to run and the patches on it.
type modelFlags struct {
	path      string
	precision choice[engine.Precision]
	patches   []string
}

// add declares --model and --precision.
func (f *modelFlags) add(cmd *cobra.Command) {
	modelFlag(cmd, &f.path)
	f.precision = choice[engine.Precision]{engine.Fast, "fast|exact", engine.ParsePrecision}
	cmd.Flags().Var(&f.precision, "precision", "of activations: fast (int8) or exact (float32, several times slower)")
	markSettable(cmd.Flags(), "precision")
}

// modelFlag declares --model of a command that needs one.
func modelFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "model", "m", demoName, "`FILE` of the model (GGUF), its folder (MLX), or demo")
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
	cmd.Flags().StringArrayVar(&f.patches, "patch", nil, "patch `FILE` to apply; may be repeated, patches combine by XOR")
	forceFlag(cmd)
}

const forceName = "force"

// forceFlag declares --force, which app.force holds, unless the command has declared
// it in words of its own.
func forceFlag(cmd *cobra.Command) {
	if cmd.Flags().Lookup(forceName) == nil {
		cmd.Flags().Bool(forceName, false, "replace files that are no earlier result of this command, and take patches made for other settings of the model")
	}
}

// openWeights opens a model file or folder, or the embedded model.
func (a *app) openWeights(path string) (*weights.File, error) {
	switch path {
	case "":
		return nil, errors.New("the model's name is empty: give a GGUF file, an MLX folder, or demo")
	case demoName:
		return weights.FromBytes(demoName, demo.Model())
	}
	return weights.OpenWatched(path, a.fileProgress(path))
}

// fileProgress shows work on a model file, each kind of it by a meter of its own.
func (a *app) fileProgress(path string) weights.Progress {
	meters := map[string]*meter{}
	return func(what string, done, total int64) {
		m := meters[what]
		if m == nil {
			m = a.meter(filepath.Base(path)+", "+what, total)
			meters[what] = m
			a.open = append(a.open, m)
		}
		m.set(done, "")
		if done == total {
			m.stop()
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
	if err := checkPatches(f.patches); err != nil {
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
		Threads: int(a.threads), Precision: f.precision.value,
		Progress: func(done, total int64) { progress("load", done, total) },
	})
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return m, nil
}

// checkPatches refuses patch files that cannot be read, before a model is opened for
// them.
func checkPatches(paths []string) error {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			continue // a pipe can be read once only
		}
		if _, err := bankai.ReadFile(path); err != nil {
			return err
		}
	}
	return nil
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

// modelName is what people call a model: the name in the file, or the file's.
func modelName(path string, c weights.Config) string {
	if path == demoName || c.Name == "" {
		return filepath.Base(path)
	}
	return c.Name
}

// modelRef says in a result which model it is of.
type modelRef struct {
	Name   string        `json:"name"` // what people call it
	Path   string        `json:"path"` // as on the command line
	Digest bankai.Digest `json:"digest"`
}

func modelOf(path string, f *weights.File) modelRef {
	return modelRef{text.Line(modelName(path, f.Config())), path, f.Digest()}
}

// String is the name, and the file if that is called otherwise.
func (r modelRef) String() string { return titled(r.Path, r.Name) }

// overlay reads patch files and combines them for a model. It is nil if there
// are none.
func (a *app) overlay(m *engine.Model, paths []string) (*engine.Overlay, error) {
	p, err := a.readPatches(m.Weights(), paths)
	if err != nil {
		return nil, err
	}
	return m.Overlay(p)
}

// readPatches reads patch files, checks each against the model, and returns
// their XOR, bound to the model.
func (a *app) readPatches(f *weights.File, paths []string) (*bankai.Patch, error) {
	_, sum, err := a.combine(f, paths)
	if err != nil {
		return nil, err
	}
	return sum.WithBase(f.Digest()), nil
}

// combine reads patch files, checks each against the model, unless that is nil,
// and returns them, each with a name, and their XOR. The same patch twice is an error, since it would
// do nothing; other patches that cancel are only warned of.
func (a *app) combine(f *weights.File, paths []string) (all []*bankai.Patch, sum *bankai.Patch, err error) {
	sum = bankai.New(bankai.Digest{}, bankai.Meta{})
	first := map[bankai.Digest]string{} // by what a patch flips: its file
	for _, path := range paths {
		p, err := a.readPatch(f, path)
		if err != nil {
			return nil, nil, err
		}
		flips := p.WithBase(bankai.Digest{}).ContentDigest()
		if same, there := first[flips]; there && p.Len() > 0 {
			if same == path {
				return nil, nil, fmt.Errorf("%s: is given twice, and both together do nothing: give it once", path)
			}
			return nil, nil, fmt.Errorf("%s: flips what %s flips, so that both together do nothing: give one of them", path, same)
		}
		first[flips] = path
		if sum, err = sum.Xor(p); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, withName(p, path))
	}
	switch {
	case sum.Len() > 0, len(paths) == 0:
	case len(paths) == 1:
		a.warn("%s flips nothing: the model stays as it is", paths[0])
	default:
		a.warn("%s cancel to nothing: the model stays as it is", text.Listed(paths))
	}
	return all, sum, nil
}

// withName is a patch that is called as its file unless it has a name.
func withName(p *bankai.Patch, path string) *bankai.Patch {
	meta := p.Meta()
	if meta.Name == "" {
		meta.Name = fileTitle(path)
	}
	return p.WithMeta(meta)
}

// readPatch reads one patch file and checks it against the model, unless that is
// nil. The patch it returns knows the model's shapes. With --force, a patch that was
// made on another arithmetic is taken, without what was measured of it.
func (a *app) readPatch(f *weights.File, path string) (*bankai.Patch, error) {
	p, err := bankai.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return a.checkPatch(f, p, path)
}

// checkPatch checks a patch that was read from a file against the model, unless that is
// nil. The patch it returns knows the model's shapes.
func (a *app) checkPatch(f *weights.File, p *bankai.Patch, path string) (*bankai.Patch, error) {
	if f == nil {
		return p, nil
	}
	fitted, err := f.Fit(p)
	if errors.Is(err, bankai.ErrArithmeticMismatch) && a.force {
		a.warn("%s: %v; taken because of --force, without what was measured of it", path, err)
		meta := p.Meta()
		meta.Arithmetic, meta.Claims = f.Arithmetic(), nil
		fitted, err = f.Fit(p.WithMeta(meta))
	}
	if errors.Is(err, bankai.ErrArithmeticMismatch) {
		err = fmt.Errorf("%w, or take the patch all the same with --force", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if p.Base().IsZero() {
		a.warn("%s does not say which model it was made for%s; its shape fits", path, named(p.Meta().BaseModel))
	}
	return fitted, nil
}

// short is a digest as people compare it.
func short(d bankai.Digest) string { return fmt.Sprintf("%.12s…", d) }

// named puts a name in brackets behind something, nothing where there is none.
func named(name string) string {
	if name = strings.TrimSpace(name); name == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", name)
}

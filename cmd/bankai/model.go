package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bankai"
	"bankai/engine"
	"bankai/internal/weights"
	"bankai/models/demo"
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
	cmd.Flags().StringVar(&f.path, "model", demoName, "`FILE` of the model (GGUF), its folder (MLX), or demo")
	f.precision = choice[engine.Precision]{engine.Fast, "fast|exact", engine.ParsePrecision}
	cmd.Flags().Var(&f.precision, "precision", "of activations: fast (int8) or exact (float32, several times slower)")
}

// addPatch declares --patch.
func (f *modelFlags) addPatch(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.patches, "patch", nil, "patch `FILE` to apply; may be repeated, patches combine by XOR")
	forceFlag(cmd)
}

const forceName = "force"

// forceFlag declares --force, which app.force reads, unless the command has it for
// something else too.
func forceFlag(cmd *cobra.Command) {
	if cmd.Flags().Lookup(forceName) == nil {
		cmd.Flags().Bool(forceName, false, "take a patch that was made for a model of the same weights with other settings")
	}
}

// openWeights opens a model file or folder, or the embedded model.
func openWeights(path string) (*weights.File, error) {
	if path == demoName {
		return weights.FromBytes(demoName, demo.Model())
	}
	return weights.Open(path)
}

// openModel loads the model for running.
func (a *app) openModel(f *modelFlags) (*engine.Model, error) {
	file, err := openWeights(f.path)
	if err != nil {
		return nil, err
	}
	m, err := engine.Load(file, engine.Options{Threads: int(a.threads), Precision: f.precision.value})
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
func withWeights(path string, work func(f *weights.File) error) error {
	if path == "" {
		return work(nil)
	}
	f, err := openWeights(path)
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
		a.warn("%s cancel to nothing: the model stays as it is", listed(paths))
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
	if err != nil || f == nil {
		return p, err
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

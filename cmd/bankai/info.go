package main

import (
	"bytes"
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func (a *app) infoCommand() *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "what a model or a patch file holds",
		Long: `Tells what is in a file: a model (GGUF, one part of a split one, an MLX folder,
or demo) or a patch (.bankai or JSON), recognised by its content.

Of a model: its architecture and shapes, how much of it is 1-bit, and the
digest that patches are bound to. The digest covers the weights and nothing
else, so it is the same for every file that holds the same model. The fingerprint
covers the settings that decide its answers beside them. Of a patched copy: which
patches are in it.

Of a patch: what it flips, by layer and projection, the model it is for, where
it comes from, and what was measured of it. Old patch files do not say how wide
a row is; with --model the number of bits is known all the same, and the patch
is checked against the model.`,
		Example: `  bankai info demo
  bankai info fix.bankai
  bankai info old.json --model demo --json`,
		Args: arguments(1, 1, "one file, or demo"),
		RunE: a.do(func(_ context.Context, args []string) error {
			if isStream(args[0]) {
				return a.streamInfo(args[0], model)
			}
			isModel, err := isModel(args[0])
			switch {
			case err != nil:
				return err
			case isModel && model != "":
				return usagef("--model is for patches, and %s is a model", args[0])
			case isModel:
				return a.modelInfo(args[0])
			}
			return a.patchInfo(args[0], model)
		}),
	}
	otherModelFlag(cmd, &model, "model `FILE` (or demo) to check a patch against")
	forceFlag(cmd)
	return cmd
}

// isStream reports whether a path is something that can be read once only.
func isStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && !info.Mode().IsRegular()
}

// isModel reports whether a file begins as a GGUF file does, or is a folder.
func isModel(path string) (bool, error) {
	if path == demoName {
		return true, nil
	}
	if isFolder(path) {
		return true, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start := make([]byte, 4)
	n, err := io.ReadFull(f, start)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return bytes.Equal(start[:n], []byte("GGUF")), err
}

// isFolder reports whether there is a folder of that name.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

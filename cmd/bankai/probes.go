package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bankai/internal/durable"
	"bankai/probe"
)

func (a *app) probesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probes",
		Short: "make probe files: fill in templates, mine wrong answers, split",
		Long: `Makes probe files that a search can use. From a few templates to sets that share
no prompt it is three steps: expand fills in the templates, mine asks the model
for its own wrong answers, split makes the sets for searching, for choosing and
for the result.

Audit looks for what is wrong with a probe file.`,
	}
	asGroup(cmd)
	cmd.AddCommand(a.expandCommand(), a.mineCommand(), a.splitCommand())
	return cmd
}

// probeFile is a probe file that was written.
type probeFile struct {
	Path   string `json:"path"`
	Role   string `json:"role"`
	Probes int    `json:"probes"`
}

// writeSet writes a probe file, whole or not at all.
func (a *app) writeSet(ctx context.Context, s probe.Set, o *durable.Output, role string) (probeFile, error) {
	return probeFile{o.Path, role, len(s)}, a.put(ctx, o, s.WriteJSON)
}

// probesOutput is an output for probes. An earlier file is kept under a number, even
// one that could be made again: the file does not tell whether a hand changed it.
func (a *app) probesOutput(path string) *durable.Output {
	return a.found(path, someProbes)
}

// probesOut declares -o for one file.
func probesOut(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("out", "o", "", "`FILE` to write, ending in .json")
}

// checkProbesOut refuses an output name before the work for it is done.
func checkProbesOut(path string) error {
	if path == "" {
		return usagef("give a name for the probe file with -o, ending in .json")
	}
	if strings.ToLower(filepath.Ext(path)) != ".json" {
		return usagef("-o %s: the name of the probe file ends in .json", path)
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"bankai/internal/kernel"
	"bankai/internal/program"
	"bankai/internal/terminal"
)

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "version, build and the kernels this CPU can run",
		Long: `Prints the version, what it was built from and with, and the kernel sets that
this CPU can run, fastest first. All give the same results to the bit;
BANKAI_KERNEL chooses one.`,
		Example: `  bankai version`,
		Args:    arguments(0, 0, "none"),
		RunE: a.do(func(context.Context, []string) error {
			kernels := []string{}
			for _, s := range kernel.Available() {
				kernels = append(kernels, s.Name)
			}
			doc := struct {
				Version  string   `json:"version"`
				Revision string   `json:"revision"`
				Go       string   `json:"go"`
				Platform string   `json:"platform"`
				Kernels  []string `json:"kernels"`
			}{program.Version, program.Revision(), runtime.Version(), program.Platform(), kernels}
			return a.Print(doc, func(w io.Writer) {
				terminal.WriteFacts(w,
					terminal.Fact{"bankai", doc.Version}, terminal.Fact{"revision", doc.Revision}, terminal.Fact{"built with", doc.Go},
					terminal.Fact{"platform", doc.Platform}, terminal.Fact{"kernels", strings.Join(kernels, ", ")})
			})
		}),
	}
}

// versionText is what --version prints.
func (a *app) versionText() (string, error) {
	if !a.JSON {
		return program.Tool() + "\n", nil
	}
	text, err := json.Marshal(map[string]string{"version": program.Version})
	return string(text) + "\n", err
}

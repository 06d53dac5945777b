package main

import (
	"context"
	"encoding/json"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"bankai/internal/kernel"
)

func (a *app) versionCommand() *cobra.Command {
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
			}{version, revision(), runtime.Version(), platform(), kernels}
			return a.print(doc, func(w io.Writer) {
				writeFacts(w,
					fact{"bankai", doc.Version}, fact{"revision", doc.Revision}, fact{"built with", doc.Go},
					fact{"platform", doc.Platform}, fact{"kernels", strings.Join(kernels, ", ")})
			})
		}),
	}
}

// versionText is what --version prints.
func (a *app) versionText() (string, error) {
	if !a.json {
		return toolName() + "\n", nil
	}
	text, err := json.Marshal(map[string]string{"version": version})
	return string(text) + "\n", err
}

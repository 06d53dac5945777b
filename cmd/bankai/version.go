package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"bankai/internal/kernel"
	"bankai/internal/terminal"
)

// version of the program. It is written into patches.
const version = "0.1.0"

func toolName() string { return "bankai " + version }

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
			}{version, revision(), runtime.Version(), platform(), kernels}
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
		return toolName() + "\n", nil
	}
	text, err := json.Marshal(map[string]string{"version": version})
	return string(text) + "\n", err
}

// revision is the commit the program was built from, if it is known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	text, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text = fmt.Sprintf("%.12s", s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if text == "" {
		return ""
	}
	return text + changed
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

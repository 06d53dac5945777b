package main

import (
	"context"
	"fmt"
)

// pullOCI pulls a patch from a registry of container images, or from a layout of one.
func pullOCI(_ context.Context, _ *app, ref string, _ *pullFlags) error {
	return fmt.Errorf("%s: is no reference: write hf:OWNER/REPO[/FILE], ollama:NAME, or a name that bankai pull lists", ref)
}

//go:build nocluster || js

package main

import (
	"context"
	"errors"

	"bankai/engine"
)

// errNoCluster is what a build answers that was made without work on several machines.
var errNoCluster = errors.New("this build works on one machine: it was made with the tag nocluster, or for a browser; take one without for --workers, worker and workers")

func openMachines(context.Context, *app, *modelFlags, *engine.Model) (machines, error) {
	return nil, errNoCluster
}

func runWorker(context.Context, *app, *workerFlags) error { return errNoCluster }

func listWorkers(context.Context, *app, string, *accessFlags) ([]workerDoc, error) {
	return nil, errNoCluster
}

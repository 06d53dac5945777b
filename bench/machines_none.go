//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

// benchMachines needs signals that stop processes, /proc and mounts.
func benchMachines(context.Context, []string, io.Writer) error {
	return errors.New("machines: this measure runs on Linux alone")
}

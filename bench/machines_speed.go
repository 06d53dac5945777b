//go:build linux

package main
import ("context";"io";"time";"errors")
func (r *rig) speed(ctx context.Context, rounds int, out io.Writer) error { return errors.New("x") }
func (r *rig) soak(ctx context.Context, d time.Duration, seed uint64, out io.Writer) error { return errors.New("x") }

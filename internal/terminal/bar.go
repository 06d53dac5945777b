//go:build !wasm

package terminal

import (
	"io"
	"os"
	"syscall"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Endings are the signals that end the work cleanly: Ctrl-C, a request to stop, the
// end of the terminal.
var Endings = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// bar shows progress on a terminal.
type bar struct {
	all *mpb.Progress
	one *mpb.Bar
}

// newBar shows which part of total there is, and a remark that may change.
func newBar(w io.Writer, what string, total int64, remark func() string) *bar {
	all := mpb.New(mpb.WithOutput(w), mpb.WithWidth(30))
	return &bar{all, all.New(total, mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(what+"  "), decor.Percentage(decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + remark() })))}
}

func (b *bar) set(done int64) { b.one.SetCurrent(done) }

// above writes a line above the bar, unless it is gone.
func (b *bar) above(line string) bool {
	_, err := b.all.Write([]byte(line + "\n"))
	return err == nil
}

// stop takes the bar away.
func (b *bar) stop() {
	b.one.Abort(true)
	b.all.Wait()
}

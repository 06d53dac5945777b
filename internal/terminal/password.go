package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrNoTerminal says that there is nobody to ask for a password.
var ErrNoTerminal = errors.New("there is no terminal to ask for the password")

// ReadPassword asks for a password on a terminal, which does not show it. When ctx ends,
// the terminal is as it was found. The error is ErrNoTerminal where in is none.
func (c *Console) ReadPassword(ctx context.Context, in io.Reader, prompt string) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", ErrNoTerminal
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(c.Stderr, prompt)
	defer fmt.Fprintln(c.Stderr) // the end of the line was not shown either
	type result struct {
		password []byte
		err      error
	}
	read := make(chan result, 1)
	go func() {
		password, err := term.ReadPassword(fd)
		read <- result{password, err}
	}()
	select {
	case r := <-read:
		return string(r.password), r.err
	case <-ctx.Done():
		term.Restore(fd, before)
		return "", ctx.Err()
	}
}

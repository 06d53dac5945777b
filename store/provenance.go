package store

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"bankai"
)

// Provenance is what a run of a program knows of all patches that it makes.
type Provenance struct {
	Tool    string // the program, with its version
	Command string // what was asked of it, as a line for a shell
}

// Stamp adds the provenance to a patch's metadata, with the time, and a name after
// the file that the patch goes to if there is none. The time is SOURCE_DATE_EPOCH
// where the environment sets it, in seconds since 1970; the error is that it holds
// something else.
func (p Provenance) Stamp(meta bankai.Meta, path string) (bankai.Meta, error) {
	created, err := Now()
	if err != nil {
		return meta, err
	}
	meta.Created, meta.Tool, meta.Command = created, p.Tool, p.Command
	return titled(meta, path), nil
}

// Now is the time that patches and signatures are stamped with: SOURCE_DATE_EPOCH, if it
// is set.
func Now() (time.Time, error) {
	text, ok := os.LookupEnv("SOURCE_DATE_EPOCH")
	if !ok || text == "" {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: want seconds since 1970, or leave it unset", text)
	}
	return time.Unix(seconds, 0), nil
}

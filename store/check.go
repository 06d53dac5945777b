package store

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"bankai"
)

// Fault is what is wrong in a library.
type Fault struct {
	What string `json:"what"` // the name, or the file
	Why  string `json:"why"`
	Lost bool   `json:"lost"` // something that was added is not there as it was; else a strange file
}

// Check reads everything, and says what is not as it was added, and what is there that
// the library did not make.
func (l *Library) Check(ctx context.Context) (faults []Fault, err error) {
	c := checker{Library: l}
	names, unread, err := l.names()
	if err != nil {
		return nil, err
	}
	for _, f := range unread {
		what, why, _ := strings.Cut(f.Error(), ": ")
		c.faults = append(c.faults, Fault{What: what, Why: why, Lost: true})
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return c.faults, ctx.Err()
		}
		tags, err := l.tags(name)
		if err != nil {
			c.lost(name, err)
			continue
		}
		for _, tag := range tags.names() {
			c.entry(tags.Tags[tag])
		}
	}
	c.strange()
	return c.faults, nil
}

type checker struct {
	*Library
	faults []Fault
}

func (c *checker) lost(what string, why error) {
	c.faults = append(c.faults, Fault{what, why.Error(), true})
}

// entry checks that what an entry says is so.
func (c *checker) entry(e Entry) {
	if _, err := c.Patch(e); err != nil {
		c.lost(e.Ref(), err)
		return
	}
	for _, f := range e.Files {
		if _, err := c.Blob(f.Digest); err != nil {
			c.lost(e.Ref(), fmt.Errorf("%s: what goes with it, %s: %w", e.Ref(), f.Name, err))
		}
	}
}

// strange finds what no library makes.
func (c *checker) strange() {
	for _, f := range []struct {
		path []string
		own  func(e fs.DirEntry) bool
	}{
		{nil, func(e fs.DirEntry) bool {
			return slices.Contains([]string{lockFile, blobFolder, nameFolder, signatureFolder, keyFolder}, e.Name()) || slices.Contains(ownKeys, e.Name())
		}},
		{[]string{blobFolder}, func(e fs.DirEntry) bool { return e.Name() == hashFolder && e.IsDir() }},
		{[]string{blobFolder, hashFolder}, func(e fs.DirEntry) bool { return isDigest(e.Name()) && e.Type().IsRegular() }},
		{[]string{signatureFolder}, func(e fs.DirEntry) bool { return isDigest(e.Name()) && e.IsDir() }},
		{[]string{keyFolder}, isKeyFile},
	} {
		entries, err := c.entries(f.path...)
		if err != nil {
			c.faults = append(c.faults, Fault{What: c.at(f.path...), Why: err.Error()})
			continue
		}
		for _, e := range entries {
			if !f.own(e) && !isUnfinished(e.Name()) {
				c.faults = append(c.faults, Fault{What: c.at(append(f.path, e.Name())...), Why: "is nothing that the library made, and left alone"})
			}
		}
	}
}

// isUnfinished reports whether a file is one that is being written, or whose writer was
// killed: the next one removes it.
func isUnfinished(name string) bool {
	return strings.HasPrefix(name, "bankai-") && strings.HasSuffix(name, ".tmp")
}

func isDigest(name string) bool {
	_, err := bankai.ParseDigest(name)
	return err == nil
}

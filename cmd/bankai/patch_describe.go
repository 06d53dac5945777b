package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"bankai"
	"bankai/internal/outputs"
	"bankai/store"

	"github.com/spf13/cobra"
)

// saidFlags are what a person says of a patch.
type saidFlags struct{ author, license, description string }

// add declares --author, --license and --description.
func (f *saidFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.author, "author", "", "`WHO` made the patch, as the patch is to say")
	flags.StringVar(&f.license, "license", "", "of the patch, as the patch is to say: an SPDX `IDENTIFIER` such as Apache-2.0, or words")
	flags.StringVar(&f.description, "description", "", "`TEXT` on what the patch is for")
}

// check refuses what could not be shown on a line.
func (f *saidFlags) check() error {
	return cmp.Or(checkLine("author", f.author), checkLine("license", f.license))
}

func checkLine(flag, text string) error {
	if strings.ContainsAny(text, "\r\n") {
		return usagef("--%s %.40q: give it on one line", flag, text)
	}
	return nil
}

// meta is what was said.
func (f *saidFlags) meta() bankai.Meta {
	return bankai.Meta{Author: f.author, License: f.license, Description: f.description}
}

// describeFlags are those of `patch describe`.
type describeFlags struct {
	saidFlags
	out       string
	name      string
	conflicts []string
	changed   func(flag string) bool // it was given
}

func describeCommand(a *app) *cobra.Command {
	f := &describeFlags{}
	cmd := &cobra.Command{
		Use:   "describe P -o Q",
		Short: "say what a patch is for, whose it is, and what it does not go with",
		Long: `Writes a patch with other words about it: its name, description, author and
license, and patches that it must not be combined with. What it flips, and what
was measured of it, stays as it is. What no flag is given for stays, too; an
empty text takes out what was there.

A signature covers all that a patch says: sign the new one.

--conflicts-with FILE=WHY says that this patch and the one in FILE must not be
applied together, and why. Commands that combine patches refuse the two then,
unless --force is given, and so does the server.`,
		Example: `  bankai patch describe fix.bankai -o said.bankai --author Ada --license MIT --description 'derivatives'
  bankai patch describe fix.bankai -o careful.bankai --conflicts-with 'other.json=both flip what sums need'`,
		Args: arguments(1, 1, "one patch"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := cmp.Or(checkPatchName(f.out), f.check(), checkLine("name", f.name)); err != nil {
				return err
			}
			return f.describe(ctx, a, args[0])
		}),
	}
	f.changed = cmd.Flags().Changed
	outFlag(cmd, &f.out, patchNames)
	cmd.Flags().StringVar(&f.name, "name", "", "what the patch is called")
	f.add(cmd)
	cmd.Flags().StringArrayVar(&f.conflicts, "conflicts-with", nil, "`FILE=WHY` of a patch that must not be combined with this one; may be repeated")
	cmd.Flags().Bool(forceName, false, "replace files that are no earlier result of this command")
	return cmd
}

func (f *describeFlags) describe(ctx context.Context, a *app, ref string) error {
	reader := a.patches(nil)
	p, err := reader.Raw(ref)
	if err != nil {
		return err
	}
	meta := p.Meta()
	for _, x := range []struct {
		flag       string
		text, said *string
	}{{"name", &meta.Name, &f.name}, {"description", &meta.Description, &f.description}, {"author", &meta.Author, &f.author}, {"license", &meta.License, &f.license}} {
		if f.changed(x.flag) {
			*x.text = *x.said
		}
	}
	for _, said := range f.conflicts {
		c, err := conflictWith(reader, p, said)
		if err != nil {
			return err
		}
		meta.Conflicts = append([]bankai.Conflict{c}, meta.Conflicts...) // the last one said comes first, and stays
	}
	p = p.WithMeta(meta)
	o := a.Derived(f.out, outputs.SamePatch(p))
	if err := o.Check(); err != nil {
		return err
	}
	return writeResult(ctx, a, p, o)
}

// conflictWith is what FILE=WHY says of the patch in FILE and p.
func conflictWith(r store.Reader, p *bankai.Patch, text string) (bankai.Conflict, error) {
	ref, why, _ := strings.Cut(text, "=")
	if _, err := os.Stat(text); err == nil {
		ref, why = text, "" // a file's name may have a = in it
	}
	q, err := r.Read(ref)
	if err != nil {
		return bankai.Conflict{}, err
	}
	sum, err := p.Xor(q)
	switch {
	case err != nil: // they cannot be combined in any case
		return bankai.Conflict{}, fmt.Errorf("%s: %w", ref, err)
	case sum.Len() == 0:
		return bankai.Conflict{}, fmt.Errorf("%s: flips what the patch itself flips: name another one", ref)
	}
	c := bankai.Conflict{Content: q.ContentDigest(), Name: q.Meta().Name, Why: strings.TrimSpace(why)}
	if c.Name == "" {
		c.Name = store.Title(ref)
	}
	return c, nil
}

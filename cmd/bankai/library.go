package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"bankai"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/store"
	"bankai/store/signature"

	"github.com/spf13/cobra"
)

func libraryCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "library",
		Short: "keep patches by name, with what goes with them",
		Long: `The library is a folder of patches by name: BANKAI_HOME, or bankai in your folder
for data. Wherever a command takes a patch, it takes a name of the library, and
"bankai serve" offers all that were made for its model.

  math                  the patch of that name: its tag "latest"
  math:v2               the one with the tag v2
  math@sha256:HEX       math, if it still is that patch
  sha256:HEX            any patch by its digest, of which 12 digits will do

Names and tags have the characters a-z, 0-9, '.', '_' and '-'. A file of the same
name comes first. What is added stays as it was to the byte: patches, and what
goes with them, are kept by their digests, and read again whenever they are used.
Any number of processes may use the library at once.`,
	}
	asGroup(cmd)
	cmd.AddCommand(libraryListCommand(a), libraryAddCommand(a), libraryShowCommand(a), libraryRemoveCommand(a), libraryVerifyCommand(a), libraryCompareCommand(a), libraryTrustCommand(a), libraryCollectCommand(a))
	return cmd
}

// keptDoc is a patch of the library as commands tell of it.
type keptDoc struct {
	store.Entry
	Ref        string `json:"ref"` // what other commands take
	signedPart        // by whom of those whom the user trusts
	signer     signature.Signer
	unsigned   error // why nobody who is trusted is the signer
}

// keptList is what of the library was listed, added or removed.
type keptList struct {
	Folder  string    `json:"folder"`
	Patches []keptDoc `json:"patches"`
}

func keptDocs(a *app, l *store.Library, all []store.Entry) []keptDoc {
	docs := []keptDoc{}
	trust := a.trust(l)
	for _, e := range all {
		docs = append(docs, kept(l, e, trust))
	}
	return docs
}

func libraryListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:        "list",
		Short:      "list the patches that there are",
		SuggestFor: []string{"ls"},
		Long: `Lists the patches of the library by name and tag, with the models they were made
for. A tag that is the same patch as the name alone stands on a line of its own.`,
		Example: `  bankai library list
  bankai library list --json`,
		Args: arguments(0, 0, "none"),
		RunE: a.doAsBuilt(func(context.Context, []string) error {
			l, err := library()
			if err != nil {
				return err
			}
			all, failed := l.List()
			if failed != nil && len(all) == 0 {
				return failed
			}
			doc := keptList{l.Dir(), keptDocs(a, l, all)}
			err = a.Print(doc, func(w io.Writer) { writeKept(w, l, doc.Patches) })
			if err == nil {
				err = failed
			}
			return err
		}),
	}
}

func writeKept(w io.Writer, l *store.Library, all []keptDoc) {
	if len(all) == 0 {
		fmt.Fprintf(w, "%s has no patches yet: bankai library add FILE\n", l.Dir())
		return
	}
	t := text.Table{Right: []bool{false, true, true}}
	t.Add("name", "flips", "bytes", "digest", "added", "signed by", "model")
	for _, e := range all {
		t.Add(e.Ref, e.Flips, text.Thousands(e.Bytes), fmt.Sprintf("%.12s", e.Patch), e.Added.Format("2006-01-02"), e.signedByText(), modelOf(e.Entry))
	}
	io.WriteString(w, t.String())
}

// modelOf is the model of a patch, as far as it says.
func modelOf(e store.Entry) string {
	switch name := text.Clip(text.Line(e.Model), 40); {
	case e.Base.IsZero():
		return strings.TrimSpace(name + " (not bound)")
	case name == "":
		return short(e.Base)
	default:
		return fmt.Sprintf("%s (%s)", name, short(e.Base))
	}
}

// addFlags are those of `library add`.
type addFlags struct {
	name string
	with []string // files
}

func libraryAddCommand(a *app) *cobra.Command {
	f := &addFlags{}
	cmd := &cobra.Command{
		Use:        "add P...",
		Short:      "keep a patch under a name",
		SuggestFor: []string{"tag", "import"},
		Long: `Keeps patches in the library, each under its file's name, or one under the name
that is given. What goes with a patch is kept beside it, and sent along when it
is pushed: --with the sets that its claims are about, so that others can measure
them again (demo:heldout and the like need not be given), a report (.html), a
model card (.md). Its signature is kept, too: P.minisig beside a file.

With a tag, --name math:v2, math alone stays what it is; if it is nothing yet,
it becomes the same patch. What is another patch already stays as it is, too:
give another tag, or move the name with --force.`,
		Example: `  bankai library add fix.bankai
  bankai library add fix.bankai --name math:v1`,
		Args: arguments(1, -1, "one or more patches"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if f.name != "" && len(args) > 1 {
				return usagef("--name is for one patch, and there are %d", len(args))
			}
			return f.add(ctx, a, args)
		}),
	}
	cmd.Flags().StringVar(&f.name, "name", "", "`NAME`, or NAME:TAG, of the patch instead of its file's")
	cmd.Flags().StringArrayVar(&f.with, "with", nil, "`FILE` that goes with it: a probe set, a report or a model card; may be repeated")
	cmd.Flags().Bool(forceName, false, "let a name that is another patch move to this one")
	return cmd
}

func (f *addFlags) add(ctx context.Context, a *app, refs []string) error {
	l, err := library()
	if err != nil {
		return err
	}
	o := store.AddOptions{Move: a.Force}
	if o.Files, err = f.files(); err != nil {
		return err
	}
	var added []store.Entry
	for _, ref := range refs {
		e, err := f.addOne(ctx, a, l, ref, o)
		if err != nil {
			return err
		}
		added = append(added, e)
	}
	doc := keptList{l.Dir(), keptDocs(a, l, added)}
	return a.Print(doc, func(w io.Writer) {
		for _, e := range added {
			fmt.Fprintf(w, "%s: %s, %s bytes, %s%.12s…, for %s\n", e.Ref(), text.Count(e.Flips, "flip"), text.Thousands(e.Bytes), "sha256:", e.Patch, modelOf(e))
		}
	})
}

func (f *addFlags) addOne(ctx context.Context, a *app, l *store.Library, ref string, o store.AddOptions) (store.Entry, error) {
	p, err := a.patches(nil).Raw(ref)
	if err != nil {
		return store.Entry{}, err
	}
	name, tag, err := cutName(f.name)
	if err != nil {
		return store.Entry{}, err
	}
	if f.name == "" {
		name = strings.ToLower(store.Title(ref))
	}
	if o.Source = ref; store.IsPath(ref) {
		if o.Source, err = filepath.Abs(ref); err != nil {
			return store.Entry{}, err
		}
	}
	if o.Signed, err = signaturesOf(a, ref); err != nil {
		return store.Entry{}, err
	}
	e, err := l.Add(ctx, name, tag, p, o)
	if err == nil {
		a.tellLatest(l, e)
	}
	if err == nil || f.name != "" {
		return e, err
	}
	return e, fmt.Errorf("%s: %w", ref, otherName(err, name))
}

// otherName adds to the error about a patch whose name nobody chose how to choose one,
// where that helps.
func otherName(err error, name string) error {
	if store.CheckName(name) != nil || errors.As(err, new(*store.TagTakenError)) {
		return fmt.Errorf("%w (or choose with --name)", err)
	}
	return err
}

// cutName is the value of --name: a name, and its tag, which may be missing.
func cutName(value string) (name, tag string, err error) {
	name, tag, tagged := strings.Cut(value, ":")
	if tagged && tag == "" {
		return "", "", usagef("--name %s: the tag is empty", value)
	}
	return name, tag, nil
}

// files are what goes with the patches.
func (f *addFlags) files() (files []store.Attachment, err error) {
	for _, path := range f.with {
		kind, err := kindOfFile(path)
		if err != nil {
			return nil, err
		}
		data, err := source.Read(path)
		if err != nil {
			return nil, err
		}
		files = append(files, store.Attachment{Kind: kind, Name: filepath.Base(path), Data: data})
	}
	return files, nil
}

// kindOfFile is what goes with a patch, by the ending of its name.
func kindOfFile(path string) (string, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json", ".jsonl", ".csv", ".txt":
		return store.Probes, nil
	case ".html", ".htm":
		return store.Report, nil
	case ".md":
		return store.Card, nil
	}
	if strings.HasPrefix(path, source.Demo) {
		return "", usagef("--with %s: it is part of the program, and need not be given", path)
	}
	return "", usagef("--with %s: sets end in .json, .jsonl, .csv or .txt, a report in .html or .htm, a model card in .md", path)
}

// resolved is the patch of the library that a reference means.
func resolved(ref string) (*store.Library, store.Entry, *bankai.Patch, error) {
	l, err := library()
	if err != nil {
		return nil, store.Entry{}, nil, err
	}
	e, err := l.Resolve(ref)
	if err != nil {
		return l, e, nil, err
	}
	p, err := l.Patch(e)
	return l, e, p, err
}

func libraryShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:        "show NAME",
		Short:      "what a patch of the library is, and what goes with it",
		SuggestFor: []string{"inspect"},
		Long: `Tells of a patch of the library what "bankai info" tells of a file, and what goes
with it: probe sets, reports, signatures.`,
		Example: `  bankai library show math
  bankai library show math:v1 --json`,
		Args: arguments(1, 1, "one name of the library"),
		RunE: a.doAsBuilt(func(_ context.Context, args []string) error {
			l, e, p, err := resolved(args[0])
			if err != nil {
				return err
			}
			return showKept(a, l, e, p)
		}),
	}
}

// keptPage is a patch of the library in full.
type keptPage struct {
	patchPage
	Library keptDoc `json:"library"`
}

func showKept(a *app, l *store.Library, e store.Entry, p *bankai.Patch) error {
	page, err := pageOf(e.Ref(), e.Bytes, p)
	if err != nil {
		return err
	}
	doc := kept(l, e, a.trust(l))
	return a.Print(keptPage{page, doc}, func(w io.Writer) {
		page.write(w)
		fmt.Fprintln(w, "\nIn the library:")
		facts := []terminal.Fact{
			{"name", e.Name + ":" + e.Tag},
			{"bytes' digest", "sha256:" + e.Patch.String()},
			{"from", text.Line(e.Source)},
			{"added", e.Added.Format(text.TimeLayout)},
			{"signed by", signedText(doc.signer, doc.unsigned)},
		}
		for _, f := range e.Files {
			facts = append(facts, terminal.Fact{f.Kind, fmt.Sprintf("%s, %s, sha256:%s", f.Name, text.Size(f.Bytes), short(f.Digest))})
		}
		terminal.WriteFacts(w, facts...)
	})
}

func libraryRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:        "remove NAME...",
		Short:      "take names away",
		SuggestFor: []string{"rm", "delete", "untag"},
		Long: `Takes a tag away, NAME:TAG, or a name with all its tags, NAME. Patches that no
name has any more stay on disk until "bankai library gc".`,
		Example: `  bankai library remove math:v1
  bankai library remove fix`,
		Args: arguments(1, -1, "one or more names of the library"),
		RunE: a.doAsBuilt(func(ctx context.Context, args []string) error {
			l, err := library()
			if err != nil {
				return err
			}
			var gone []store.Entry
			for _, ref := range args {
				some, err := l.Remove(ctx, ref)
				if err != nil {
					return err
				}
				gone = append(gone, some...)
			}
			doc := keptList{l.Dir(), keptDocs(a, l, gone)}
			return a.Print(doc, func(w io.Writer) {
				for _, e := range gone {
					fmt.Fprintf(w, "removed %s:%s (sha256:%.12s…)\n", e.Name, e.Tag, e.Patch)
				}
			})
		}),
	}
}

func libraryCollectCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:        "gc",
		Short:      "check the library, and free what no name has",
		SuggestFor: []string{"prune"},
		Long: `Reads everything again, says what is not as it was added, and removes the
patches, sets, reports and signatures that no name has. Files and links in the
folder that the library did not make are named and left alone; nothing is removed
while a name cannot be read.`,
		Example: `  bankai library gc`,
		Args:    arguments(0, 0, "none"),
		RunE: a.doAsBuilt(func(ctx context.Context, _ []string) error {
			l, err := library()
			if err != nil {
				return err
			}
			faults, err := l.Check(ctx)
			if err != nil {
				return err
			}
			lost := 0
			for _, f := range faults {
				if f.Lost {
					lost++
				}
				a.Warn("%s: %s", f.What, strings.TrimPrefix(f.Why, f.What+": "))
			}
			var freed store.Freed
			if lost == 0 {
				if freed, err = l.GC(ctx); err != nil {
					return err
				}
			}
			doc := struct {
				Folder string        `json:"folder"`
				OK     bool          `json:"ok"`
				Faults []store.Fault `json:"faults"`
				store.Freed
			}{l.Dir(), lost == 0, append([]store.Fault{}, faults...), freed}
			err = a.Print(doc, func(w io.Writer) {
				fmt.Fprintf(w, "%s freed, %s\n", text.Count(freed.Blobs, "file"), text.Size(freed.Bytes))
			})
			if err == nil && lost > 0 {
				err = fmt.Errorf("%s: %s damaged: add again what it was; nothing was collected", l.Dir(), text.Plural(lost, "patch or name is", "patches or names are"))
			}
			return err
		}),
	}
}

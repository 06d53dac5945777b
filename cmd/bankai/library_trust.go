package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bankai"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/store"
	"bankai/store/signature"

	"github.com/spf13/cobra"
)

// anyBase ends a key's limit to models.
const anyBase = "any"

// trustFlags are those of `library trust`.
type trustFlags struct {
	name   string
	bases  []string
	only   []string
	remove string
}

func libraryTrustCommand(a *app) *cobra.Command {
	f := &trustFlags{}
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:        "trust [KEY]",
		Short:      "say whose signatures count",
		SuggestFor: []string{"keys", "key", "distrust"},
		Long: `Trusts a public key: a .pub file, or the line in it that begins with RW. Patches
that its owner signed are then shown as signed, and "bankai serve
--require-signed" takes them. Get the key from its owner, not from where the
patches come from.

--base limits the key to patches for some models, --only to patches of some
names, as math-*: * stands for anything, and ? for one character. What is not
said when a key is trusted again stays as it was: --base any and --only '*' end
its limits.

Without a key it lists those that are trusted. --remove trusts one no more, by
its id or by its name, if no other has that: nothing that it signed counts from
then on, in running servers either.`,
		Example: `  bankai library trust mine.pub --name me
  bankai library trust mine.pub --name me --base demo --only 'math*'
  bankai library trust RWQydV8dcgISnzCzVUwd335o9HmAzzan3YbQ0RyujVQz7T0FYMQftjx7
  bankai library trust
  bankai library trust --remove 9F1202721D5F7532`,
		Args: arguments(0, 1, "a public key, or none to list them"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			l, err := library()
			if err != nil {
				return err
			}
			flags := cmd.Flags()
			said := flags.Changed("name") || flags.Changed("base") || flags.Changed("only")
			switch {
			case f.remove != "" && (len(args) > 0 || said):
				return usagef("--remove stands alone")
			case f.remove != "":
				return f.distrust(ctx, a, l)
			case len(args) > 0:
				return f.trust(ctx, a, l, args[0])
			case said:
				return usagef("give the key that this is about")
			case f.remove == "" && flags.Changed("remove"):
				return usagef("--remove is empty: give the id or the name of a key")
			}
			return listTrusted(a, l)
		}),
	}
	cmd.Flags().StringVar(&f.name, "name", "", "`WHO` the key belongs to, in your words")
	cmd.Flags().StringArrayVar(&f.bases, "base", nil, "`MODEL` whose patches it may sign: a file, a folder, demo, or a digest; any for all; may be repeated")
	cmd.Flags().StringArrayVar(&f.only, "only", nil, "`PATTERN` of the names of patches that it may sign, as math-*; '*' for all; may be repeated")
	cmd.Flags().StringVar(&f.remove, "remove", "", "`KEY`, by its id or its name, that is to be trusted no more")
	return cmd
}

// trustedDoc is a key that is trusted.
type trustedDoc struct {
	Key    signature.KeyID     `json:"key_id"`
	Public signature.PublicKey `json:"public_key"`
	Name   string              `json:"name"`
	Added  string              `json:"added"`
	Bases  []bankai.Digest     `json:"bases"` // empty: any
	Only   []string            `json:"only"`  // empty: any
}

func trustedDocs(all signature.Trust) []trustedDoc {
	docs := []trustedDoc{}
	for _, t := range all {
		docs = append(docs, trustedDoc{
			t.Key.ID(), t.Key, t.Name, t.Added.Format("2006-01-02T15:04:05Z07:00"),
			append([]bankai.Digest{}, t.Bases...), append([]string{}, t.Names...),
		})
	}
	return docs
}

// printTrusted tells of keys: those that are trusted, or what became of some.
func printTrusted(a *app, l *store.Library, all signature.Trust, write func(w io.Writer)) error {
	doc := struct {
		Folder string       `json:"folder"`
		Keys   []trustedDoc `json:"keys"`
	}{l.Dir(), trustedDocs(all)}
	return a.Print(doc, write)
}

func (f *trustFlags) trust(ctx context.Context, a *app, l *store.Library, given string) error {
	k, err := publicKey(given)
	if err != nil {
		return err
	}
	t := signature.Trusted{Key: k, Name: text.Line(f.name), Names: f.only}
	if err := t.Check(); err != nil {
		return usagef("--only: %w", err)
	}
	if slices.Contains(f.only, "*") {
		t.Names = []string{}
	}
	if t.Bases, err = f.basesOf(a); err != nil {
		return err
	}
	if t, err = trustNow(ctx, l, t); err != nil {
		return err
	}
	return printTrusted(a, l, signature.Trust{t}, func(w io.Writer) { fmt.Fprintf(w, "trusted: %v%s\n", t, limitsOf(t)) })
}

// trustNow trusts a key from this second on.
func trustNow(ctx context.Context, l *store.Library, t signature.Trusted) (signature.Trusted, error) {
	at, err := store.Now()
	if err != nil {
		return t, err
	}
	t.Added = at.UTC().Truncate(time.Second)
	return l.TrustKey(ctx, t)
}

// basesOf are the models of --base: nil without it, none for any.
func (f *trustFlags) basesOf(a *app) (bases []bankai.Digest, err error) {
	if slices.Contains(f.bases, anyBase) {
		return []bankai.Digest{}, nil
	}
	for _, b := range f.bases {
		d, err := a.baseOf(b)
		if err != nil {
			return nil, err
		}
		bases = append(bases, d)
	}
	return bases, nil
}

// baseOf is the digest of a model: as it is written, or of a file.
func (a *app) baseOf(given string) (d bankai.Digest, err error) {
	if d, err = bankai.ParseDigest(strings.TrimPrefix(given, "sha256:")); err == nil {
		return d, nil
	}
	err = a.withWeights(given, func(f *weights.File) error {
		if f == nil {
			return usagef("--base is empty: give a model, or leave the flag out")
		}
		d = f.Digest()
		return nil
	})
	return d, err
}

// limitsOf is what a key is trusted with alone.
func limitsOf(t signature.Trusted) (said string) {
	if len(t.Bases) > 0 {
		var bases []string
		for _, b := range t.Bases {
			bases = append(bases, short(b))
		}
		said += ", for " + text.Listed(bases)
	}
	if len(t.Names) > 0 {
		said += ", named " + text.Listed(t.Names)
	}
	return said
}

func (f *trustFlags) distrust(ctx context.Context, a *app, l *store.Library) error {
	all, _ := l.Trust() // what cannot be read can be removed by its id
	id, err := keyOf(all, f.remove)
	if err != nil {
		return fmt.Errorf("--remove: %w", err)
	}
	if err := l.DistrustKey(ctx, id); err != nil {
		return err
	}
	var gone signature.Trust
	for _, t := range all {
		if t.Key.ID() == id {
			gone = append(gone, t)
		}
	}
	return printTrusted(a, l, gone, func(w io.Writer) { fmt.Fprintf(w, "trusted no more: %v\n", id) })
}

// keyOf is the key of an id, or the one of those that are trusted which has a name.
func keyOf(all signature.Trust, given string) (signature.KeyID, error) {
	if id, err := signature.ParseKeyID(given); err == nil {
		return id, nil
	}
	var ids []string
	var id signature.KeyID
	for _, t := range all {
		if t.Name == given {
			id = t.Key.ID()
			ids = append(ids, id.String())
		}
	}
	switch len(ids) {
	case 0:
		return 0, fmt.Errorf("%.80q is neither a key's id nor the name of one that is trusted: bankai library trust lists them", given)
	case 1:
		return id, nil
	}
	return 0, fmt.Errorf("%s are called %q: give the id of one of them", text.Listed(ids), given)
}

func listTrusted(a *app, l *store.Library) error {
	all, failed := l.Trust()
	err := printTrusted(a, l, all, func(w io.Writer) {
		if len(all) == 0 {
			fmt.Fprintf(w, "%s trusts no key yet: bankai library trust KEY\n", l.Dir())
			return
		}
		t := text.Table{}
		t.Add("key", "whose", "since", "limits")
		for _, k := range all {
			t.Add(k.Key.ID().String(), k.Name, k.Added.Format("2006-01-02"), strings.TrimPrefix(limitsOf(k), ", "))
		}
		io.WriteString(w, t.String())
	})
	if err == nil {
		err = failed
	}
	return err
}

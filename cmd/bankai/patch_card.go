package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bankai"
	"bankai/internal/card"
	"bankai/internal/outputs"

	"github.com/spf13/cobra"
)

func patchCardCommand(a *app) *cobra.Command {
	var out string
	var o card.Options
	cmd := &cobra.Command{
		Use:   "card P",
		Short: "the page that a patch is shared with",
		Long: `Prints a page about a patch as Markdown: what it is, which model it is for, how
to use it, what was measured of it, what it does not go with, and where it comes
from. All of it is what the patch says, and none of its text becomes markup. The
front matter is the one that the Hugging Face hub reads: the file is meant to be
the README.md beside a patch. A signature by whom you trust is named.

Say first what is for people to say: bankai patch describe.`,
		Example: `  bankai patch card fix.bankai
  bankai patch card fix.bankai -o README.md --base-model prism-ml/Bonsai-8B-gguf`,
		Args: arguments(1, 1, "one patch"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if out != "" && strings.ToLower(filepath.Ext(out)) != ".md" {
				return usagef("-o %s: a card is Markdown: let the name end in .md", out)
			}
			if o.Base != "" && !card.IsHubModel(o.Base) {
				return usagef("--base-model %s: want the name of a model on the hub, OWNER/NAME", o.Base)
			}
			p, err := a.patches(nil).Raw(args[0])
			if err != nil {
				return err
			}
			by, err := (&verifyFlags{}).signer(a, a.patches(nil), args[0], p, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if id := by.part.By; id != nil {
				o.Signed = strings.TrimPrefix(fmt.Sprintf("%s, with the key %v", by.part.Signer, id), ", with ")
			}
			return writeCard(ctx, a, p, out, o)
		}),
	}
	outFlag(cmd, &out, "NAME.md (default: print it)")
	cmd.Flags().StringVar(&o.Base, "base-model", "", "`OWNER/NAME` of the patch's model on the Hugging Face hub")
	cmd.Flags().StringVar(&o.Ref, "ref", "", "`NAME` by which readers will have the patch (default: what it is called)")
	cmd.Flags().Bool(forceName, false, "replace a file that is no card, or that was changed by hand")
	return cmd
}

func writeCard(ctx context.Context, a *app, p *bankai.Patch, out string, o card.Options) error {
	text, err := card.Of(p, o)
	if err != nil {
		return err
	}
	doc := struct {
		Out  string `json:"out"` // "" if it was only printed
		Card string `json:"card"`
	}{out, string(text)}
	if out != "" {
		file := a.Derived(out, ownCard)
		if err := file.Check(); err != nil {
			return err
		}
		if err := a.Put(ctx, file, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
			return err
		}
	}
	return a.Print(doc, func(w io.Writer) {
		if out == "" {
			a.Stdout.Write(text) // not wrapped: it may go to a file
			return
		}
		io.WriteString(w, out+": the card of the patch\n")
	})
}

// ownCard knows the cards that patch card wrote and nobody changed.
func ownCard(path string) (what string, own bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	own, changed := card.IsOwn(data)
	if changed {
		return "a card that was changed by hand", false
	}
	return outputs.Content(path), own
}

package main

import (
	"context"

	"bankai/store/hub"

	"github.com/spf13/cobra"
)

// pullFlags are those of `pull`.
type pullFlags struct {
	list bool
	name string // in the library
	out  string

	requireSigned bool
}

func pullCommand(a *app) *cobra.Command {
	f := &pullFlags{}
	cmd := &cobra.Command{
		Use:   "pull [REF]",
		Short: "download a model or a patch",
		Long: `Downloads a model or a patch. REF is one of

  bonsai-8b                       a published 1-bit model by its short name
  hf:OWNER/REPO[@REV][/FILE]      a model or a patch on Hugging Face
  ollama:NAME[:TAG]               a model that Ollama has on this machine

Without REF, or with --list, it lists the published 1-bit models: their sizes,
what of them is on this machine, and what is known of each.

Models come into the cache that Python's programs share (HF_HOME), and are then
what --model takes under the same name. Where no file is named the 1-bit GGUF
file is taken, with all its parts, else a folder of safetensors; what belongs to
vision or guesses tokens never is. Patches come into the library, under --name or
their file's name, or only into the file of -o; a signature beside one on the hub
(FILE.minisig) comes along. With -o a copy of a model's file is written, too.

What comes is checked: its size, its digest, and whether bankai reads it. A
download that was interrupted goes on where it was. HF_TOKEN opens what is not
open to everybody; it is sent to the hub alone. HF_ENDPOINT names another hub,
and with HF_HUB_OFFLINE=1 only what is here is looked at. A patch that somebody
whom you trust has signed and that was changed since is refused, and with
--require-signed one that nobody whom you trust has signed ("bankai library
trust").`,
		Example: `  bankai pull
  bankai pull bonsai-8b
  bankai pull hf:prism-ml/Bonsai-8B-gguf/Bonsai-8B-Q1_0.gguf --json`,
		Args: arguments(0, 1, "one reference, or none for a list"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if f.list || len(args) == 0 {
				if len(args) > 0 || f.name != "" || f.out != "" || f.requireSigned {
					return usagef("a list of models takes no reference and no flags about one")
				}
				return listModels(a.Console)
			}
			if !hub.Is(args[0]) {
				return pullOCI(ctx, a, args[0], f)
			}
			return pullHub(ctx, a, args[0], f)
		}),
	}
	cmd.Flags().BoolVar(&f.list, "list", false, "list the published 1-bit models")
	cmd.Flags().StringVar(&f.name, "name", "", "`NAME`, or NAME:TAG, of a patch in the library instead of its file's")
	outFlag(cmd, &f.out, "a patch instead of keeping it in the library, or a copy of a model")
	cmd.Flags().BoolVar(&f.requireSigned, "require-signed", false, "refuse a patch that nobody who is trusted has signed")
	cmd.Flags().Bool(forceName, false, "let a name that is another patch move to this one, and replace the file of -o")
	return cmd
}

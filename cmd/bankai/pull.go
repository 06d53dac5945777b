package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"bankai/store/hub"
	"bankai/store/oci"

	"github.com/spf13/cobra"
)

// pullFlags are those of `pull`.
type pullFlags struct {
	list bool
	name string // in the library
	out  string

	requireSigned bool
	plainHTTP     bool
}

func pullCommand(a *app) *cobra.Command {
	f := &pullFlags{}
	cmd := &cobra.Command{
		Use:        "pull [REF]",
		Short:      "download a model or a patch",
		SuggestFor: []string{"download", "fetch", "get"},
		Long: `Downloads a model or a patch. REF is one of

  bonsai-8b                    a published 1-bit model by its short name
  hf:OWNER/REPO[@REV][/FILE]   a model or a patch on Hugging Face
  ollama:NAME[:TAG]            a model that Ollama has on this machine
  HOST/REPOSITORY[:TAG]        a patch in an OCI registry, as ghcr.io/team/fix:v1
  oci:PATH[:TAG]               one in an OCI layout, a folder or a tar file

Without REF, or with --list, it lists the published 1-bit models: their sizes,
what of them is on this machine, and what is known of each.

Models come into the cache that Python's programs share (HF_HOME), and are then
what --model takes under the same name. Where no file is named the 1-bit GGUF
file is taken, with all its parts, else a folder of safetensors; what belongs to
vision or guesses tokens never is. With -o a copy of a model's file is written,
too. HF_TOKEN opens what is not open to everybody; it is sent to the hub alone.
HF_ENDPOINT names another hub, and with HF_HUB_OFFLINE=1 only what is here is
looked at.

Patches come into the library, with what is attached to them in a registry, or
with the signature beside them on the hub (FILE.minisig), under the name of their
file or repository and its tag, or under --name; or only into the file of -o,
with the signature beside it. A name that came from elsewhere moves only
with --force. What somebody whom you trust ("bankai library trust") has signed,
and was changed since, is refused; with --require-signed, what nobody whom you
trust has signed is refused, too. Credentials of registries are those of "docker
login". They go to the registry, and to a server of tokens that it names on
another machine by https alone. Registries are asked by TLS, those on other
machines otherwise only with --plain-http.

What comes is checked: its size, its digest, and whether bankai reads it; so is
what is here already. A download that was interrupted goes on where it was.`,
		Example: `  bankai pull
  bankai pull bonsai-8b
  bankai pull oci:shared:v1
  bankai pull hf:prism-ml/Bonsai-8B-gguf/Bonsai-8B-Q1_0.gguf --json`,
		Args: arguments(0, 1, "one reference, or none for a list"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if f.list || len(args) == 0 {
				if len(args) > 0 || f.name != "" || f.out != "" || f.requireSigned || f.plainHTTP {
					return usagef("a list of models takes no reference and no flags about one")
				}
				return listModels(a.Console)
			}
			return f.pull(ctx, a, args[0])
		}),
	}
	cmd.Flags().BoolVar(&f.list, "list", false, "list the published 1-bit models")
	cmd.Flags().StringVar(&f.name, "name", "", "`NAME`, or NAME:TAG, of a patch in the library instead of its file's")
	outFlag(cmd, &f.out, "a patch instead of keeping it in the library, or a copy of a model")
	cmd.Flags().BoolVar(&f.requireSigned, "require-signed", false, "refuse a patch that nobody whom you trust has signed")
	plainHTTPFlag(cmd, &f.plainHTTP)
	cmd.Flags().Bool(forceName, false, "let a name that is another patch move to this one, and replace the file of -o")
	return cmd
}

// pull downloads from the hub, or from a registry.
func (f *pullFlags) pull(ctx context.Context, a *app, ref string) error {
	switch {
	case hub.Is(ref) && f.plainHTTP:
		return usagef("--plain-http is for OCI registries, and %s is in none: HF_ENDPOINT names another hub", ref)
	case hub.Is(ref):
		return pullHub(ctx, a, ref, f)
	}
	from, err := oci.ParseRef(ref)
	if isHub, _ := onHub(ref); err != nil || isHub {
		return notPulled(ref, err)
	}
	return pullOCI(ctx, a, from, f)
}

// notPulled is the error about what is no reference, with what it may be meant as.
func notPulled(ref string, err error) error {
	isHub, repo := onHub(ref)
	switch similar := hub.Similar(ref); {
	case isLayout(ref):
	case len(similar) > 0:
		return usagef("%s: did you mean %s?", ref, strings.Join(similar, " or "))
	case isHub:
		return usagef("%.200q is a page of Hugging Face: write hf:%.200s", ref, repo)
	case repo != "":
		return usagef("%s: names no registry: write hf:%[1]s for Hugging Face, or HOST/%[1]s for a registry", ref)
	case !strings.ContainsAny(ref, "/:"):
		return usagef("%.80q is nothing to pull: give a name that \"bankai pull\" lists, hf:OWNER/REPO[/FILE], ollama:NAME, or HOST/REPOSITORY[:TAG] of a registry", ref)
	}
	return noArtifact(ref, err)
}

// onHub finds out whether a reference is the address of Hugging Face, and what else
// would be a reference there: "" if nothing.
func onHub(ref string) (is bool, meant string) {
	meant, is = strings.CutPrefix(strings.TrimPrefix(ref, "https://"), "huggingface.co/")
	parts := strings.Split(meant, "/")
	if is && len(parts) > 2 {
		meant = strings.Join(parts[:2], "/") // what follows are words of the page
	}
	if _, err := hub.Parse("hf:" + meant); err != nil || !is && strings.ContainsAny(parts[0], ".:") {
		return false, ""
	}
	return is, meant
}

// noArtifact is the error about what is no reference of a registry or of a layout.
func noArtifact(ref string, err error) error {
	if isLayout(ref) {
		return usagef("%s: did you mean oci:%[1]s?", ref)
	}
	return usageError{err}
}

// isLayout reports whether a reference lacks nothing but "oci:" to be one of a layout: a
// tar file, or a folder that is one.
func isLayout(ref string) bool {
	l, err := oci.ParseRef("oci:" + ref)
	if err != nil || filepath.Ext(l.Layout) == ".tar" {
		return err == nil
	}
	_, err = os.Stat(filepath.Join(l.Layout, "oci-layout"))
	return err == nil
}

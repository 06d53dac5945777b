package main

import (
	"context"

	"github.com/spf13/cobra"
)

func pullCommand(a *app) *cobra.Command {
	f := &pullFlags{}
	cmd := &cobra.Command{
		Use:   "pull REF",
		Short: "bring a patch from an OCI registry",
		Long: `Brings a patch from where "bankai push" sent it, with all that is attached to
it, into the library, or with -o into a file, with the signature beside it:

  registry.example.com/team/fix:v1   a repository of a registry, and a tag
  REPOSITORY@sha256:DIGEST           exactly what "bankai push" named
  oci:shared:v1                      an OCI layout in the folder "shared"
  oci:shared.tar:v1                  one in a tar file

In the library it has the name of the repository, or from a layout its own, and
the tag; --name gives it others. A name that came from elsewhere is moved only
with --force. Everything is checked: sizes, digests, and that the manifest says
of the patch what the patch does. A patch that somebody whom you trust has
signed and that was changed since is refused; with --require-signed, one that
nobody whom you trust has signed is refused, too ("bankai library trust").

Credentials are those of "docker login". Other machines are asked by TLS alone,
unless --plain-http says otherwise. Sets and reports may be 64 MiB each, and all
that is attached to a patch 256 MiB.`,
		Example: `  bankai pull oci:shared:v1
  bankai pull oci:shared:v1 -o pulled.bankai`,
		Args: arguments(1, 1, "what to bring"),
		RunE: a.do(func(ctx context.Context, args []string) error { return pullOCI(ctx, a, args[0], f) }),
	}
	f.add(cmd)
	return cmd
}

// add declares the flags that are about patches.
func (f *pullFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "name", "", "`NAME`, or NAME:TAG, of the patch in the library")
	outFlag(cmd, &f.out, patchNames+", instead of the library")
	cmd.Flags().BoolVar(&f.requireSigned, "require-signed", false, "refuse a patch that nobody who is trusted has signed")
	plainHTTPFlag(cmd, &f.plainHTTP)
	cmd.Flags().Bool(forceName, false, "let a name that is another patch move to this one; replace a file that is there")
}

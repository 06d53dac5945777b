package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/card"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/store"
	"bankai/store/oci"
	"bankai/store/signature"

	"github.com/spf13/cobra"
)

// pushFlags are those of `push`.
type pushFlags struct {
	signatures []string
	plainHTTP  bool
}

func pushCommand(a *app) *cobra.Command {
	f := &pushFlags{}
	cmd := &cobra.Command{
		Use:        "push P REF",
		Short:      "send a patch to an OCI registry",
		SuggestFor: []string{"publish", "upload"},
		Long: `Sends a patch, a file or a name of the library, to where container images lie,
or into an OCI layout on disk, which can be carried by other means:

  registry.example.com/team/fix:v1   a repository of a registry, and a tag
  oci:shared:v1                      a layout in the folder "shared"
  oci:shared.tar:v1                  one in a tar file

What belongs to the patch goes along: its model card, of a file P its signature,
P.minisig, of a patch of the library its signatures, probe sets and reports. What
is there already is not sent again: equal patches have equal digests, and what is
new is attached to what is there. A signature by your key, or one that you trust,
has to be of this patch; by other keys it goes along unchecked.

The tag, "latest" if none is given, moves when all has arrived; the tag of
something that is no patch moves only with --force.

Credentials are those of "docker login". Other machines are asked by TLS alone,
unless --plain-http says otherwise.`,
		Example: `  bankai push fix.bankai oci:shared:v1`,
		Args:    arguments(2, 2, "a patch, and where to send it"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			ref, err := oci.ParseRef(args[1])
			if err != nil {
				return noArtifact(args[1], err)
			}
			return f.push(ctx, a, args[0], ref)
		}),
	}
	cmd.Flags().StringArrayVar(&f.signatures, "signature", nil, "`FILE` with a signature that is to go along; may be repeated")
	plainHTTPFlag(cmd, &f.plainHTTP)
	cmd.Flags().Bool(forceName, false, "let the tag of something else than a patch move to this one")
	return cmd
}

func plainHTTPFlag(cmd *cobra.Command, on *bool) {
	cmd.Flags().BoolVar(on, "plain-http", false, "ask a registry on another machine without TLS")
}

// pushDoc is what `push` says.
type pushDoc struct {
	Ref        string         `json:"ref"`      // with the digest of the manifest
	Digest     bankai.Digest  `json:"digest"`   // of the patch's bytes
	Manifest   bankai.Digest  `json:"manifest"` // in the registry
	Moved      *bankai.Digest `json:"moved"`    // the manifest that the tag was before, null if it was none or the same
	Flips      int            `json:"flips"`
	Base       *bankai.Digest `json:"base"`
	Bytes      int64          `json:"bytes"`      // sent
	Signatures int            `json:"signatures"` // that went along, or were there
	Files      []string       `json:"files"`      // names of the model card, probe sets and reports that went along, or were there
	Attached   int            `json:"attached"`   // things that were not there before
}

func (f *pushFlags) push(ctx context.Context, a *app, from string, ref oci.Ref) error {
	p, artifact, err := f.artifact(a, from)
	if err != nil {
		return err
	}
	if p.Base().IsZero() {
		a.Warn("%s does not say which model it was made for: who pulls it can check it by its shape alone", from)
	}
	sent, err := oci.Push(ctx, ref, artifact, oci.Options{PlainHTTP: f.plainHTTP, Force: a.Force, Watch: a.Console})
	if err != nil {
		return err
	}
	doc := pushDoc{
		Ref: sent.Ref.String(), Digest: sha256.Sum256(artifact.Patch), Manifest: sent.Digest, Moved: known(sent.Moved),
		Flips: p.Len(), Base: anatomy.BoundTo(p), Bytes: sent.Bytes, Signatures: len(artifact.Signatures), Files: []string{"card.md"}, Attached: sent.Attached,
	}
	for _, file := range artifact.Files {
		doc.Files = append(doc.Files, file.Name)
	}
	tagged := sent.Ref
	tagged.Digest = bankai.Digest{}
	if err := a.Print(doc, func(w io.Writer) { doc.write(w, tagged) }); err != nil {
		return err
	}
	pull := "bankai pull " + text.Quoted(tagged.String())
	if f.plainHTTP {
		pull += " --plain-http"
	}
	a.Note("on the other side: %s", pull)
	return nil
}

// write tells people what was sent to a tag.
func (doc pushDoc) write(w io.Writer, tagged oci.Ref) {
	if doc.Bytes == 0 && doc.Moved == nil {
		fmt.Fprintf(w, "%s: was there already\n", doc.Ref)
		return
	}
	fmt.Fprintf(w, "%s: %s, %s sent\n", text.Line(tagged.String()), text.Count(doc.Flips, "flip"), text.Size(doc.Bytes))
	with := doc.Files
	if doc.Signatures > 0 {
		with = append([]string{text.Count(doc.Signatures, "signature")}, with...)
	}
	facts := []terminal.Fact{{"with it", text.Listed(with)}, {"exactly", doc.Ref}}
	if doc.Moved != nil {
		facts = append(facts, terminal.Fact{"before", fmt.Sprintf("the tag was sha256:%.12s…", *doc.Moved)})
	}
	terminal.WriteFacts(w, facts...)
}

// known is a digest, nil if it is unknown.
func known(d bankai.Digest) *bankai.Digest {
	if d.IsZero() {
		return nil
	}
	return &d
}

// artifact is a patch with all that goes along with it.
func (f *pushFlags) artifact(a *app, from string) (p *bankai.Patch, sent oci.Artifact, err error) {
	if p, err = a.patches(nil).Raw(from); err != nil {
		return nil, sent, err
	}
	if sent.Patch, err = p.Encode(); err != nil {
		return nil, sent, fmt.Errorf("%s: %w", from, err)
	}
	kept, err := signaturesOf(a, from)
	if err != nil {
		return nil, sent, err
	}
	for _, s := range kept {
		sent.Signatures = append(sent.Signatures, s.Text)
	}
	for _, path := range f.signatures {
		if err := addSignature(&sent, path); err != nil {
			return nil, sent, err
		}
	}
	if err := a.checkSent(sent, p, from); err != nil {
		return nil, sent, err
	}
	if !store.IsPath(from) {
		if err := addKept(&sent, from); err != nil {
			return nil, sent, err
		}
	}
	if sent.Card == nil {
		sent.Card, err = card.Of(p, card.Options{})
	}
	return p, sent, err
}

func addSignature(sent *oci.Artifact, path string) error {
	text, err := signature.ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := signature.Parse(text); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	sent.Signatures = append(sent.Signatures, text)
	return nil
}

// addKept adds what the library has beside a patch.
func addKept(sent *oci.Artifact, ref string) error {
	l, e, _, err := resolved(ref)
	if err != nil {
		return err
	}
	for _, f := range e.Files {
		data, err := l.Blob(f.Digest)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", e.Ref(), f.Name, err)
		}
		switch f.Kind {
		case store.Card:
			sent.Card = data
		case store.Probes, store.Report:
			sent.Files = append(sent.Files, oci.File{Kind: f.Kind, Name: f.Name, Data: data})
		}
	}
	return nil
}

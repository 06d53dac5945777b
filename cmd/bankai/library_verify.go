package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/claims"
	"bankai/internal/recheck"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

func libraryVerifyCommand(a *app) *cobra.Command {
	var model modelFlags
	var sets []string
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "verify (NAME | P)",
		Short: "measure what a patch claims again",
		Long: `Reads a patch, of the library or of a file, checks that it is whole and fits the
model, says who of those whom you trust signed it, and measures every claim in it
again. The engine gives every machine the same answers, so the counts have to be
equal: a claim is confirmed, or it differs, and then the exit status is 1, or it
cannot be checked for want of the questions.

Questions are known by their digests. They are looked for among the built-in
sets, what goes with the patches of the library, and the files that --set names.
A claim on examples that were held out wants the files that "bankai adapt
--keep-splits" wrote, and one on a guard wants what the search asked, probes or
examples, because the guard stays away from that.

Claims are measured in the precision that the command named which made the patch,
or else the usual one; where one differs, the other is tried, too. --model need
not be given where the patch is for the usual model.`,
		Example: `  bankai library verify fix.bankai
  bankai library verify fix.bankai --set demo:validate --json`,
		Args: arguments(1, 1, "one name of the library, or one patch"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			v := &verification{app: a, ref: args[0], model: model, flags: cmd.Flags().Changed}
			return v.run(ctx, sets)
		}),
	}
	model.add(cmd)
	cmd.Flags().StringArrayVar(&sets, "set", nil, "`FILE` of probes, or of examples that adapt kept; may be repeated")
	cmd.Flags().Bool(forceName, false, "take a patch that was made for other settings of the model")
	return cmd
}

// verification is a run of `library verify`.
type verification struct {
	app   *app
	ref   string
	model modelFlags
	flags func(name string) bool // it was given

	patch    *bankai.Patch // as it was read
	signed   string        // by whom, in words
	material recheck.Material
	doc      verifyDoc
}

// verifyDoc is the result of `library verify`.
type verifyDoc struct {
	OK      bool             `json:"ok"` // nothing differs
	Patch   string           `json:"patch"`
	Digest  bankai.Digest    `json:"digest"`  // SHA-256 of its encoding
	Content bankai.Digest    `json:"content"` // of what it flips
	Base    *bankai.Digest   `json:"base"`    // null if it names no model
	Model   *source.ModelRef `json:"model"`   // that was measured; null if there is nothing to measure, or it is another one
	signedPart
	Claims []recheck.Outcome `json:"claims"`
}

func (v *verification) run(ctx context.Context, sets []string) (err error) {
	if v.patch, err = v.app.patches(nil).Raw(v.ref); err != nil {
		return err
	}
	if v.doc, err = v.identity(); err != nil {
		return err
	}
	m := &material{}
	if err := m.add(sets); err != nil {
		return err
	}
	if v.material, err = m.gather(); err != nil {
		return err
	}
	if err := v.check(ctx); err != nil {
		return err
	}
	differ := v.count(recheck.Differs)
	v.doc.OK = differ == 0
	err = v.app.Print(v.doc, v.write)
	if err == nil && differ > 0 {
		err = fmt.Errorf("%s: %s not come out again: do not rely on what it says", v.ref, text.Plural(differ, "claim does", "claims do"))
	}
	return err
}

// identity is what a patch is known by.
func (v *verification) identity() (verifyDoc, error) {
	encoded, err := v.patch.Encode()
	if err != nil {
		return verifyDoc{}, fmt.Errorf("%s: %w", v.ref, err)
	}
	doc := verifyDoc{Patch: v.ref, Digest: sha256.Sum256(encoded), Content: v.patch.ContentDigest(), Claims: []recheck.Outcome{}}
	if base := v.patch.Base(); !base.IsZero() {
		doc.Base = &base
	}
	by, err := (&verifyFlags{}).signer(v.app, v.app.patches(nil), v.ref, v.patch, nil)
	if err != nil {
		return doc, fmt.Errorf("%s: %w", v.ref, err)
	}
	doc.signedPart, v.signed = by.part, by.words
	return doc, nil
}

// check measures the claims, on the model that is given, or on the usual one if it is the
// patch's.
func (v *verification) check(ctx context.Context) error {
	all := v.patch.Meta().Claims
	if len(all) == 0 && !v.flags("model") {
		return nil
	}
	recorded := v.recorded()
	if !v.flags("precision") {
		v.model.precision.Value = recorded
	}
	err := v.measure(ctx, all)
	if errors.Is(err, bankai.ErrBaseMismatch) && !v.flags("model") {
		for _, c := range all {
			v.doc.Claims = append(v.doc.Claims, recheck.Unmeasured(c, fmt.Sprintf("%s is another model than the patch is for: give that with --model", v.model.path)))
		}
		return nil
	}
	if err != nil || v.flags("precision") || v.count(recheck.Differs) == 0 {
		return err
	}
	return v.again(ctx, all)
}

// recorded is the precision that the command names which made the patch, or the usual one.
func (v *verification) recorded() engine.Precision {
	command := v.patch.Meta().Command
	for _, said := range []string{" --precision exact", " --precision=exact"} {
		if strings.Contains(command, said) {
			return engine.Exact
		}
	}
	return engine.Fast
}

// again measures claims that differ in the other precision.
func (v *verification) again(ctx context.Context, all []bankai.Claim) error {
	before := v.doc.Claims
	v.model.precision.Value = map[engine.Precision]engine.Precision{engine.Fast: engine.Exact, engine.Exact: engine.Fast}[v.model.precision.Value]
	var differ []bankai.Claim
	var at []int
	for i, o := range before {
		if o.Outcome == recheck.Differs && o.Measured != nil {
			differ, at = append(differ, all[i]), append(at, i)
		}
	}
	if len(differ) == 0 {
		return nil
	}
	v.app.Note("%s: measured once more with --precision %s", text.Plural(len(differ), "claim differs", "claims differ"), v.model.precision.String())
	err := v.measure(ctx, differ)
	now := v.doc.Claims
	v.doc.Claims = before
	for n, i := range at {
		if err == nil && now[n].Outcome == recheck.Confirmed {
			v.doc.Claims[i] = now[n]
		}
	}
	return err
}

// measure measures claims in the precision that is set.
func (v *verification) measure(ctx context.Context, list []bankai.Claim) error {
	m, err := v.app.openModel(&v.model)
	if err != nil {
		return err
	}
	defer m.Close()
	reader := v.app.patches(m.Weights())
	if v.doc.Model != nil {
		reader.Warn = nil // it was said the first time
	}
	p, err := reader.Check(v.patch, v.ref)
	if err != nil {
		return err
	}
	model := source.RefOf(v.model.path, m.Weights())
	v.doc.Model, v.doc.Claims = &model, nil
	c := recheck.Checker{Model: m, Patch: p, Material: v.material, To: v.app.Console}
	v.doc.Claims = []recheck.Outcome{}
	for _, claim := range list {
		o, err := c.Check(ctx, claim)
		if err != nil {
			return err
		}
		v.doc.Claims = append(v.doc.Claims, o)
	}
	return nil
}

func (v *verification) count(s recheck.State) (n int) {
	for _, o := range v.doc.Claims {
		if o.Outcome == s {
			n++
		}
	}
	return n
}

func (v *verification) write(w io.Writer) {
	model := ""
	if v.doc.Model != nil {
		model = v.doc.Model.String()
	}
	base := "not named"
	if v.doc.Base != nil {
		base = v.doc.Base.String()
	}
	terminal.WriteFacts(w,
		terminal.Fact{"patch", v.ref + ": whole, " + text.Count(v.patch.Len(), "flip")},
		terminal.Fact{"digest", "sha256:" + v.doc.Digest.String()},
		terminal.Fact{"base", base},
		terminal.Fact{"model", model},
		terminal.Fact{"signature", v.signed})
	fmt.Fprintln(w)
	if len(v.doc.Claims) == 0 {
		fmt.Fprintln(w, "It claims nothing.")
		return
	}
	for i, o := range v.doc.Claims {
		fmt.Fprintf(w, "%-9s  %s: %s\n", o.Outcome, text.Printable(o.Name), claims.Text(v.patch.Meta().Claims[i]))
		if o.Reason != "" {
			fmt.Fprintf(w, "           %s\n", text.Printable(o.Reason))
		}
	}
	fmt.Fprintf(w, "\n%d confirmed, %d differ, %d cannot be checked.\n", v.count(recheck.Confirmed), v.count(recheck.Differs), v.count(recheck.Unchecked))
}

package adapt

import (
	"context"
	"slices"
	"strings"

	"bankai/engine"
	"bankai/internal/asking"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/internal/text"
	"bankai/measure"
)

// Measure measures a patch on what was held out, and on what the search watched.
func (t *Task) Measure(ctx context.Context, overlay *engine.Overlay) (err error) {
	if w := t.watcher(); w != nil {
		if t.Validate, err = t.evaluated(ctx, overlay, w.questions(t.validation)); err != nil {
			return err
		}
	}
	if len(t.Parts.HeldOut) == 0 {
		return nil
	}
	t.To.Note("measuring on the %s held out, without the patch and with it", text.Count(len(t.Parts.HeldOut), "example"))
	e := &asking.Evaluation{Model: t.Model, Overlay: overlay, Questions: *t.heldOut, Watch: t.To}
	t.HeldOut, err = t.Evaluate(ctx, e)
	return err
}

// Tell adds what was measured to a page.
func (t *Task) Tell(page *report.Search, path string) {
	page.Title = "A model, adapted to " + strings.Join(t.Files, ", ")
	if t.Validate != nil {
		if parts := t.Validate.Parts(); len(parts) > 0 {
			page.ValidationTotal = parts[0].Total
		}
		page.Others = append(page.Others, named("Validation", "Examples that the search did not use, but watched.", t.Validate.Parts())...)
	}
	if h := t.HeldOut; h != nil {
		if parts := h.Parts(); len(parts) > 0 {
			page.HeldOut, page.HeldOutRule = parts[0].Result, heldOutRule(parts[0].Name)
			page.Others = slices.Concat(named("Held out", "Examples that the search did not see.", parts[1:]), page.Others)
		}
		if h.Likelihood != nil {
			page.Search = append(page.Search, report.Fact{Name: "held out", Value: report.LikelihoodVerdict(h.Likelihood, true)})
		}
	}
	page.Try = repair.Facts(
		[2]string{"Measure it on other examples", "bankai eval " + repair.ModelFlag(t.Name) + "other.jsonl --patch " + text.Quoted(path)},
		[2]string{"See what is in the patch", "bankai info " + text.Quoted(path)},
		[2]string{"Serve it", "bankai serve " + repair.ModelFlag(t.Name) + "--patch it=" + text.Quoted(path)})
}

// heldOutRule says when an example of a part is right.
func heldOutRule(part string) string {
	switch part {
	case "preferences":
		return "An example is right if the chosen answer is likelier than the rejected one."
	case "labels":
		return "An example is right if its label is the likeliest of all."
	}
	return "The model answers each greedily, once without and once with the patch; answers are judged by the rules of the data."
}

func named(name, remark string, parts []measure.Part) (list []report.NamedResult) {
	for _, p := range parts {
		list = append(list, report.NamedResult{Name: name + ": " + p.Name, Remark: remark, Result: p.Result})
	}
	return list
}

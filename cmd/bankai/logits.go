package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"bankai/engine"
	"bankai/internal/flagtype"
	"bankai/internal/kernel"
	"bankai/internal/source"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

// logitsFlags are the flags of `logits`.
type logitsFlags struct {
	model  modelFlags
	prompt promptFlags
	top    flagtype.Count
	at     flagtype.IntList
	all    bool
	out    string
}

func logitsCommand(a *app) *cobra.Command {
	f := &logitsFlags{top: 10}
	cmd := &cobra.Command{
		Use:   "logits PROMPT",
		Short: "what the model would say next, in numbers",
		Long: `Runs the model over a prompt and prints the logits of the next token: the
largest ones, those asked for with --at, and the log-sum-exp of all, so that
ln p of a token is its logit less that.

--all writes the logits of the whole vocabulary, in the order of the ids, as
float32, little-endian, to the file that --out names, or to a pipe. Nothing tells
such a file from others: one that is there is only replaced with --force.

` + promptHelp,
		Example: `  bankai logits 'd/dx [x^3] ='
  bankai logits --ids 68,15,86 --top 3 --precision exact --json
  bankai logits --prompt 'Bees make' --at 0,1,2 --all --out logits.f32`,
		Args: arguments(0, 1, "the prompt as one argument, in quotes"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := f.prompt.read(a, args); err != nil {
				return err
			}
			if f.all != (f.out != "") {
				return usagef("--all and --out go together: --all --out FILE")
			}
			return f.run(ctx, a)
		}),
	}
	f.model.add(cmd)
	f.model.addPatch(cmd)
	f.prompt.add(cmd)
	cmd.Flags().Var(&f.top, "top", "how many of the largest to print")
	cmd.Flags().Var(&f.at, "at", "also those of these token `IDS`")
	cmd.Flags().BoolVar(&f.all, "all", false, "write all of them to the file --out names")
	cmd.Flags().StringVar(&f.out, "out", "", "`FILE` for --all")
	forceFlag(cmd)
	return cmd
}

// logitsDoc is the result of `logits`.
type logitsDoc struct {
	Model source.ModelRef    `json:"model"`
	IDs   []int32            `json:"ids"`
	Top   []idLogit          `json:"top"`
	At    map[string]float32 `json:"at"` // by id
	LSE   float64            `json:"lse"`
	Out   string             `json:"out,omitempty"`
}

// idLogit is [id, logit] in JSON.
type idLogit struct {
	id    int32
	logit float32
}

// MarshalJSON implements json.Marshaler.
func (x idLogit) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{x.id, x.logit}) }

func (f *logitsFlags) run(ctx context.Context, a *app) error {
	out := a.Derived(f.out, nil)
	out.Stream = true
	if f.all {
		if err := out.Check(); err != nil {
			return err
		}
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	ids, err := f.prompt.tokens(m)
	if err != nil {
		return err
	}
	if err := checkIDs("--at", f.at.Values, m); err != nil {
		return err
	}
	logits, err := nextLogits(ctx, a, m, f.model.patches, ids)
	if err != nil {
		return err
	}
	doc := logitsDoc{Model: source.RefOf(f.model.path, m.Weights()), IDs: ids, Top: topLogits(logits, int(f.top)), At: map[string]float32{}, LSE: m.LogSumExp(logits), Out: f.out}
	for _, id := range f.at.Values {
		doc.At[strconv.Itoa(int(id))] = logits[id]
	}
	if f.all {
		err := a.Put(ctx, out, func(w io.Writer) error { return binary.Write(w, binary.LittleEndian, logits) })
		if err != nil {
			return err
		}
	}
	return a.Print(doc, func(w io.Writer) { doc.write(w, m, f.at.Values) })
}

// nextLogits runs the patched model over a prompt.
func nextLogits(ctx context.Context, a *app, m *engine.Model, patches []string, ids []int32) ([]float32, error) {
	overlay, err := a.overlay(m, patches)
	if err != nil {
		return nil, err
	}
	b := m.NewBatch(0)
	rows, err := b.Step(ctx, []engine.Input{{Seq: b.NewSeq(overlay), Tokens: ids, Logits: 1}})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// topLogits returns the n largest, of equal ones that with the smaller id first.
func topLogits(logits []float32, n int) []idLogit {
	all := make([]idLogit, len(logits))
	for id, v := range logits {
		all[id] = idLogit{int32(id), v}
	}
	slices.SortFunc(all, func(a, b idLogit) int {
		return cmp.Or(cmp.Compare(b.logit, a.logit), cmp.Compare(a.id, b.id))
	})
	return all[:min(n, len(all))]
}

func (d *logitsDoc) write(w io.Writer, m *engine.Model, at []int32) {
	t := text.Table{Indent: text.Gap, Right: text.RightAligned(3)}
	t.Add("id", "logit", "probability", "token")
	row := func(id int32, logit float32) {
		p := kernel.Exp64(float64(logit) - d.LSE)
		t.Add(id, fmt.Sprintf("%.4f", logit), fmt.Sprintf("%.3g %%", 100*p), text.Line(m.Tokenizer().Token(id)))
	}
	for _, x := range d.Top {
		row(x.id, x.logit)
	}
	if len(at) > 0 && len(d.Top) > 0 {
		t.Add()
	}
	for _, id := range at {
		row(id, d.At[strconv.Itoa(int(id))])
	}
	fmt.Fprintf(w, "%s\nlog-sum-exp %.4f nats; %s in the prompt; model %s\n", &t, d.LSE, text.Count(len(d.IDs), "token"), d.Model)
	if d.Out != "" {
		fmt.Fprintf(w, "all logits: %s\n", d.Out)
	}
}

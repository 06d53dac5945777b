package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bankai/internal/bpe"
	"bankai/internal/flagtype"
	"bankai/internal/source"
	"bankai/internal/terminal"
)

func tokenizeCommand(a *app) *cobra.Command {
	var model, file string
	var pieces bool
	cmd := &cobra.Command{
		Use:   "tokenize TEXT",
		Short: "text to token ids",
		Long: `Prints the token ids of a text, as the model's own vocabulary has them. With
--pieces, each id on its own line with the token's text as the vocabulary spells
it (Ġ is a space, Ċ the end of a line).

The text is taken as it is: \n in it is a backslash and an n, as with generate
--no-escape. The text - is read from standard input, line ends and all.

With --file, many texts at once: a JSON string a line in, a JSON list of ids a
line out, with --json as without. The file "-" is standard input.`,
		Example: `  bankai tokenize 'd/dx [x^2] ='
  bankai tokenize --pieces 'Paris, 7 p.m.'
  bankai tokenize --file texts.jsonl`,
		Args: arguments(0, 1, "one text, in quotes"),
		RunE: a.do(func(_ context.Context, args []string) error {
			if (len(args) == 1) == (file != "") {
				return usagef("give either a text or --file")
			}
			if file != "" && pieces {
				return usagef("--pieces is for one text, not for --file")
			}
			tok, name, err := openTokenizer(a, model)
			if err != nil {
				return err
			}
			if file != "" {
				return tokenizeFile(a, tok, file)
			}
			text := args[0]
			if text == "-" {
				data, err := io.ReadAll(a.stdin)
				if err != nil {
					return err
				}
				text = string(data)
			}
			checkUTF8(a.Console, "the text", text)
			return tokenizeText(a.Console, tok, name, text, pieces)
		}),
	}
	modelFlag(cmd, &model)
	cmd.Flags().StringVar(&file, "file", "", "`F.jsonl` of texts, a JSON string a line; - for standard input")
	cmd.Flags().BoolVar(&pieces, "pieces", false, "show the text of each token")
	return cmd
}

// openTokenizer makes the tokenizer of a model without loading its weights, and says
// what people call the model.
func openTokenizer(a *app, path string) (*bpe.Tokenizer, string, error) {
	f, err := a.openWeights(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	return f.BPE(), source.ModelName(path, f.Config()), nil
}

func tokenizeText(c *terminal.Console, tok *bpe.Tokenizer, model, text string, pieces bool) error {
	type piece struct {
		ID   int32  `json:"id"`
		Text string `json:"text"`
	}
	doc := struct {
		IDs    []int32 `json:"ids"`
		Pieces []piece `json:"pieces,omitempty"`
		Model  struct {
			Name string `json:"name"`
		} `json:"model"` // its digest would need all of the file
	}{IDs: tok.Encode(text)}
	doc.Model.Name = model
	if pieces {
		for _, id := range doc.IDs {
			doc.Pieces = append(doc.Pieces, piece{id, tok.Token(id)})
		}
	}
	return c.Print(doc, func(w io.Writer) {
		for _, p := range doc.Pieces {
			fmt.Fprintf(w, "%8d  %s\n", p.ID, p.Text)
		}
		if !pieces {
			fmt.Fprintln(w, (&flagtype.IntList{Values: doc.IDs}).String())
		}
	})
}

// tokenizeFile encodes a JSON string a line.
func tokenizeFile(a *app, tok *bpe.Tokenizer, path string) error {
	in, err := a.input(path)
	if err != nil {
		return err
	}
	defer in.Close()
	if path == "-" {
		path = "standard input"
	}
	r := bufio.NewReader(in)
	for n := 1; ; n++ {
		line, readErr := r.ReadBytes('\n')
		if readErr != nil && readErr != io.EOF {
			return readErr
		}
		if len(bytes.TrimSpace(line)) > 0 { // blank lines are skipped, as in JSONL of probes
			var text *string
			if err := json.Unmarshal(line, &text); err != nil || text == nil {
				return fmt.Errorf("%s:%d: not a JSON string: each line is one text, in double quotes", path, n)
			}
			ids, err := json.Marshal(tok.Encode(*text))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.Stdout, "%s\n", ids); err != nil {
				return err
			}
		}
		if readErr == io.EOF {
			return nil
		}
	}
}
